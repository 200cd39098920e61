import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import * as LimitStore from "../src/LimitStore.ts"
import { Refusal } from "../src/Refusal.ts"
import * as TestLimits from "./TestLimits.ts"

const { enter, holder, inTime, isPlace, reserve, start } = TestLimits
const CENT = 10_000_000_000n

const codes = (outcomes: ReadonlyArray<unknown>) =>
  outcomes.map((outcome) => (outcome instanceof Refusal ? outcome.code : "in"))
const count = (outcomes: ReadonlyArray<unknown>, what: string) => codes(outcomes).filter((code) => code === what).length

describe("Limits of one process", () => {
  it.effect("lets a minute's worth start, and says when there is more", () =>
    Effect.gen(function* () {
      const process = yield* start("one", { key: { requestsPerMinute: 60 } })
      const outcomes = yield* inTime(Effect.forEach(Array.from({ length: 70 }), () => enter(process, holder("a"))))
      assert.strictEqual(count(outcomes, "in"), 60)
      assert.strictEqual(count(outcomes, "rate_limited"), 10)
      const refusal = outcomes[69]
      if (!(refusal instanceof Refusal)) return assert.fail("it was let in")
      const after = Number(refusal.headers?.["retry-after"])
      assert.closeTo(after, 60, 1)
      assert.match(refusal.message, /^The key may start 60 requests in a minute, and has. Try again in 6[01] s.$/)
      assert.deepInclude(refusal.headers, {
        "x-guildhall-limit": "scope=key, name=requestsPerMinute, limit=60",
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
      })
      assert.isTrue(isPlace(yield* inTime(enter(process, holder("b")))))
      yield* inTime(Effect.sleep(after * 1_000), 50)
      assert.isTrue(isPlace(yield* inTime(enter(process, holder("a")))))
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )

  it.effect("counts those under way once, however often they leave", () =>
    Effect.gen(function* () {
      const process = yield* start("one", { key: { concurrentRequests: 2 }, market: { concurrentRequests: 3 } })
      const places = yield* inTime(Effect.forEach(["a", "a", "a", "b", "b"], (name) => enter(process, holder(name))))
      assert.deepStrictEqual(codes(places), ["in", "in", "too_many_concurrent", "in", "too_many_concurrent"])
      const [first, , , , refused] = places
      if (first === undefined || !isPlace(first) || !(refused instanceof Refusal)) return assert.fail("it is otherwise")
      assert.strictEqual(
        refused.message,
        "The market as a whole may have 3 requests under way at a time, and has. Try again in 1 s.",
      )
      first.leave()
      first.leave()
      const again = yield* inTime(Effect.forEach(["b", "b", "a"], (name) => enter(process, holder(name))))
      assert.deepStrictEqual(codes(again), ["in", "too_many_concurrent", "too_many_concurrent"])
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )

  it.effect("asks the store once in a while, not for each request", () =>
    Effect.gen(function* () {
      const process = yield* start("one", { key: { requestsPerMinute: 1_000_000, concurrentRequests: 1_000 } })
      let admitted = 0
      const second = Effect.forEach(Array.from({ length: 100 }), () =>
        Effect.gen(function* () {
          for (let at = 0; at < 20; at++) {
            const outcome = yield* enter(process, holder("a"))
            if (!isPlace(outcome)) continue
            admitted += 1
            outcome.leave()
          }
          yield* Effect.sleep(10)
        }),
      )
      yield* inTime(second, 10)
      const before = process.exchanges()
      yield* inTime(second, 10)
      assert.strictEqual(admitted, 4_000)
      assert.isAtMost(process.exchanges() - before, 25)
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )

  it.effect("holds what a request may cost, and counts what it came to", () =>
    Effect.gen(function* () {
      const process = yield* start("one", { key: { centsPerDay: 10, tokensPerMinute: 1_000 } })
      const most = { tokens: 100, cost: 4n * CENT }
      const places = yield* inTime(Effect.forEach([1, 2, 3], () => reserve(process, holder("a"), most)))
      assert.deepStrictEqual(codes(places), ["in", "in", "budget_exceeded"])
      const [first, second, third] = places
      if (!(third instanceof Refusal) || first === undefined || !isPlace(first)) return assert.fail("it is otherwise")
      // Only what is under way stands in the way: it may be free at any time.
      assert.strictEqual(third.headers?.["retry-after"], "1")
      first.spend({ tokens: 10, cost: CENT })
      first.leave()
      if (second !== undefined && isPlace(second)) second.leave()
      yield* inTime(Effect.sleep(300))
      const [tokens, day] = yield* process.limits.usage(holder("a"))
      assert.deepInclude(tokens, { scope: "key", name: "tokensPerMinute", limit: 1_000, used: 10, underWay: 0 })
      assert.deepInclude(day, { scope: "key", name: "centsPerDay", limit: 10, used: 1, underWay: 0 })
      assert.closeTo(day?.resetsInMs ?? 0, 86_400_000, 1_000)
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )

  it.effect("forgets keys that nobody uses", () =>
    Effect.gen(function* () {
      const store = yield* LimitStore.LimitStore
      const process = yield* start("one", { key: { requestsPerMinute: 10, concurrentRequests: 5 } })
      for (let at = 0; at < 20; at++) {
        const outcome = yield* inTime(enter(process, holder(`k${at}`)))
        if (isPlace(outcome)) outcome.leave()
      }
      yield* inTime(Effect.sleep(20_000), 50)
      const exchanges = process.exchanges()
      yield* inTime(Effect.sleep(20_000), 50)
      assert.strictEqual(process.exchanges(), exchanges)
      yield* inTime(Effect.sleep(130_000), 500)
      assert.strictEqual(yield* store.sweep, 40)
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )
})
