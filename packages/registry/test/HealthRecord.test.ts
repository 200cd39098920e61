import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { SqlClient } from "effect/sql"
import { InstanceId } from "@guildhall/core/Instance"
import { nothing, type Told } from "@guildhall/core/SharedHealth"
import * as HealthRecord from "../src/HealthRecord.ts"
import * as HealthRecordSql from "../src/HealthRecordSql.ts"
import * as HealthRecordTest from "../src/testing/HealthRecordTest.ts"

HealthRecordTest.suite("memory", HealthRecord.layerMemory())
HealthRecordTest.suite("SQL", HealthRecordSql.layer().pipe(Layer.provide(TestDatabase.layer)))

type Record = HealthRecord.HealthRecord["Service"]
const broken = (change: (record: Record) => Partial<Record>) =>
  Layer.effect(
    HealthRecord.HealthRecord,
    Effect.map(HealthRecord.HealthRecord, (record) => HealthRecord.HealthRecord.of({ ...record, ...change(record) })),
  ).pipe(Layer.provide(HealthRecord.layerMemory()))

const told = (change: (told: Told) => Told) =>
  broken(({ add }) => ({ add: (addition) => add({ ...addition, told: change(addition.told) }) }))

let number = 0
HealthRecordTest.breaks(
  "an outcome is told without its failures",
  told((told) => ({
    ...told,
    outcomes: told.outcomes.map((one) => ({ ...one, counts: { ...one.counts, failed: 0 } })),
  })),
  1,
)
HealthRecordTest.breaks(
  "what is told again counts again",
  broken(({ add }) => ({ add: (addition) => add({ ...addition, number: ++number }) })),
  2,
)
HealthRecordTest.breaks(
  "every other answer is lost",
  broken(({ changes }) => ({
    changes: (since) =>
      Effect.map(changes(since), (heard) => (Number(heard.mark) % 2 === 0 ? { ...heard, days: [] } : heard)),
  })),
  3,
)
HealthRecordTest.breaks(
  "what two saw counts twice",
  told((told) => ({ ...told, sightings: [], outcomes: [...told.outcomes, ...told.sightings] })),
  4,
)
HealthRecordTest.breaks(
  "a deadline is halved",
  told((told) => ({ ...told, leftAlone: told.leftAlone.map((one) => ({ ...one, forMs: one.forMs / 2 })) })),
  5,
)
HealthRecordTest.breaks("it keeps a month", HealthRecord.layerMemory({ days: 30 }), 6)
HealthRecordTest.breaks(
  "work counts as seen",
  told((told) => ({
    ...told,
    sightings: told.sightings.map((seen) => ({ ...seen, counts: { ...seen.counts, failed: 7 } })),
  })),
  7,
)

const now = "floor(extract(epoch FROM clock_timestamp()) / 86400)::int"

describe("the tables of the health of instances", () => {
  const lines: Array<string> = []
  const log = Logger.make<unknown, void>(({ message }) => void lines.push(String(message)))
  const surroundings = Layer.merge(
    HealthRecordSql.layer().pipe(Layer.provideMerge(TestDatabase.layer)),
    Logger.layer([log]),
  )

  it.live("forget what is over by themselves, and pass over what was written by hand and cannot be", () =>
    Effect.gen(function* () {
      const record = yield* HealthRecord.HealthRecord
      const sql = yield* SqlClient.SqlClient
      const rows = (table: string) =>
        Effect.map(sql.unsafe<{ readonly n: number }>(`SELECT count(*)::int AS n FROM ${table}`), ([row]) => row?.n)
      yield* sql.unsafe(`INSERT INTO registry_health
        SELECT ${now} - d, 'ins_' || n, n, 1, 0, 0, 0, 0, 0, 0, pg_current_xact_id()
        FROM generate_series(-2, 30) d, generate_series(1, 3) n`)
      yield* sql`INSERT INTO registry_left_alone VALUES
        ('ins_1', 'parked', 0, clock_timestamp() - interval '2 minutes', pg_current_xact_id()),
        ('ins_2', 'parked', 0, clock_timestamp() + interval '2 minutes', pg_current_xact_id()),
        ('ins_3', 'parked', 0, 'infinity', pg_current_xact_id()),
        ('ins_4', 'frozen', -7, clock_timestamp() + interval '2 minutes', pg_current_xact_id()),
        ('what is this', 'parked', 0, clock_timestamp() + interval '200 years', pg_current_xact_id())`
      yield* sql`INSERT INTO registry_health_additions VALUES
        ('gone', 7, clock_timestamp() - interval '40 days'), ('late', 7, clock_timestamp() - interval '20 days')`
      const instanceId = InstanceId.make("ins_1")
      yield* record.add({
        gateway: "new",
        number: 1,
        told: { ...nothing, leftAlone: [{ instanceId, why: "ejected", forMs: 90_000, ejections: 2 }] },
      })
      const heard = yield* record.changes(undefined)
      assert.strictEqual(heard.days.length, 14 * 3, "days to come and days that are over are not heard of")
      assert.deepStrictEqual(
        heard.leftAlone.map(({ instanceId }) => instanceId),
        [InstanceId.make("ins_2"), instanceId],
      )
      assert.strictEqual(lines.length, 1)
      assert.match(lines[0] ?? "", /^2 row\(s\) of registry_health/)
      assert.deepStrictEqual(
        [yield* rows("registry_health"), yield* rows("registry_left_alone"), yield* rows("registry_health_additions")],
        [(14 + 2) * 3, 5, 2],
      )
    }).pipe(Effect.provide(surroundings)),
  )

  it.live("are heard again as a whole from a database that was restored and numbers anew", () =>
    Effect.gen(function* () {
      const record = yield* HealthRecord.HealthRecord
      const counts = { succeeded: 1, failed: 0, neutral: 0 }
      const { mark, today } = yield* record.changes(undefined)
      const outcomes = [{ instanceId: InstanceId.make("ins_a"), day: today, counts }]
      yield* record.add({ gateway: "one", number: 1, told: { ...nothing, outcomes } })
      const later = `${BigInt(mark) + 1_000_000n}`
      assert.strictEqual((yield* record.changes(later)).days.length, 1)
    }).pipe(Effect.provide(surroundings)),
  )
})
