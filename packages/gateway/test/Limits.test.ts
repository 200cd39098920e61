import { assert, describe, it } from "@effect/vitest"
import { Effect, Logger } from "effect"
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

  it.effect("goes on within its lease while the store is away, and then lets nobody in", () =>
    Effect.gen(function* () {
      const process = yield* start("one", { key: { requestsPerMinute: 1_000, concurrentRequests: 100 } })
      const first = yield* inTime(enter(process, holder("a")))
      assert.isTrue(isPlace(first))
      yield* process.kill
      const burst = yield* inTime(
        Effect.all(
          Array.from({ length: 300 }, () => enter(process, holder("a"))),
          { concurrency: "unbounded" },
        ),
      )
      const within = count(burst, "in")
      assert.isAbove(within, 0)
      assert.isBelow(within, 100)
      assert.strictEqual(count(burst, "service_unavailable"), 300 - within)
      // A lease is trusted for less than its life.
      yield* inTime(Effect.sleep(8_000), 50)
      assert.strictEqual(count([yield* inTime(enter(process, holder("a")))], "service_unavailable"), 1)
      // A key that nobody knows anything of is no exception.
      assert.strictEqual(count([yield* inTime(enter(process, holder("new")))], "service_unavailable"), 1)
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )

  it.effect("goes on where it was once the store is back, and tells the outage once", () =>
    Effect.gen(function* () {
      let isAway = true
      const said: Array<unknown> = []
      const logger = Logger.make<unknown, void>(({ message }) => void said.push(message))
      const store = yield* LimitStore.LimitStore
      const wrapped = LimitStore.LimitStore.of({
        ...store,
        exchange: (request) =>
          isAway ? Effect.fail(new LimitStore.LimitStoreError({ cause: "away" })) : store.exchange(request),
      })
      const process = yield* Effect.provideService(
        start("one", { key: { requestsPerMinute: 5 } }).pipe(Effect.provide(Logger.layer([logger]))),
        LimitStore.LimitStore,
        wrapped,
      )
      assert.deepStrictEqual(codes([yield* inTime(enter(process, holder("a")))]), ["service_unavailable"])
      assert.lengthOf(said, 1)
      assert.match(
        String(said[0]),
        /^The limits cannot be shared with other processes\. The store of the limits .*database/,
      )
      isAway = false
      const outcomes = yield* inTime(Effect.forEach(Array.from({ length: 7 }), () => enter(process, holder("a"))))
      assert.strictEqual(count(outcomes, "in"), 5)
      // What it spends while it is told nothing is told afterwards, once.
      isAway = true
      yield* inTime(Effect.sleep(1_000), 50)
      isAway = false
      yield* inTime(Effect.sleep(1_000), 50)
      const [usage] = yield* process.limits.usage(holder("a"))
      assert.deepInclude(usage, { name: "requestsPerMinute", used: 5 })
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )

  it.effect("goes by a key's new limits with the next request", () =>
    Effect.gen(function* () {
      const process = yield* start("one", { key: { requestsPerMinute: 2, concurrentRequests: 9 } })
      const first = yield* inTime(Effect.forEach([1, 2, 3], () => enter(process, holder("a"))))
      assert.deepStrictEqual(codes(first), ["in", "in", "rate_limited"])
      const more = holder("a", { requestsPerMinute: 4 })
      const second = yield* inTime(Effect.forEach([1, 2, 3], () => enter(process, more)))
      assert.deepStrictEqual(codes(second), ["in", "in", "rate_limited"])
      // Lower ones as well; and what is under way is not forgotten.
      const less = holder("a", { requestsPerMinute: 1_000, concurrentRequests: 5 })
      const third = yield* inTime(Effect.forEach([1, 2], () => enter(process, less)))
      assert.deepStrictEqual(codes(third), ["in", "too_many_concurrent"])
      for (const place of [...first, ...second, ...third]) if (isPlace(place)) place.leave()
      assert.deepStrictEqual(codes([yield* inTime(enter(process, less))]), ["in"])
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )

  it.effect("reserves more for a request that needs it, or leaves it what it has", () =>
    Effect.gen(function* () {
      const process = yield* start("one", { key: { centsPerMonth: 10, tokensPerMinute: 100 } })
      const place = yield* inTime(reserve(process, holder("a"), { tokens: 20, cost: 4n * CENT }))
      if (!isPlace(place)) return assert.fail(place.message)
      yield* inTime(place.reserve({ tokens: 20, cost: 4n * CENT }))
      const refusal = yield* inTime(Effect.flip(place.reserve({ tokens: 1, cost: 4n * CENT })))
      assert.strictEqual(refusal.code, "budget_exceeded")
      assert.include(refusal.message, "The key may spend 10 cents in a month of UTC")
      assert.include(refusal.message, "2 is left for a request that may take 4")
      // The most that it may take never fits; what it likely takes does.
      yield* inTime(place.reserve({ tokens: 500, likelyTokens: 50, cost: 0n }))
      const never = yield* inTime(Effect.flip(place.reserve({ tokens: 500, cost: 0n })))
      assert.strictEqual(never.code, "token_rate_limited")
      assert.strictEqual(never.headers?.["x-should-retry"], "false")
      place.spend({ tokens: 30, cost: CENT })
      place.leave()
      yield* inTime(Effect.sleep(300))
      assert.deepStrictEqual(
        (yield* process.limits.usage(holder("a"))).map(({ used, underWay }) => [used, underWay]),
        [
          [30, 0],
          [1, 0],
        ],
      )
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )

  it.effect("tells everything and gives everything back when it stops", () =>
    Effect.gen(function* () {
      const [one, two] = [
        yield* start("one", { key: { concurrentRequests: 10, centsPerDay: 10 } }),
        yield* start("two", { key: { concurrentRequests: 10, centsPerDay: 10 } }),
      ]
      const place = yield* inTime(reserve(one, holder("a"), { tokens: 1, cost: 10n * CENT }))
      if (!isPlace(place)) return assert.fail(place.message)
      place.spend({ tokens: 1, cost: 3n * CENT })
      place.leave()
      yield* one.stop
      const [day] = (yield* two.limits.usage(holder("a"))).filter(({ name }) => name === "centsPerDay")
      assert.deepInclude(day, { used: 3, underWay: 0 })
      const rest = yield* inTime(reserve(two, holder("a"), { tokens: 1, cost: 7n * CENT }))
      assert.isTrue(isPlace(rest))
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
