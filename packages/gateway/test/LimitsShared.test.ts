/**
 * Three processes over one store, in virtual time.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import { TestClock } from "effect/testing"
import type * as Limits from "../src/Limits.ts"
import * as LimitStore from "../src/LimitStore.ts"
import * as TestLimits from "./TestLimits.ts"

const { enter, holder, inTime, isPlace, reserve, start } = TestLimits
const NAMES = ["one", "two", "three"] as const
const CENT = 10_000_000_000n
const SEED = "guildhall limits"

const three = (allowances: TestLimits.Allowances) => Effect.forEach(NAMES, (name) => start(name, allowances))

/** The most that fell into any 60 seconds. */
const densestMinute = (timesMs: ReadonlyArray<number>): number => {
  let most = 0
  let first = 0
  timesMs.forEach((atMs, at) => {
    while ((timesMs[first] ?? 0) <= atMs - 60_000) first += 1
    most = Math.max(most, at - first + 1)
  })
  return most
}

const now = Effect.clockWith((clock) => clock.currentTimeMillis)

describe("Limits of three processes", () => {
  it.effect.each([6_000])(
    "at 1,000 requests a second start %d in any minute, and hardly less",
    (limit) =>
      Effect.gen(function* () {
        const processes = yield* three({ key: { requestsPerMinute: limit } })
        const admitted: Array<number> = []
        const refused = new Map<string, number>()
        const request = (process: TestLimits.Process) =>
          Effect.gen(function* () {
            const outcome = yield* enter(process, holder("a"))
            if (isPlace(outcome)) {
              admitted.push(yield* now)
              outcome.leave()
            } else refused.set(outcome.code, (refused.get(outcome.code) ?? 0) + 1)
          })
        const seconds = 130
        for (let step = 0; step < seconds * 50; step++) {
          for (let at = 0; at < 20; at++) {
            const process = processes[at % 3]
            if (process !== undefined) yield* Effect.forkChild(request(process))
          }
          yield* TestClock.adjust(20)
        }
        yield* TestClock.adjust(1_000)
        const offered = seconds * 1_000
        assert.deepStrictEqual([...refused.keys()], ["rate_limited"])
        assert.strictEqual(admitted.length + (refused.get("rate_limited") ?? 0), offered)
        assert.isAtMost(densestMinute(admitted), limit)
        // In so long the limit is used up three times, each time a minute after the last.
        assert.isAtLeast(admitted.length, 3 * limit * 0.99)
      }).pipe(Effect.provide(LimitStore.layerMemory)),
    60_000,
  )

  it.effect("admit exactly k of N at once, of places and of money", () =>
    Effect.gen(function* () {
      for (const [allowances, cost] of [
        [{ member: { concurrentRequests: 37 } }, 0n],
        [{ key: { centsPerDay: 37 } }, CENT],
        [{ market: { centsPerMonth: 74 } }, 2n * CENT],
      ] as const) {
        const processes = yield* three(allowances)
        const requests = Array.from({ length: 300 }, (_, at) =>
          Effect.gen(function* () {
            const process = processes[at % 3]
            if (process === undefined) return assert.fail("there are three")
            return yield* reserve(process, holder("a"), { tokens: 10, cost })
          }),
        )
        const outcomes = yield* inTime(Effect.all(requests, { concurrency: "unbounded" }))
        assert.strictEqual(outcomes.filter(isPlace).length, 37)
        // What they hold comes back where they leave, and others get it in whichever process.
        for (const outcome of outcomes) if (isPlace(outcome)) outcome.leave()
        const again = yield* inTime(Effect.all(requests, { concurrency: "unbounded" }))
        assert.strictEqual(again.filter(isPlace).length, 37)
        for (const process of processes) yield* inTime(process.stop)
      }
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )

  it.effect("wait for what another has leased and does not need, rather than refuse", () =>
    Effect.gen(function* () {
      const [one, two] = yield* three({ key: { requestsPerMinute: 100, concurrentRequests: 10 } })
      if (one === undefined || two === undefined) return assert.fail("there are three")
      // The first is busy, and leases much in advance.
      for (let at = 0; at < 30; at++) {
        const place = yield* inTime(enter(one, holder("a")))
        if (isPlace(place)) place.leave()
      }
      const startedMs = yield* now
      const outcomes = yield* inTime(Effect.forEach(Array.from({ length: 71 }), () => enter(two, holder("a"))))
      const places = outcomes.filter(isPlace)
      assert.strictEqual(places.length, 10)
      assert.isBelow((yield* now) - startedMs, 2_000)
      for (const place of places) place.leave()
      const rest = yield* inTime(
        Effect.forEach(Array.from({ length: 71 }), () =>
          Effect.map(enter(two, holder("a")), (outcome) => {
            if (isPlace(outcome)) outcome.leave()
            return outcome
          }),
        ),
      )
      assert.strictEqual(rest.filter(isPlace).length, 60)
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )

  it.effect("get back what a killed one had leased", () =>
    Effect.gen(function* () {
      const [killed, other] = yield* three({ key: { concurrentRequests: 20, centsPerDay: 20 } })
      if (killed === undefined || other === undefined) return assert.fail("there are three")
      const many = (process: TestLimits.Process) =>
        inTime(
          Effect.all(
            Array.from({ length: 25 }, () => reserve(process, holder("a"), { tokens: 1, cost: CENT })),
            {
              concurrency: "unbounded",
            },
          ),
        )
      assert.strictEqual((yield* many(killed)).filter(isPlace).length, 20)
      yield* killed.kill
      assert.strictEqual((yield* many(other)).filter(isPlace).length, 0)
      yield* inTime(Effect.sleep(10_500), 50)
      assert.strictEqual((yield* many(other)).filter(isPlace).length, 20)
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )

  it.effect(
    "never exceed a limit, whatever happens when",
    () =>
      Effect.gen(function* () {
        for (let trial = 0; trial < 3; trial++) yield* chaos
      }).pipe(Random.withSeed(SEED), Effect.provide(LimitStore.layerMemory)),
    60_000,
  )
})

let trials = 0

/**
 * Requests of any size and length come to processes of which one is killed now and then, under limits of all kinds. What
 * the killed one's requests held is free once its lease has ended, and was never charged; what they were given by the
 * minute still counts.
 */
const chaos = Effect.gen(function* () {
  trials += 1
  const limits = { requestsPerMinute: 150, tokensPerMinute: 20_000, concurrentRequests: 12, centsPerDay: 150 }
  const who: Limits.Holder = holder(`chaos${trials}`)
  let number = 0
  const launch = Effect.suspend(() => start(`process-${trials}-${(number += 1)}`, { key: limits }))
  const processes = [yield* launch, yield* launch, yield* launch]
  const starts: Array<number> = []
  const tokens: Array<{ readonly atMs: number; readonly tokens: number }> = []
  /** What requests of living processes hold. */
  const live = new Set<{ readonly process: TestLimits.Process; readonly cents: number }>()
  let spentCents = 0
  const charges: Array<{ readonly process: TestLimits.Process; readonly atMs: number; readonly cents: number }> = []
  /** What killed processes had charged and not told yet. */
  let lostCents = 0
  let mostLive = 0
  let mostCents = 0
  const refusals = new Set<string>()

  const request = (process: TestLimits.Process, most: Record<"tokens" | "cents" | "lastsMs" | "part", number>) =>
    Effect.gen(function* () {
      const place = yield* reserve(process, who, { tokens: most.tokens, cost: BigInt(most.cents) * CENT })
      if (!isPlace(place)) return void refusals.add(place.code)
      if (!processes.includes(process)) return
      const flight = { process, cents: most.cents }
      live.add(flight)
      starts.push(yield* now)
      const cents = [...live].reduce((sum, one) => sum + one.cents, spentCents)
      mostLive = Math.max(mostLive, live.size)
      mostCents = Math.max(mostCents, cents)
      yield* Effect.sleep(most.lastsMs)
      if (!live.delete(flight)) return
      const used = { tokens: Math.floor(most.tokens * most.part), cents: Math.floor(most.cents * most.part) }
      place.spend({ tokens: used.tokens, cost: BigInt(used.cents) * CENT })
      place.leave()
      spentCents += used.cents
      charges.push({ process, atMs: yield* now, cents: used.cents })
      tokens.push({ atMs: yield* now, tokens: used.tokens })
    })

  for (let step = 0; step < 6_000; step++) {
    const at = yield* Random.nextIntBetween(0, 2)
    const process = processes[at] ?? assert.fail("there are three")
    const dice = yield* Random.next
    if (dice < 0.3) {
      const most = {
        tokens: yield* Random.nextIntBetween(1, 400),
        cents: yield* Random.nextIntBetween(0, 3),
        lastsMs: yield* Random.nextIntBetween(0, 2_000),
        part: yield* Random.next,
      }
      yield* Effect.forkChild(request(process, most))
    } else if (dice > 0.999) {
      yield* process.kill
      const untoldMs = (yield* now) - 150
      for (const charge of charges) if (charge.process === process && charge.atMs >= untoldMs) lostCents += charge.cents
      processes[at] = yield* launch
      for (const flight of live) if (flight.process === process) live.delete(flight)
    }
    yield* TestClock.adjust(25)
  }
  assert.isAtLeast(number, 4)
  assert.isAtLeast(starts.length, 200)
  assert.includeMembers([...refusals], ["rate_limited", "too_many_concurrent"])
  assert.isAtMost(densestMinute(starts), limits.requestsPerMinute)
  assert.isAtMost(mostLive, limits.concurrentRequests)
  assert.isAtMost(mostCents, limits.centsPerDay + lostCents)
  assert.isAtMost(lostCents, 10)
  for (const { atMs } of tokens) {
    const minute = tokens.filter((one) => one.atMs > atMs - 60_000 && one.atMs <= atMs)
    assert.isAtMost(
      minute.reduce((sum, one) => sum + one.tokens, 0),
      limits.tokensPerMinute,
    )
  }
})
