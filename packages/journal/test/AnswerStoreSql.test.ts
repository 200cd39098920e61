import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { SqlClient } from "effect/sql"
import { AnswerStore, type Claim } from "../src/AnswerStore.ts"
import * as AnswerStoreSql from "../src/AnswerStoreSql.ts"
import * as SampleEntry from "../src/testing/SampleEntry.ts"

const Live = AnswerStoreSql.layer({ memberBytes: 3_000, memberSlots: 1_000 }).pipe(
  Layer.provideMerge(TestDatabase.layer),
)

const dice = (seed: number) => () => {
  seed = (seed * 1_103_515_245 + 12_345) % 2_147_483_648
  return seed / 2_147_483_648
}

describe("AnswerStoreSql", () => {
  it.live("counts what a member has, whatever happens at once", () =>
    Effect.gen(function* () {
      const store = yield* AnswerStore
      const sql = yield* SqlClient.SqlClient
      const members = Array.from({ length: 4 }, SampleEntry.member)
      const random = dice(7)
      const worker = Effect.gen(function* () {
        for (let at = 0; at < 60; at++) {
          const slot = Math.floor(random() * 12)
          const [request = assert.fail("no id")] = SampleEntry.requestIds(1)
          // A slot is always the same member's, as it is a hash of the member.
          const member = members[slot % members.length] ?? assert.fail("no member")
          const claim: Claim = { slot: `slot-${slot}`, fingerprint: "f", member, request, leaseMs: 5 }
          const claimed = yield* store.claim(claim)
          if (claimed._tag === "Taken" && claimed.state === "lapsed") {
            yield* store.claim({ ...claim, after: claimed.request })
          }
          const chance = random()
          const bytes = new Uint8Array(Math.floor(random() * 900))
          if (chance < 0.5) yield* store.keep(claim, { keyId: "k", bytes }, Math.floor(random() * 20))
          else if (chance < 0.6) yield* store.keep(claim, null, 5)
          else if (chance < 0.8) yield* store.release(claim)
          else yield* store.sweep(3)
        }
      })
      yield* Effect.all([worker, worker, worker, worker, worker, worker], { concurrency: "unbounded" })
      const off = yield* sql`
        SELECT m.member, m.slots, m.bytes, count(a.slot) AS has, coalesce(sum(a.size), 0) AS sum
        FROM gateway_answer_members m LEFT JOIN gateway_answers a ON a.member = m.member
        GROUP BY m.member HAVING m.slots <> count(a.slot) OR m.bytes <> coalesce(sum(a.size), 0) OR m.bytes > 3000`
      assert.deepStrictEqual(off, [])
      const sizes = yield* sql`SELECT slot FROM gateway_answers
        WHERE size <> coalesce(octet_length(sealed), 0) OR (state = 'kept') <> (sealed IS NOT NULL)`
      assert.deepStrictEqual(sizes, [])
      // By the clock of the database, which is the real one, nothing is kept or leased for longer than 20 ms.
      yield* Effect.sleep(30)
      while ((yield* store.sweep(50)) > 0);
      const [left] = yield* sql<{
        readonly bytes: string
      }>`SELECT sum(bytes)::text AS bytes FROM gateway_answer_members`
      assert.strictEqual(left?.bytes, "0")
    }).pipe(Effect.provide(Live)),
  )

  it.live("may be made by several processes at once, and again", () =>
    Effect.gen(function* () {
      yield* Effect.all([AnswerStoreSql.make(), AnswerStoreSql.make(), AnswerStoreSql.make()], { concurrency: 3 })
      const store = yield* AnswerStoreSql.make()
      assert.strictEqual(yield* store.sweep(1), 0)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )
})
