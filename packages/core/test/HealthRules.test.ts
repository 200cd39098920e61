import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as Breaker from "../src/rules/Breaker.ts"
import * as Ejection from "../src/rules/Ejection.ts"
import * as HealthWindow from "../src/rules/HealthWindow.ts"
import * as InFlightCap from "../src/rules/InFlightCap.ts"
import * as PeakMean from "../src/rules/PeakMean.ts"
import * as RampUp from "../src/rules/RampUp.ts"

const DAY_MS = 86_400_000
const absurd = [Number.NaN, Infinity, -Infinity, -1, Number.MAX_VALUE, 2 ** 60]
const int = (maximum: number) => Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum })))
const list = <S extends Schema.Constraint>(item: S) => Schema.Array(item).pipe(Schema.check(Schema.isMaxLength(60)))

describe("Breaker", () => {
  const settings = { failures: 3, withinMs: 60_000, parkMs: 15_000 }
  const failAt = (...timesMs: ReadonlyArray<number>) =>
    timesMs.reduce((state, atMs) => Breaker.failed(settings, state, atMs), Breaker.closed)

  it("T6 · 3 failures within 60 s park for 15 s; one probe re-admits fully", () => {
    assert.strictEqual(Breaker.standing(failAt(0, 59_999), 59_999), "closed")
    assert.strictEqual(Breaker.standing(failAt(0, 30_000, 60_000), 60_000), "parked")
    // The first is too long ago.
    assert.strictEqual(Breaker.standing(failAt(0, 30_000, 60_001), 60_001), "closed")
    const parked = failAt(0, 1, 2)
    assert.deepStrictEqual(
      [2, 15_001, 15_002, 1_000_000].map((atMs) => Breaker.standing(parked, atMs)),
      ["parked", "parked", "probing", "probing"],
    )
    assert.strictEqual(Breaker.succeeded(parked, 10_000), parked)
    const back = Breaker.succeeded(parked, 15_002)
    assert.deepStrictEqual(back, Breaker.closed)
    // Fully: it again takes three.
    const twice = Breaker.failed(settings, Breaker.failed(settings, back, 15_003), 15_004)
    assert.strictEqual(Breaker.standing(twice, 15_004), "closed")
    // A probe that fails parks it anew.
    const again = Breaker.failed(settings, parked, 20_000)
    assert.deepStrictEqual(
      [20_000, 34_999, 35_000].map((atMs) => Breaker.standing(again, atMs)),
      ["parked", "parked", "probing"],
    )
  })

  it("a later, longer deadline extends; a shorter one never shortens", () => {
    const parked = failAt(0, 1, 2)
    const longer = Breaker.leave(parked, "ejected", 1_000, 40_000)
    assert.strictEqual(Breaker.standing(longer, 39_999), "parked")
    assert.strictEqual(Breaker.leave(longer, "parked", 2_000, 17_000), longer)
    assert.strictEqual(Breaker.standing(Breaker.failed(settings, parked, 10_000), 24_999), "parked")
  })

  const step = Schema.Struct({ what: int(3), afterMs: int(30_000) })
  it.prop(
    "is left alone only after its failures, comes back by one success, and keeps a bounded memory",
    [list(step)],
    ([steps]) => {
      let state = Breaker.closed
      let nowMs = 0
      let failures: Array<number> = []
      for (const { afterMs, what } of steps) {
        nowMs += afterMs
        const before = Breaker.standing(state, nowMs)
        const until = state.left?.untilMs ?? 0
        if (what === 0) state = Breaker.succeeded(state, nowMs)
        else if (what === 3) state = Breaker.leave(state, "ejected", nowMs, nowMs + afterMs)
        else state = Breaker.failed(settings, state, nowMs)
        const after = Breaker.standing(state, nowMs)
        if (what === 1 || what === 2) failures.push(nowMs)
        if (before === "closed" && after === "parked") {
          assert.isAtLeast(failures.filter((atMs) => nowMs - atMs <= settings.withinMs).length, settings.failures)
        }
        if (before === "parked" || before === "ejected") assert.isAtLeast(state.left?.untilMs ?? 0, until)
        if (what === 0) assert.strictEqual(after, before === "probing" ? "closed" : before)
        if (after === "closed" && before !== "closed") failures = []
        assert.isBelow(state.failedAtMs.length, settings.failures)
      }
    },
    { arbitrary: { seed: "breaker", runs: 500 } },
  )

  it("absurd times change nothing, and a clock that goes back lets it try", () => {
    for (const atMs of [Number.NaN, Infinity, -Infinity]) {
      assert.strictEqual(Breaker.failed(settings, failAt(0, 1), atMs).left, undefined)
      assert.strictEqual(Breaker.standing(failAt(0, 1, 2), atMs), "probing")
    }
    const parked = failAt(1e12, 1e12 + 1, 1e12 + 2)
    assert.strictEqual(Breaker.standing(parked, 1e12 - 3_600_000), "probing")
    assert.strictEqual(Breaker.standing(failAt(1e12, 1e12, 0), 0), "closed")
  })
})

