import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { AccountId } from "../src/Account.ts"
import * as Ledger from "../src/Ledger.ts"
import { LedgerError, Unavailable } from "../src/LedgerError.ts"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Period from "../src/Period.ts"
import * as TrialBalance from "../src/TrialBalance.ts"
import * as Books from "./SampleBooks.ts"

const end = Books.START_MS + 45 * Books.DAY_MS
const card = AccountId.make("external:card")
const buyer = AccountId.make("buyer:mem_1")

const stores = {
  memory: LedgerStoreMemory.layer,
  sql: LedgerStoreSql.layer({ renewMs: 10_000 }).pipe(Layer.provide(TestDatabase.layer)),
}

const posting = (key: string, effectiveAtMs?: number) => ({
  idempotencyKey: key,
  kind: "topUp" as const,
  legs: [
    { account: card, amount: -1n },
    { account: buyer, amount: 1n },
  ],
  attachments: [],
  ...(effectiveAtMs === undefined ? {} : { effectiveAtMs }),
})

/** What the trial balance should be, by adding up every posting that counts before the end. */
const expected = (moves: ReadonlyArray<Books.Move>) => {
  const balances = new Map<AccountId, bigint>()
  for (const { countsAtMs, posting } of moves) {
    if (countsAtMs >= end) continue
    for (const { account, amount } of posting.legs) balances.set(account, (balances.get(account) ?? 0n) + amount)
  }
  const assets = new Map<string, (typeof Books.USD)["code"]>(Books.accounts.map(({ id, asset }) => [id, asset.code]))
  return TrialBalance.make(balances, (id) => assets.get(id) ?? assert.fail(id))
}

for (const [name, Store] of Object.entries(stores)) {
  const Live = Ledger.layer.pipe(Layer.provideMerge(Store))

  describe(`Period: ${name}`, () => {
    it.live("closing seals the trial balance of what counts before its end, and nothing counts there any more", () =>
      Effect.gen(function* () {
        const store = yield* LedgerStore
        const ledger = yield* Ledger.Ledger
        const moves = yield* Books.fill(store, 5, 120)
        const closed = yield* Period.close(end)
        assert.deepStrictEqual(closed.trialBalance, expected(moves))

        const refused = yield* Effect.flip(ledger.post(posting("late", end - 1)))
        assert.strictEqual(refused.reason._tag, "PeriodClosed")
        yield* ledger.post(posting("in time", end))
        yield* ledger.post(posting("now"))
        assert.deepStrictEqual(yield* Period.close(end), closed)
        assert.deepStrictEqual(yield* store.snapshot((view) => Period.trialBalance(view, end)), closed.trialBalance)

        const [entry] = yield* store.history("entries", { after: closed.sequence - 1n, limit: 1 })
        assert.deepStrictEqual(entry?._tag === "Acted" ? entry.act : undefined, {
          _tag: "PeriodSealed",
          endMs: end,
          trialBalance: closed.trialBalance,
        })
      }).pipe(Effect.provide(Live)),
    )

    it.live("a crash between closing and sealing leaves a period that closing again seals", () =>
      Effect.gen(function* () {
        const store = yield* LedgerStore
        const ledger = yield* Ledger.Ledger
        const moves = yield* Books.fill(store, 6, 40)
        const crashed: Ledger.Ledger["Service"] = {
          ...ledger,
          sealPeriod: () => Effect.fail(new LedgerError({ reason: new Unavailable({ cause: "crashed" }) })),
        }
        yield* Effect.flip(Effect.provideService(Period.close(end), Ledger.Ledger, crashed))
        yield* ledger.post(posting("meanwhile", end))
        const { trialBalance } = yield* Period.close(end)
        assert.deepStrictEqual(trialBalance, expected(moves))
      }).pipe(Effect.provide(Live)),
    )

    it.live("what is posted while it closes is in the trial balance, or is refused", () =>
      Effect.gen(function* () {
        const store = yield* LedgerStore
        const ledger = yield* Ledger.Ledger
        yield* Books.open(store)
        const posts = Effect.forEach(
          Array.from({ length: 300 }, (_, at) => posting(`meanwhile-${at}`, at % 3 === 0 ? end : end - 1)),
          (each) => Effect.result(ledger.post(each)),
          { concurrency: 8 },
        )
        const closing = Effect.andThen(Effect.sleep("10 millis"), Period.close(end))
        const [answers, { trialBalance }] = yield* Effect.all([posts, closing], { concurrency: 2 })
        for (const answer of answers) {
          if (answer._tag === "Failure") assert.strictEqual(answer.failure.reason._tag, "PeriodClosed")
        }
        const entries = yield* store.history("entries", { after: 0n, limit: 1_000 })
        const moves = entries.flatMap((entry) =>
          entry._tag === "Posted" ? [{ ...entry, countsAtMs: entry.effectiveAtMs }] : [],
        )
        assert.lengthOf(moves, answers.filter(({ _tag }) => _tag === "Success").length)
        assert.deepStrictEqual(trialBalance, expected(moves))
      }).pipe(Effect.provide(Live)),
    )

    it.live("closings at once seal once", () =>
      Effect.gen(function* () {
        yield* Books.fill(yield* LedgerStore, 9, 40)
        const all = yield* Effect.all([Period.close(end), Period.close(end), Period.close(end)], {
          concurrency: "unbounded",
        })
        assert.lengthOf([...new Set(all.map(({ sequence }) => sequence))], 1)
      }).pipe(Effect.provide(Live)),
    )

    it.live("refuses to close what has not ended, or before a later end", () =>
      Effect.gen(function* () {
        yield* Books.open(yield* LedgerStore)
        const future = yield* Effect.flip(Period.close(Date.UTC(2200, 0, 1)))
        assert.strictEqual(future._tag === "LedgerError" ? future.reason._tag : future._tag, "InvalidCommand")
        yield* Period.close(end)
        const earlier = yield* Effect.flip(Period.close(end - 1))
        assert.strictEqual(earlier._tag === "LedgerError" ? earlier.reason._tag : earlier._tag, "InvalidCommand")
      }).pipe(Effect.provide(Live)),
    )
  })
}

describe("Period", () => {
  it.effect("does not seal books that do not balance", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(Date.UTC(2026, 0, 1))
      const store = yield* LedgerStore
      yield* Books.fill(store, 5, 120)
      const damaged = Books.seen(store, (view) => ({
        balances: (at, ids) => Effect.map(view.balances(at, ids), (found) => new Map(found).set(buyer, 1n)),
      }))
      const error = yield* Effect.flip(
        Effect.provide(Period.close(end), Ledger.layer).pipe(Effect.provideService(LedgerStore, damaged)),
      )
      assert.strictEqual(error._tag, "DoesNotBalance")
      assert.include(error.message, "USD")
      const entries = yield* store.history("entries", { after: 0n, limit: 1_000 })
      assert.isFalse(entries.some((entry) => entry._tag === "Acted" && entry.act._tag === "PeriodSealed"))
    }).pipe(Effect.provide(LedgerStoreMemory.layer)),
  )
})
