/**
 * Nobody is turned away while there is something left: bursts, and traffic of every shape.
 */
import { assert, describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import type { Allowance } from "@guildhall/core"
import * as LimitStore from "../src/LimitStore.ts"
import { Refusal } from "../src/Refusal.ts"
import * as TestLimits from "./TestLimits.ts"

const { holder, inTime, isPlace, reserve, start } = TestLimits
const CENT = 10_000_000_000n

const launch = (count: number, key: Allowance.Allowance) =>
  Effect.forEach(Array.from({ length: count }), (_, at) => start(`process-${at}`, { key, market: key }))

/** What became of each, in a word. */
const tally = (outcomes: ReadonlyArray<unknown>) => {
  const counts: Record<string, number> = {}
  for (const outcome of outcomes) {
    const word = outcome instanceof Refusal ? `${outcome.code}: ${outcome.message}` : "in"
    counts[word] = (counts[word] ?? 0) + 1
  }
  return counts
}

const ROOMY = {
  requestsPerMinute: 100_000,
  tokensPerMinute: 10_000_000,
  concurrentRequests: 10_000,
  centsPerDay: 1_000_000,
  centsPerMonth: 9_000_000,
}

const crowd = (count: number, processes: ReadonlyArray<TestLimits.Process>, name = "a") =>
  inTime(
    Effect.all(
      Array.from({ length: count }, (_, at) => {
        const process = processes[at % processes.length]
        return process === undefined
          ? Effect.die("there is none")
          : reserve(process, holder(name), { tokens: 100, cost: CENT })
      }),
      { concurrency: "unbounded" },
    ),
  )

describe("A burst far beyond what is leased, and below the limit", () => {
  for (const [processes, requests] of [
    [1, 500],
    [1, 3_000],
    [3, 500],
    [3, 3_000],
  ] as const) {
    it.effect(`of ${requests} requests on ${processes} processes is let in, cold and warm`, () =>
      Effect.gen(function* () {
        const all = yield* launch(processes, ROOMY)
        const first = yield* crowd(requests, all)
        assert.deepStrictEqual(tally(first), { in: requests })
        // Again on top of the first, and once these are gone.
        const second = yield* crowd(requests, all)
        assert.deepStrictEqual(tally(second), { in: requests })
        for (const place of [...first, ...second]) if (isPlace(place)) place.leave()
        assert.deepStrictEqual(tally(yield* crowd(requests, all)), { in: requests })
      }).pipe(Effect.provide(LimitStore.layerMemory)),
    )
  }

  it.effect("is let in though requests come and go in the midst of it", () =>
    Effect.gen(function* () {
      const all = yield* launch(3, { concurrentRequests: 10_000 })
      const mixed = Array.from({ length: 3_000 }, (_, at) =>
        Effect.gen(function* () {
          yield* Effect.sleep(at % 40)
          const process = all[at % 3] ?? assert.fail("there are three")
          const outcome = yield* TestLimits.enter(process, holder("a"))
          yield* Effect.sleep((at * 7) % 60)
          if (isPlace(outcome)) outcome.leave()
          return outcome
        }),
      )
      const outcomes = yield* inTime(Effect.all(mixed, { concurrency: "unbounded" }), 1)
      assert.deepStrictEqual(tally(outcomes), { in: 3_000 })
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )

  it.effect("that uses the limit up to the last is let in, whichever process had leased it", () =>
    Effect.gen(function* () {
      const all = yield* launch(3, { concurrentRequests: 3_000 })
      const [one] = all
      if (one === undefined) return assert.fail("there are three")
      // The first has had nearly all, and has given nothing back.
      for (const place of yield* crowd(2_900, [one])) if (isPlace(place)) place.leave()
      const outcomes = yield* crowd(3_010, all)
      assert.strictEqual(outcomes.filter(isPlace).length, 3_000)
      for (const outcome of outcomes) {
        if (!isPlace(outcome)) assert.strictEqual(outcome.code, "too_many_concurrent")
      }
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )
})

describe("A refusal", () => {
  it.effect.each([1, 3])(
    "says that a limit is reached only where it was, of %d processes",
    (count) =>
      Effect.gen(function* () {
        for (let trial = 0; trial < 3; trial++) yield* traffic(count, trial)
      }).pipe(Random.withSeed(`guildhall refusals ${count}`), Effect.provide(LimitStore.layerMemory)),
    60_000,
  )
})

describe("A process that was killed", () => {
  it.effect("has others told that some is set aside, not that the limit is reached, until its lease ends", () =>
    Effect.gen(function* () {
      const [killed, other] = yield* launch(2, { concurrentRequests: 100 })
      if (killed === undefined || other === undefined) return assert.fail("there are two")
      // It leases more than it uses, in advance of as many again.
      for (const place of yield* crowd(20, [killed])) if (isPlace(place)) place.leave()
      yield* inTime(Effect.sleep(300))
      yield* killed.kill
      const outcomes = yield* crowd(100, [other])
      const places = outcomes.filter(isPlace)
      assert.isAbove(places.length, 0)
      assert.isBelow(places.length, 99)
      for (const outcome of outcomes) {
        if (isPlace(outcome)) continue
        assert.strictEqual(outcome.code, "service_unavailable")
        assert.include(outcome.message, "may have 100 requests under way at a time. Some of that is left")
        assert.strictEqual(outcome.headers?.["retry-after"], "5")
      }
      yield* inTime(Effect.sleep(10_500), 50)
      assert.strictEqual((yield* crowd(100 - places.length, [other])).filter(isPlace).length, 100 - places.length)
    }).pipe(Effect.provide(LimitStore.layerMemory)),
  )
})

const NAMES = ["requestsPerMinute", "tokensPerMinute", "concurrentRequests", "centsPerDay"] as const
type Name = (typeof NAMES)[number]
type Figures = Readonly<Record<Name, number>>

/** What a refusal says of each process was so within this time: a quarter of a second since the store was asked, and as long
 * as others take to hear. */
const BEFORE_MS = 400
/** What was spent in a minute may count for a second longer. */
const MINUTE_MS = 61_000
const SLACK = 0.01

/** Sums of what fell into the last minute, and what was told to come. */
const makeBook = () => {
  const starts: Array<number> = []
  const tokens: Array<readonly [atMs: number, tokens: number]> = []
  let held = { tokens: 0, requests: 0, cents: 0 }
  let spentCents = 0
  const within = (atMs: number, now: number) => atMs > now - MINUTE_MS
  return {
    started: (now: number) => {
      starts.push(now)
      held = { ...held, requests: held.requests + 1 }
    },
    reserved: (most: { readonly tokens: number; readonly cents: number }) => {
      held = { ...held, tokens: held.tokens + most.tokens, cents: held.cents + most.cents }
    },
    ended: (now: number, most: { tokens: number; cents: number }, came: { tokens: number; cents: number }) => {
      held = {
        requests: held.requests - 1,
        tokens: held.tokens - most.tokens,
        cents: held.cents - most.cents,
      }
      spentCents += came.cents
      tokens.push([now, came.tokens])
    },
    figures: (now: number): Figures => ({
      requestsPerMinute: starts.filter((atMs) => within(atMs, now)).length,
      tokensPerMinute: tokens.reduce((sum, [atMs, units]) => sum + (within(atMs, now) ? units : 0), held.tokens),
      concurrentRequests: held.requests,
      centsPerDay: spentCents + held.cents,
    }),
  }
}

const traffic = Effect.fnUntraced(function* (count: number, trial: number) {
  const limits: Figures = {
    requestsPerMinute: yield* Random.nextIntBetween(150, 600),
    tokensPerMinute: yield* Random.nextIntBetween(20_000, 60_000),
    concurrentRequests: yield* Random.nextIntBetween(10, 60),
    centsPerDay: yield* Random.nextIntBetween(200, 900),
  }
  const processes = yield* Effect.forEach(Array.from({ length: count }), (_, at) =>
    start(`process-${trial}-${at}`, { key: limits }),
  )
  const who = holder(`t${trial}`)
  const books = processes.map(makeBook)
  const now = Effect.clockWith((clock) => clock.currentTimeMillis)
  const samples: Array<{ readonly atMs: number; readonly figures: ReadonlyArray<Figures> }> = []
  /** What stands before something ends. */
  const sample = (atMs: number) => void samples.push({ atMs, figures: books.map((book) => book.figures(atMs)) })
  const refused: Record<string, number> = {}
  let admitted = 0

  const check = (refusal: Refusal, atMs: number, units: Figures) => {
    const name = NAMES.find((one) => refusal.headers?.["x-guildhall-limit"]?.includes(`name=${one},`))
    if (name === undefined) return assert.fail(`${refusal.code}: ${refusal.message}`)
    refused[name] = (refused[name] ?? 0) + 1
    sample(atMs)
    const recent = samples.filter((one) => one.atMs >= atMs - BEFORE_MS - 25)
    const most = processes.reduce(
      (sum, _, at) => sum + Math.max(...recent.map(({ figures }) => figures[at]?.[name] ?? 0)),
      0,
    )
    assert.isAbove(most + units[name], limits[name] * (1 - SLACK), `${refusal.message} at ${atMs}`)
  }

  const request = (
    at: number,
    most: { readonly tokens: number; readonly cents: number },
    lastsMs: number,
    part: number,
  ) =>
    Effect.gen(function* () {
      const units = {
        requestsPerMinute: 1,
        concurrentRequests: 1,
        tokensPerMinute: most.tokens,
        centsPerDay: most.cents,
      }
      const process = processes[at] ?? assert.fail("there is none")
      const book = books[at] ?? assert.fail("there is none")
      const place = yield* TestLimits.enter(process, who)
      if (!isPlace(place)) return check(place, yield* now, units)
      book.started(yield* now)
      const nothing = { tokens: 0, cents: 0 }
      const refusal = yield* Effect.matchEager(
        place.reserve({ tokens: most.tokens, cost: BigInt(most.cents) * CENT }),
        { onFailure: (failure) => failure, onSuccess: () => undefined },
      )
      if (refusal !== undefined) {
        const atMs = yield* now
        check(refusal, atMs, units)
        book.ended(atMs, nothing, nothing)
        return place.leave()
      }
      admitted += 1
      book.reserved(most)
      yield* Effect.sleep(lastsMs)
      sample(yield* now)
      const came = { tokens: Math.floor(most.tokens * part), cents: Math.floor(most.cents * part) }
      book.ended(yield* now, most, came)
      place.spend({ tokens: came.tokens, cost: BigInt(came.cents) * CENT })
      place.leave()
    })

  const fibers = []
  let rate = 1
  for (let step = 0; step < 4_000; step++) {
    // Lulls, steady traffic, and bursts.
    if (step % 80 === 0) rate = [0, 0.1, 0.5, 2, 30][yield* Random.nextIntBetween(0, 4)] ?? 0
    const requests = rate === 30 ? (step % 80 === 0 ? 30 : 0) : Math.floor(rate + (yield* Random.next))
    for (let number = 0; number < requests; number++) {
      const at = yield* Random.nextIntBetween(0, count - 1)
      const most = { tokens: yield* Random.nextIntBetween(1, 400), cents: yield* Random.nextIntBetween(0, 3) }
      const lastsMs = yield* Random.nextIntBetween(0, 1_500)
      fibers.push(yield* Effect.forkChild(request(at, most, lastsMs, yield* Random.next)))
    }
    yield* TestLimits.pass(25)
    const atMs = yield* now
    sample(atMs)
    while ((samples[0]?.atMs ?? atMs) < atMs - 2 * BEFORE_MS) samples.shift()
  }
  yield* TestLimits.pass(5_000)
  for (const fiber of fibers) yield* fiber.pollUnsafe() ?? Effect.die("it is running")
  for (const process of processes) yield* inTime(process.stop)
  assert.isAbove(admitted, 100)
  assert.isAbove(Object.keys(refused).length, 0)
})