describe("RampUp", () => {
  const settings = { forMs: 7 * DAY_MS, fromBps: 2_000 }

  it("T9 · over 7 days from 20 % to all of the declared rate, in a straight line", () => {
    const days = [0, 1, 3.5, 6, 7, 8].map((day) => RampUp.share(settings, day * DAY_MS))
    assert.deepStrictEqual(days, [2_000, 3_142, 6_000, 8_857, 10_000, 10_000])
  })

  it.prop(
    "never falls, and stays between its ends",
    [int(10_000), int(10 * DAY_MS), int(10 * DAY_MS)],
    ([fromBps, a, b]) => {
      const [young, old] = [Math.min(a, b), Math.max(a, b)].map((ageMs) =>
        RampUp.share({ forMs: 7 * DAY_MS, fromBps }, ageMs),
      )
      assert.isTrue(young !== undefined && old !== undefined && fromBps <= young && young <= old && old <= 10_000)
    },
    { arbitrary: { seed: "ramp-up", runs: 500 } },
  )

  it("an absurd age is no age, or all of it", () => {
    for (const ageMs of absurd) {
      const share = RampUp.share(settings, ageMs)
      assert.strictEqual(share, ageMs > 0 ? 10_000 : 2_000)
    }
  })
})

describe("HealthWindow", () => {
  const settings = { days: 14, sampleMs: 60_000 }
  const kinds = ["succeeded", "failed", "neutral"] as const

  it.prop(
    "T8 · holds exactly the successes, failures and neutral outcomes of the last 14 days",
    [list(Schema.Struct({ kind: int(2), afterMs: int(3 * DAY_MS) }))],
    ([steps]) => {
      let state = HealthWindow.empty
      let nowMs = 0
      const all: Array<{ readonly kind: HealthWindow.Kind; readonly day: number }> = []
      for (const { afterMs, kind: at } of steps) {
        nowMs += afterMs
        const kind = kinds[at] ?? "neutral"
        all.push({ kind, day: Math.floor(nowMs / DAY_MS) })
        state = HealthWindow.add(settings, state, kind, nowMs)
        const today = Math.floor(nowMs / DAY_MS)
        const count = (kind: HealthWindow.Kind) => all.filter((one) => one.kind === kind && one.day > today - 14).length
        assert.deepStrictEqual(HealthWindow.counts(settings, state, nowMs), {
          succeeded: count("succeeded"),
          failed: count("failed"),
          neutral: count("neutral"),
        })
        assert.isBelow(state.earlier.length, 14)
      }
    },
    { arbitrary: { seed: "health-window", runs: 300 } },
  )

  it.prop(
    "a clock that jumps loses no count while it stays within the window, and memory stays bounded",
    [list(Schema.Struct({ kind: int(2), day: int(13) }))],
    ([steps]) => {
      let state = HealthWindow.empty
      for (const { day, kind } of steps) {
        state = HealthWindow.add(settings, state, kinds[kind] ?? "neutral", day * DAY_MS)
        assert.isBelow(state.earlier.length, 14)
        const days = [...state.earlier.map((one) => one.day), state.day]
        assert.deepStrictEqual(
          days.toSorted((a, b) => a - b),
          days,
        )
        assert.strictEqual(new Set(days).size, days.length)
      }
      const { failed, neutral, succeeded } = HealthWindow.counts(settings, state, 13 * DAY_MS)
      assert.strictEqual(failed + neutral + succeeded, steps.length)
    },
    { arbitrary: { seed: "health-clock", runs: 300 } },
  )

  const seen = list(Schema.Struct({ kind: int(2), day: int(20) }))
  const windowOf = (steps: ReadonlyArray<{ readonly kind: number; readonly day: number }>) =>
    steps.reduce(
      (state, { day, kind }) => HealthWindow.add(settings, state, kinds[kind] ?? "neutral", day * DAY_MS),
      HealthWindow.empty,
    )

  it.prop(
    "what several gateways saw is the same in whatever order it is joined, and no outcome is lost or counted twice",
    [seen, seen, seen],
    ([a, b, c]) => {
      const [one, two, three] = [windowOf(a), windowOf(b), windowOf(c)]
      const all = HealthWindow.join(HealthWindow.join(one, two), three)
      assert.deepStrictEqual(HealthWindow.join(one, HealthWindow.join(two, three)), all)
      assert.deepStrictEqual(HealthWindow.join(HealthWindow.join(three, one), two), all)
      assert.deepStrictEqual(HealthWindow.join(HealthWindow.empty, all), all)
      const together = HealthWindow.counts(settings, all, 20 * DAY_MS)
      const apart = [one, two, three].map((state) => HealthWindow.counts(settings, state, 20 * DAY_MS))
      assert.deepStrictEqual(together, apart.reduce(HealthWindow.plus))
    },
    { arbitrary: { seed: "health-join", runs: 300 } },
  )

  it.prop(
    "what is known better takes the place of a day, and days outside the window are dropped",
    [seen, seen, int(25)],
    ([a, b, today]) => {
      const known = HealthWindow.daysOf(windowOf(b))
      const state = HealthWindow.until(settings, HealthWindow.replace(windowOf(a), known), today)
      const expected = new Map([...HealthWindow.daysOf(windowOf(a)), ...known].map(({ counts, day }) => [day, counts]))
      assert.deepStrictEqual(
        HealthWindow.daysOf(state),
        [...expected]
          .map(([day, counts]) => ({ day, counts }))
          .filter(({ day }) => day > today - 14 && day <= today)
          .sort((a, b) => a.day - b.day),
      )
    },
    { arbitrary: { seed: "health-replace", runs: 300 } },
  )

  it("an absurd time counts for the day that it was", () => {
    let state = HealthWindow.add(settings, HealthWindow.empty, "succeeded", 5 * DAY_MS)
    for (const atMs of [Number.NaN, Infinity, -Infinity, -1]) state = HealthWindow.add(settings, state, "failed", atMs)
    assert.deepStrictEqual(HealthWindow.counts(settings, state, 5 * DAY_MS), { succeeded: 1, failed: 4, neutral: 0 })
    assert.strictEqual(HealthWindow.healthBps(HealthWindow.counts(settings, state, 5 * DAY_MS)), 2_000)
  })
})

