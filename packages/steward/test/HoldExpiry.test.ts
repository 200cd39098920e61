import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { USD } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { Account, Hold, Ledger } from "@guildhall/ledger"
import { LedgerError, Unavailable } from "@guildhall/ledger/LedgerError"
import * as LedgerStoreMemory from "@guildhall/ledger/LedgerStoreMemory"
import * as HoldExpiry from "../src/HoldExpiry.ts"

const buyer = Account.ids.buyer(MemberId.make("mem_buyer"))
const ledgerLayer = Ledger.layer.pipe(Layer.provide(LedgerStoreMemory.layer))

const takeHolds = Effect.fnUntraced(function* (count: number, owner: string) {
  const ledger = yield* Ledger.Ledger
  yield* ledger.open({ id: buyer, kind: "buyer", asset: USD, floor: null })
  yield* Effect.forEach(
    Array.from({ length: count }, (_, at) => Hold.HoldId.make(`${owner}-${at}`)),
    (id) =>
      ledger.hold({ id, account: buyer, amount: 1n, owner, lifeMs: 10_000, definitionDigest: "d", context: { id } }),
    { concurrency: "unbounded", discard: true },
  )
})

const held = Effect.gen(function* () {
  const ledger = yield* Ledger.Ledger
  const account = yield* ledger.account(buyer)
  return account.held
})

describe("the loop", () => {
  it.effect("releases the holds of a dead owner, all of them, and leaves those of a living one", () =>
    Effect.gen(function* () {
      const ledger = yield* Ledger.Ledger
      yield* takeHolds(1_200, "dead")
      yield* takeHolds(3, "alive")
      yield* TestClock.adjust(9_000)
      assert.strictEqual(yield* held, 1_203n)
      yield* ledger.renew("alive", 10_000)
      yield* TestClock.adjust(2_000)
      assert.strictEqual(yield* held, 3n)
      yield* TestClock.adjust(10_000)
      assert.strictEqual(yield* held, 0n)
      const attached = yield* ledger.attachments(0n, 5_000)
      assert.strictEqual(attached.length, 1_203)
    }).pipe(
      Effect.provide(HoldExpiry.layer({ everyMs: 1_000 }).pipe(Layer.provideMerge(ledgerLayer))),
      Effect.provide(Logger.layer([])),
    ),
  )

  it.effect("survives an outage of the store", () =>
    Effect.gen(function* () {
      const ledger = yield* Ledger.Ledger
      let away = true
      const outage = Layer.succeed(
        Ledger.Ledger,
        Ledger.Ledger.of({
          ...ledger,
          expire: (limit) =>
            away ? Effect.fail(new LedgerError({ reason: new Unavailable({ cause: "away" }) })) : ledger.expire(limit),
        }),
      )
      yield* takeHolds(2, "dead")
      yield* Effect.gen(function* () {
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(yield* held, 2n)
        away = false
        yield* TestClock.adjust("11 seconds")
        assert.strictEqual(yield* held, 0n)
      }).pipe(Effect.provide(HoldExpiry.layer({ everyMs: 1_000 }).pipe(Layer.provide(outage))))
    }).pipe(Effect.provide(ledgerLayer), Effect.provide(Logger.layer([]))),
  )
})
