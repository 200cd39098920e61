import { assert, describe, it } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { MemberId } from "@guildhall/core/Member"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import * as Account from "../src/Account.ts"
import * as Ledger from "../src/Ledger.ts"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as LedgerStoreSql from "../src/LedgerStoreSql.ts"
import * as Matured from "../src/Matured.ts"
import * as Sample from "../src/testing/SampleCommand.ts"

const [ann, bob] = [MemberId.make("mem_ann"), MemberId.make("mem_bob")]
const outside = Account.ids.external("world")

/** Moves an amount from outside to an account, or back where it is below zero. */
const earn = Effect.fnUntraced(function* (account: Account.AccountId, amount: bigint) {
  const ledger = yield* Ledger.Ledger
  const kind = account.startsWith("accrual") ? "accrual" : account.startsWith("receivable") ? "receivable" : "external"
  yield* ledger.open({ id: outside, kind: "external", asset: Sample.USD, floor: null })
  yield* ledger.open({ id: account, kind, asset: Sample.USD, floor: kind === "accrual" ? 0n : null })
  yield* ledger.post(Sample.posting(outside, account, amount))
})

const find = (untilMs: Readonly<Record<string, number>>) =>
  Effect.flatMap(LedgerStore, (store) => store.snapshot((view) => Matured.find(view, { asset: "USD", untilMs })))

const books = Ledger.layer.pipe(Layer.provideMerge(LedgerStoreMemory.layer))

describe("Matured", () => {
  it.effect("is what came in before the time, less all that was taken, and what is owed stands beside it", () =>
    Effect.gen(function* () {
      const card = Account.ids.accrual("card", ann)
      yield* earn(card, 10n)
      yield* earn(Account.ids.accrual("grant", ann), 99n)
      yield* earn(Account.ids.accrual("card", bob), 4n)
      yield* earn(Account.ids.receivable(bob), -3n)
      yield* TestClock.adjust("1 hour")
      yield* earn(card, 5n)
      yield* earn(card, -2n)
      const hour = 3_600_000
      assert.deepStrictEqual(yield* find({ card: hour }), [
        { provider: ann, fundingSource: "card", amount: 8n, owed: 0n },
        { provider: bob, fundingSource: "card", amount: 4n, owed: 3n },
      ])
      assert.deepStrictEqual(
        (yield* find({ card: hour + 1 })).map(({ amount }) => amount),
        [13n, 4n],
      )
      assert.isEmpty(yield* find({ card: 0 }))
      assert.isEmpty(yield* find({ usdc: hour }))
      assert.deepStrictEqual(
        (yield* find({ card: hour, grant: hour })).map(({ fundingSource }) => fundingSource).sort(),
        ["card", "card", "grant"],
      )
    }).pipe(Effect.provide(books)),
  )

  it.effect("is the same in PostgreSQL", () =>
    Effect.gen(function* () {
      yield* earn(Account.ids.accrual("card", ann), 10n)
      yield* earn(Account.ids.accrual("card", ann), -1n)
      const later = 10 ** 15
      assert.deepStrictEqual(yield* find({ card: later }), [
        { provider: ann, fundingSource: "card", amount: 9n, owed: 0n },
      ])
      assert.isEmpty(yield* find({ card: 1 }))
    }).pipe(
      Effect.provide(
        Ledger.layer.pipe(
          Layer.provideMerge(LedgerStoreSql.layer({ renewMs: 10_000 })),
          Layer.provide(TestDatabase.layer),
        ),
      ),
    ),
  )
})