describe("Ejection", () => {
  const settings = { percentMax: 10, requestsMin: 20, worseBps: 3_000, forMs: 30_000 }
  const peer = Schema.Struct({ succeeded: int(100), failed: int(100), isOut: Schema.Boolean })

  it.prop(
    "ejects at most its part of a pool though one at least, never all, only who is far worse, the worst first",
    [list(peer), int(99)],
    ([peers, percentMax]) => {
      const pool = peers.map((one, id) => ({ ...one, id }))
      const chosen = Ejection.outliers({ ...settings, percentMax }, pool)
      const out = pool.filter(({ isOut }) => isOut).length
      const share = (id: number) => {
        const { failed = 0, succeeded = 0 } = pool[id] ?? {}
        return failed / (failed + succeeded)
      }
      if (chosen.length > 0) {
        assert.isBelow(out + chosen.length, pool.length)
        assert.isAtMost(out + chosen.length, Math.max(1, Math.floor((pool.length * percentMax) / 100)))
      }
      for (const [at, id] of chosen.entries()) {
        const one = pool[id]
        assert.isTrue(one !== undefined && !one.isOut && one.failed + one.succeeded >= 20)
        const others = pool.filter((other) => other.id !== id && other.failed + other.succeeded >= 20)
        const better = others.filter((other) => share(other.id) <= share(id) - 0.3 + 1e-9)
        assert.isAtLeast(better.length * 2, others.length)
        if (at > 0) assert.isAtLeast(share(chosen[at - 1] ?? 0), share(id))
      }
    },
    { arbitrary: { seed: "ejection", runs: 1_000 } },
  )

  it("does nothing where all do badly, where there is one, or where too little was seen", () => {
    const bad = { succeeded: 0, failed: 100, isOut: false }
    const pool = ["a", "b", "c"].map((id) => ({ id, ...bad }))
    assert.deepStrictEqual(Ejection.outliers(settings, pool), [])
    assert.deepStrictEqual(Ejection.outliers(settings, pool.slice(0, 1)), [])
    const good = { succeeded: 100, failed: 0, isOut: false }
    const few = [
      { id: "a", succeeded: 0, failed: 19, isOut: false },
      { id: "b", ...good },
    ]
    assert.deepStrictEqual(Ejection.outliers(settings, few), [])
    assert.deepStrictEqual(Ejection.outliers(settings, []), [])
  })

  it("lasts longer each time, up to ten times", () => {
    const times = [0, 1, 2, 10, 11, 1_000].map((time) => Ejection.lastsMs(settings, time))
    assert.deepStrictEqual(times, [30_000, 30_000, 60_000, 300_000, 300_000, 300_000])
  })
})

