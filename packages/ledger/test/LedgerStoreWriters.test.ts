import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Result } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import * as Ledger from "../src/Ledger.ts"
import { type Command, LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Sample from "../src/testing/SampleCommand.ts"

const store = LedgerStoreSql.make({ renewMs: 10_000 })
const ledger = Effect.flatMap(store, (made) => Effect.provideService(Ledger.make, LedgerStore, made))
/** The database's clock cannot be set: short pauses in real time. */
const pause = (durationMs: number) => TestClock.withLive(Effect.sleep(durationMs))

/** A store with a buyer that has `funds`. */
const funded = Effect.fnUntraced(function* (funds: bigint) {
  const made = yield* store
  const [outside, buyer, provider] = [
    Sample.accountId("external"),
    Sample.accountId("buyer"),
    Sample.accountId("accrual"),
  ]
  yield* made.commit([
    Sample.open(outside, { kind: "external", floor: null }),
    Sample.open(buyer),
    Sample.open(provider, { kind: "accrual" }),
    Sample.post(outside, buyer, funds, { kind: "topUp" }),
  ])
  return { store: made, outside, buyer, provider }
})

describe("LedgerStoreSql, when several write", () => {
  it.effect("of 200 holds at once, through two ledgers on one database, as many succeed as there are funds for", () =>
    Effect.gen(function* () {
      const { store, buyer } = yield* funded(77n)
      const ledgers = [yield* ledger, yield* ledger]
      const answers = yield* Effect.all(
        Array.from({ length: 200 }, (_, at) => {
          const one = ledgers[at % 2]
          return one === undefined ? Effect.die("no ledger") : Effect.result(one.hold(Sample.holdRequest(buyer, 2n)))
        }),
        { concurrency: "unbounded" },
      )
      const refusals = answers.flatMap((answer) => (Result.isFailure(answer) ? [answer.failure.reason._tag] : []))
      assert.lengthOf(refusals, 200 - 38)
      assert.deepStrictEqual([...new Set(refusals)], ["InsufficientFunds"])
      const [account] = yield* store.accounts([buyer])
      assert.strictEqual(account?.held, 76n)
      assert.lengthOf(yield* store.holds({ pending: true }), 38)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("one hold that two processes settle, void and expire at once ends in one way", () =>
    Effect.gen(function* () {
      const { store, buyer, provider } = yield* funded(1_000n)
      const other = yield* LedgerStoreSql.make({ renewMs: 0 })
      for (let round = 0; round < 10; round++) {
        const hold = Sample.holdRequest(buyer, 5n, { lifeMs: 1 })
        yield* store.commit([{ _tag: "Hold", hold }])
        yield* pause(3)
        const ends: ReadonlyArray<Command> = [
          { _tag: "Settle", hold: hold.id, posting: Sample.posting(buyer, provider, 5n) },
          { _tag: "Void", hold: hold.id, attachments: [] },
          { _tag: "Expire", limit: 10 },
          { _tag: "Settle", hold: hold.id, posting: Sample.posting(buyer, provider, 4n) },
        ]
        const answers = yield* Effect.all(
          ends.map((command, at) => (at % 2 === 0 ? other : store).commit([command])),
          { concurrency: "unbounded" },
        )
        const ended = answers.flat().flatMap((answer): ReadonlyArray<string> => {
          if (Result.isFailure(answer)) return []
          return answer.success._tag === "Expired" ? answer.success.holds : [answer.success._tag]
        })
        assert.lengthOf(ended, 1)
        const [account] = yield* store.accounts([buyer])
        assert.strictEqual(account?.held, 0n)
      }
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("what one process committed is read by another, and by the same one after a restart", () =>
    Effect.gen(function* () {
      const { store: first, buyer } = yield* funded(10n)
      const hold = Sample.holdRequest(buyer, 4n)
      yield* first.commit([{ _tag: "Hold", hold }])
      const second = yield* store
      assert.deepStrictEqual(yield* second.accounts(), yield* first.accounts())
      assert.deepStrictEqual(yield* second.holds({ pending: true }), yield* first.holds({ pending: true }))
      assert.deepStrictEqual(yield* second.postings(0n, 10), yield* first.postings(0n, 10))
      const [again] = yield* second.commit([{ _tag: "Hold", hold }])
      assert.isTrue(again !== undefined && Result.isSuccess(again) && again.success._tag === "Held")
      assert.strictEqual((yield* second.accounts([buyer]))[0]?.held, 4n)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("a batch that the database refuses leaves nothing behind, and can be sent again", () =>
    Effect.gen(function* () {
      const { store, buyer, provider } = yield* funded(10n)
      const sql = yield* SqlClient.SqlClient
      const batch = [
        Sample.post(buyer, provider, 1n, { attachments: [{ kind: "sample", body: 1 }] }),
        Sample.post(buyer, provider, 2n),
      ]
      yield* sql`ALTER TABLE ledger_book ADD CONSTRAINT never CHECK (last_attachment < 1)`
      const error = yield* Effect.flip(store.commit(batch))
      assert.strictEqual(error.reason._tag, "Unavailable")
      assert.isTrue(error.isRetryable)
      assert.lengthOf(yield* store.postings(0n, 10), 1)
      assert.lengthOf(yield* store.attachments(0n, 10), 0)
      yield* sql`ALTER TABLE ledger_book DROP CONSTRAINT never`
      const answers = yield* store.commit(batch)
      assert.isTrue(answers.every((answer) => Result.isSuccess(answer)))
      assert.strictEqual((yield* store.accounts([provider]))[0]?.balance, 3n)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )
})
