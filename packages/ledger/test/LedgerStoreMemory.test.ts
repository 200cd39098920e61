import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { TestClock } from "effect/testing"
import { LedgerStore } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as Trial from "../src/testing/internal/Trial.ts"

const Live = Layer.fresh(LedgerStoreMemory.layer)

describe("LedgerStoreMemory", () => {
  it.effect("goes on at the latest time it has seen when the clock goes back", () =>
    Effect.gen(function* () {
      yield* TestClock.setTime(10_000)
      const { outside, buyer } = yield* Trial.people(100n)
      const held = yield* Trial.answer(Sample.hold(buyer, 1n, { lifeMs: 500 }), "Held")
      assert.strictEqual(held.hold.expiresAtMs, 10_500)
      yield* TestClock.setTime(4_000)
      assert.strictEqual((yield* Trial.posted(Sample.post(outside, buyer, 1n))).postedAtMs, 10_000)
      const later = yield* Trial.answer(Sample.hold(buyer, 1n, { lifeMs: 500 }), "Held")
      assert.strictEqual(later.hold.expiresAtMs, 10_500)
      // What counts later than the clock says, and not later than the books, may be posted and closed.
      yield* Trial.outcome(Sample.post(outside, buyer, 1n, { effectiveAtMs: 9_000 }))
      yield* Trial.outcome({ _tag: "ClosePeriod", endMs: 10_000 })
      yield* Trial.refuses({ _tag: "ClosePeriod", endMs: 10_001 }, "InvalidCommand")
      assert.deepStrictEqual(yield* Trial.outcome({ _tag: "Expire", limit: 10 }), { _tag: "Expired", holds: [] })
      yield* TestClock.setTime(10_500)
      const { holds } = yield* Trial.answer({ _tag: "Expire", limit: 10 }, "Expired")
      assert.sameMembers([...holds], [held.hold.id, later.hold.id])
    }).pipe(Effect.provide(Live)),
  )

  it.effect("a view of a moment is its own, whatever is committed later", () =>
    Effect.gen(function* () {
      const store = yield* LedgerStore
      const { outside, buyer } = yield* Trial.people(100n)
      const view = yield* store.snapshot(Effect.succeed)
      yield* Trial.outcome(Sample.post(outside, buyer, 1n))
      assert.strictEqual((yield* view.accounts([buyer]))[0]?.balance, 100n)
      assert.strictEqual((yield* store.accounts([buyer]))[0]?.balance, 101n)
    }).pipe(Effect.provide(Live)),
  )
})