describe("InFlightCap", () => {
  const settings = { intervalMs: 5_000, dropPercent: 30, risePercent: 10 }

  /** An instance that takes `room` at a time, asked once a tenth of a second with as many under way as the cap allows. */
  const run = (room: number, seconds: number, from?: InFlightCap.State) => {
    let state = from
    const caps: Array<number> = []
    const declared = 100
    for (let atMs = 0; atMs < seconds * 1_000; atMs += 100) {
      state = InFlightCap.elapsed(settings, state, declared, atMs)
      const inFlight = Math.min(declared, state?.max ?? declared)
      state =
        inFlight > room ? InFlightCap.refused(settings, state, { declared, inFlight }, atMs) : InFlightCap.taken(state)
      caps.push(state?.max ?? declared)
    }
    return { state, caps }
  }

  it("drops when refusals begin, down to what the instance takes, and rises when they stop", () => {
    const { caps, state } = run(10, 120)
    assert.strictEqual(caps[0], 70)
    const settled = caps.slice(caps.length / 2)
    assert.isAtMost(Math.max(...settled), 12)
    assert.isAtLeast(Math.min(...settled), 6)
    const { state: free } = run(100, 300, state)
    assert.isUndefined(free)
  })

  it("holds while refusals come steadily, fewer than what is taken", () => {
    let state = InFlightCap.refused(settings, undefined, { declared: 100, inFlight: 50 }, 0)
    const caps = new Set<number>()
    for (let atMs = 100; atMs < 60_000; atMs += 100) {
      const now = InFlightCap.elapsed(settings, state, 100, atMs) ?? state
      state =
        atMs % 5_000 === 2_000
          ? InFlightCap.refused(settings, now, { declared: 100, inFlight: 35 }, atMs)
          : (InFlightCap.taken(now) ?? now)
      caps.add(state.max)
    }
    assert.deepStrictEqual([...caps], [35])
  })

  it.prop(
    "is from 1 to what was declared, drops at most once in an interval, and rises only after a quiet one",
    [list(Schema.Struct({ what: int(3), afterMs: int(4_000), inFlight: int(200) })), int(99)],
    ([steps, more]) => {
      const declared = more + 1
      let state: InFlightCap.State | undefined
      let nowMs = 0
      let droppedAtMs = -Infinity
      for (const { afterMs, inFlight, what } of steps) {
        nowMs += afterMs
        const before = state
        const refusedBefore = state?.refused ?? 0
        state = InFlightCap.elapsed(settings, state, declared, nowMs)
        const risen = (state?.max ?? declared) > (before?.max ?? declared)
        if (risen) assert.isTrue(refusedBefore === 0 || nowMs - (before?.fromMs ?? 0) >= 10_000)
        const max = state?.max ?? declared
        if (what === 0) state = InFlightCap.taken(state)
        else if (what === 1) state = InFlightCap.refused(settings, state, { declared, inFlight }, nowMs)
        const after = state?.max ?? declared
        assert.isTrue(after >= 1 && after <= declared && Number.isInteger(after))
        if (after < max) {
          assert.isTrue(state === undefined || droppedAtMs < state.fromMs || droppedAtMs === -Infinity)
          droppedAtMs = nowMs
        }
      }
    },
    { arbitrary: { seed: "in-flight-cap", runs: 500 } },
  )

  it("absurd numbers leave a cap that can be used", () => {
    for (const nowMs of absurd) {
      for (const inFlight of absurd) {
        const { max } = InFlightCap.refused(settings, undefined, { declared: 8, inFlight }, nowMs)
        assert.isTrue(Number.isInteger(max) && max >= 1 && max <= 8, `${nowMs} ${inFlight} ${max}`)
        const later = InFlightCap.elapsed(
          settings,
          { ...InFlightCap.refused(settings, undefined, { declared: 8, inFlight: 4 }, 0) },
          8,
          nowMs,
        )
        assert.isTrue(later === undefined || (later.max >= 1 && later.max <= 8))
      }
    }
  })
})

describe("PeakMean", () => {
  it("rises at once, falls slowly, and is moved by nothing absurd", () => {
    assert.strictEqual(PeakMean.next(100, 5_000, 0, 10_000), 5_000)
    let mean = 5_000
    for (let at = 0; at < 100; at++) mean = PeakMean.next(mean, 100, 1_000, 10_000)
    assert.isTrue(mean >= 100 && mean < 101)
    for (const sample of [Number.NaN, Infinity, -1]) assert.strictEqual(PeakMean.next(100, sample, 0, 10_000), 100)
    for (const sinceMs of absurd) {
      const next = PeakMean.next(100, 50, sinceMs, 10_000)
      assert.isTrue(next >= 50 && next <= 100)
    }
  })
})
