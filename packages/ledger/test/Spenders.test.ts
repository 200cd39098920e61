import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer, Result, type Scope } from "effect"
import { TestClock } from "effect/testing"
import * as Ledger from "../src/Ledger.ts"
import type { LedgerError } from "../src/LedgerError.ts"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as LedgerWorkers from "./LedgerWorkers.ts"
import * as Invariants from "./model/Invariants.ts"

const SPENDERS = 256

/** A buyer who can pay for so many. */
const funded = Effect.fnUntraced(function* (allowed: number) {
  const store = yield* LedgerStore
  const [outside, buyer, earner] = [Sample.accountId("external"), Sample.accountId(), Sample.accountId("accrual")]
  yield* store.commit([
    Sample.open(outside, { kind: "external", floor: null }),
    Sample.open(buyer),
    Sample.open(earner, { kind: "accrual" }),
    Sample.post(outside, buyer, BigInt(allowed), { kind: "topUp" }),
  ])
  return { store, outside, buyer, earner }
})

/** Exactly so many are done, and all others hear that there is no more. */
const count = (answers: ReadonlyArray<string>, allowed: number): void => {
  assert.lengthOf(answers, SPENDERS)
  assert.lengthOf(
    answers.filter((answer) => answer === "done"),
    allowed,
  )
  assert.lengthOf(
    answers.filter((answer) => answer === "InsufficientFunds"),
    SPENDERS - allowed,
  )
}

const answerOf = (answer: Result.Result<unknown, LedgerError>): string =>
  Result.isSuccess(answer) ? "done" : answer.failure.reason._tag

const suite = <E>(name: string, layer: Layer.Layer<LedgerStore, E, Scope.Scope>) =>
  describe(`${SPENDERS} spenders at once, ${name}`, () => {
    for (const allowed of [0, 1, 97, 255]) {
      it.effect(`of charges, the ${allowed} that the balance allows are made`, () =>
        Effect.gen(function* () {
          const { buyer, earner, store } = yield* funded(allowed)
          const ledger = yield* Ledger.make
          const charges = Array.from({ length: SPENDERS }, () => ledger.post(Sample.posting(buyer, earner, 1n)))
          count((yield* Effect.all(charges.map(Effect.result), { concurrency: "unbounded" })).map(answerOf), allowed)
          assert.strictEqual((yield* ledger.account(earner)).balance, BigInt(allowed))
          yield* Invariants.check(store)
        }).pipe(Effect.scoped, Effect.provide(layer), TestClock.withLive, Effect.scoped),
      )
    }

    it.effect("of holds and charges mixed, the 97 that the balance allows are made", () =>
      Effect.gen(function* () {
        const { buyer, earner, store } = yield* funded(97)
        const ledger = yield* Ledger.make
        const asked = Array.from({ length: SPENDERS }, (_, at): Effect.Effect<unknown, LedgerError> =>
          at % 2 === 0 ? ledger.hold(Sample.holdRequest(buyer, 1n)) : ledger.post(Sample.posting(buyer, earner, 1n)),
        )
        count((yield* Effect.all(asked.map(Effect.result), { concurrency: "unbounded" })).map(answerOf), 97)
        const { balance, held } = yield* ledger.account(buyer)
        assert.strictEqual(balance, held)
        yield* Invariants.check(store)
      }).pipe(Effect.scoped, Effect.provide(layer), TestClock.withLive, Effect.scoped),
    )
  })

suite("in memory", LedgerStoreMemory.layer)
suite("in PostgreSQL", LedgerStoreSql.layer({ renewMs: 0 }).pipe(Layer.provide(TestDatabase.layer)))

describe(`${SPENDERS} spenders at once, in three processes on one book`, () => {
  it.effect("of charges, the 100 that the balance allows are made", () =>
    Effect.gen(function* () {
      const url = yield* TestDatabase.make
      const books = LedgerStoreSql.layer({ renewMs: 0 }).pipe(Layer.provide(TestDatabase.at(url)))
      yield* Effect.gen(function* () {
        const { buyer, earner, store } = yield* funded(100)
        const workers = yield* Effect.forEach([86, 85, 85], (many, at) =>
          LedgerWorkers.start("spend", {
            DATABASE_URL: url,
            BUYER: buyer,
            EARNER: earner,
            NAME: `process-${at}`,
            COUNT: String(many),
          }),
        )
        for (const worker of workers) assert.strictEqual(yield* worker.hear, "ready")
        const told = yield* Effect.forEach(workers, ({ hear, tell }) => Effect.andThen(tell, hear), {
          concurrency: "unbounded",
        })
        count(told.flat().map(String), 100)
        assert.isAbove(told.filter((each) => Array.isArray(each) && each.includes("done")).length, 1)
        assert.strictEqual((yield* store.accounts([earner]))[0]?.balance, 100n)
        yield* Invariants.check(store)
      }).pipe(Effect.provide(books))
    }).pipe(Effect.scoped, TestClock.withLive),
  )
})
