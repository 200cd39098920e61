import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import type { Told } from "@guildhall/core/SharedHealth"
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
