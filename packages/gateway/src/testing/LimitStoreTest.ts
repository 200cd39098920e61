/**
 * The suite of the port `LimitStore`: one test for each of its numbered guarantees, with the same words.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import { randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { Ask, Span } from "../LimitRule.ts"
import { LimitStore } from "../LimitStore.ts"

/**
 * Lets the store's time pass by so many milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export type Pass = (ms: number) => Effect.Effect<void>

const LIFE_MS = 10_000
const DAY_MS = 86_400_000

const newName = () => randomBytes(8).toString("hex")

/** One counter, as a process sees it. Every figure that is not said is as low as the others let it be. */
const onCounter = (span: Span, limit: number) => {
  const counter = `test:${newName()}:${span}`
  const ask = (told: Partial<Ask>): Ask => {
    const { spent = 0, busy = 0, keep = busy, least = keep, need = least, want = need } = told
    return { counter, span, limit, spent, busy, keep, least, need, want }
  }
  const exchange = (process: string, told: Partial<Ask>) =>
    Effect.gen(function* () {
      const store = yield* LimitStore
      const { grants } = yield* Conformance.answered(
        store.exchange({ process, lifeMs: LIFE_MS, asks: [{ ...ask(told), limit: told.limit ?? limit }] }),
      )
      const [grant] = grants
      return grant ?? assert.fail("there is no grant")
    })
  const used = Effect.gen(function* () {
    const store = yield* LimitStore
    const [usage] = yield* Conformance.answered(store.usage([{ counter, span }]))
    return usage ?? assert.fail("there is no usage")
  })
  return { counter, ask, exchange, used } as const
}

const processes = (count: number) => Array.from({ length: count }, () => `process-${newName()}`)
const SPANS = ["minute", "day", "month", "now"] as const satisfies ReadonlyArray<Span>

const bounded = Effect.gen(function* () {
  for (const span of SPANS) {
    const { exchange } = onCounter(span, 100)
    const rounds = processes(8).map((process, at) =>
      Effect.gen(function* () {
        const first = yield* exchange(process, { least: 1, need: 5 + at, want: 60 })
        const half = Math.floor(first.lease / 2)
        if (span === "now") return yield* exchange(process, { busy: half, keep: half, need: first.lease + 3, want: 90 })
        return yield* exchange(process, { spent: half, keep: first.lease - half, want: 50 })
      }),
    )
    const grants = yield* Effect.all(rounds, { concurrency: "unbounded" })
    const leased = grants.reduce((total, { lease }) => total + lease, 0)
    const last = grants.reduce((most, { used }) => Math.max(most, used), 0)
    assert.isAtMost(leased + last, 100, span)
    assert.isAtLeast(leased + last, 80, span)
  }
})

const served = Effect.gen(function* () {
  const [one = "", two = "", three = ""] = processes(3)
  const { exchange } = onCounter("day", 100)
  assert.strictEqual((yield* exchange(one, { least: 10, need: 10, want: 70 })).lease, 70)
  const second = yield* exchange(two, { least: 20, need: 20, want: 30 })
  assert.isAtLeast(second.lease, 20)
  assert.isAtMost(second.lease, 30)
  const third = yield* exchange(three, { least: 40, need: 40, want: 40 })
  assert.deepInclude(third, { lease: 0, lent: 70 + second.lease, freeInMs: null })
  // What is of use is given, as far as it goes.
  const some = yield* exchange(three, { least: 1, need: 40, want: 40 })
  assert.strictEqual(some.lease, 100 - 70 - second.lease)
  // Less than what is of use to it is not: it keeps what it keeps, and the rest is free for others.
  const back = yield* exchange(one, { busy: 25, keep: 25, least: 90, need: 90, want: 90 })
  assert.deepInclude(back, { lease: 25, busy: 25 })
  assert.strictEqual((yield* exchange(two, { least: 50, need: 50, want: 50 })).lease, 50)
})

const once = Effect.gen(function* () {
  const [one = "", two = ""] = processes(2)
  for (const span of ["minute", "day", "month"] as const) {
    const { exchange, used } = onCounter(span, 100)
    yield* exchange(one, { need: 40, want: 40 })
    for (let times = 0; times < 3; times++) yield* exchange(one, { spent: 25, keep: 15 })
    yield* exchange(two, { spent: 7, want: 7 })
    yield* exchange(one, { spent: 30, keep: 10 })
    yield* exchange(one, { spent: 25, keep: 10 })
    assert.strictEqual((yield* used).used, 37, span)
    assert.strictEqual((yield* exchange(two, { spent: 7, need: 53, want: 90 })).lease, 53, span)
  }
})

const windows = (pass: Pass) =>
  Effect.gen(function* () {
    const [one = ""] = processes(1)
    const minute = onCounter("minute", 100)
    yield* minute.exchange(one, { spent: 60 })
    yield* pass(30_000)
    yield* minute.exchange(one, { spent: 90 })
    const full = yield* minute.exchange(one, { spent: 90, least: 20, need: 20, want: 20 })
    assert.deepInclude(full, { lease: 0, used: 90 })
    assert.closeTo(full.freeInMs ?? 0, 30_250, 800)
    assert.closeTo(full.resetInMs ?? 0, 60_250, 800)
    yield* pass(29_000)
    assert.strictEqual((yield* minute.used).used, 90)
    yield* pass(2_000)
    assert.strictEqual((yield* minute.used).used, 30)
    assert.strictEqual((yield* minute.exchange(one, { spent: 90, need: 70, want: 100 })).lease, 70)
    yield* minute.exchange(one, { spent: 90 })
    yield* pass(30_000)
    assert.strictEqual((yield* minute.used).used, 0)
    const [day, month] = [onCounter("day", 100), onCounter("month", 100)]
    for (const { exchange } of [day, month]) yield* exchange(one, { spent: 100 })
    const shut = yield* day.exchange(one, { spent: 100, least: 1, need: 1, want: 1 })
    assert.strictEqual(shut.lease, 0)
    assert.isAtLeast(shut.freeInMs ?? 0, 1)
    assert.isAtMost(shut.freeInMs ?? 0, DAY_MS)
    yield* pass(shut.freeInMs ?? 0)
    assert.strictEqual((yield* day.used).used, 0)
    assert.strictEqual((yield* day.exchange(one, { spent: 100, need: 100, want: 100 })).lease, 100)
    const later = yield* month.exchange(one, { spent: 100, least: 1, need: 1, want: 1 })
    assert.isAtMost(later.freeInMs ?? 0, 31 * DAY_MS)
    yield* pass(later.freeInMs ?? 0)
    assert.strictEqual((yield* month.exchange(one, { spent: 100, need: 100, want: 100 })).lease, 100)
    // The month is new: a day later it is still the same.
    yield* month.exchange(one, { spent: 170 })
    yield* pass(DAY_MS)
    assert.strictEqual((yield* month.used).used, 70)
  })

const ending = (pass: Pass) =>
  Effect.gen(function* () {
    const [killed = "", other = ""] = processes(2)
    for (const span of SPANS) {
      const { exchange, used } = onCounter(span, 100)
      yield* exchange(killed, { busy: 50, want: 80 })
      yield* pass(LIFE_MS - 1_000)
      assert.strictEqual((yield* exchange(other, { least: 21, need: 21, want: 21 })).lease, 0, span)
      yield* pass(1_500)
      if (span === "minute") {
        assert.strictEqual((yield* exchange(other, { least: 21, need: 21, want: 21 })).lease, 0, span)
        assert.deepInclude(yield* used, { used: 80, busy: 0 })
        yield* pass(61_000)
      }
      assert.strictEqual((yield* exchange(other, { need: 100, want: 100 })).lease, 100, span)
      yield* exchange(other, {})
    }
  })

const returning = (pass: Pass) =>
  Effect.gen(function* () {
    const [paused = "", other = ""] = processes(2)
    for (const span of ["now", "day"] as const) {
      const { exchange } = onCounter(span, 100)
      yield* exchange(paused, { busy: 60, want: 60 })
      yield* pass(LIFE_MS + 1)
      assert.strictEqual((yield* exchange(other, { busy: 0, need: 100, want: 100 })).lease, 100)
      const back = yield* exchange(paused, { busy: 60, least: 61, need: 61, want: 61 })
      assert.strictEqual(back.lease, 60)
      assert.strictEqual((yield* exchange(other, { busy: 30, least: 50, need: 50, want: 50 })).lease, 30)
    }
  })

const tight = (pass: Pass) =>
  Effect.gen(function* () {
    const store = yield* LimitStore
    const [one = "", two = "", three = ""] = processes(3)
    const { counter, exchange } = onCounter("now", 100)
    const tightFor = (process: string) =>
      Effect.map(
        Conformance.answered(store.exchange({ process, lifeMs: LIFE_MS, asks: [] })),
        (exchanged) => exchanged.tight,
      )
    yield* exchange(one, { need: 80, want: 80 })
    assert.notInclude(yield* tightFor(one), counter)
    const short = yield* exchange(two, { least: 30, need: 30, want: 30 })
    assert.deepInclude(short, { lease: 0, isTight: true, lent: 80 })
    assert.include(yield* tightFor(one), counter)
    assert.notInclude(yield* tightFor(three), counter)
    const given = yield* exchange(one, { busy: 10, want: 60 })
    assert.deepInclude(given, { lease: 10, isTight: true })
    assert.deepInclude(yield* exchange(two, { least: 30, need: 30, want: 80 }), { lease: 30, isTight: true })
    yield* pass(1_100)
    assert.notInclude(yield* tightFor(one), counter)
    const more = yield* exchange(one, { busy: 10, want: 60 })
    assert.isFalse(more.isTight)
    assert.isAbove(more.lease, 10)
  })

const forgetting = Effect.gen(function* () {
  const [one = ""] = processes(1)
  const { exchange, used } = onCounter("day", 100)
  yield* exchange(one, { spent: 40, want: 60 })
  // The answer was lost, so it is told again; and then again once it began anew.
  for (let times = 0; times < 2; times++) yield* exchange(one, { spent: 40 })
  for (let times = 0; times < 2; times++) yield* exchange(one, {})
  assert.deepInclude(yield* used, { used: 40, busy: 0 })
  yield* exchange(one, { spent: 10 })
  assert.strictEqual((yield* used).used, 50)
})

const reading = Effect.gen(function* () {
  const [one = ""] = processes(1)
  for (const span of SPANS) {
    const { exchange, used } = onCounter(span, 100)
    assert.deepInclude(yield* used, { used: 0, busy: 0 })
    yield* exchange(one, { spent: span === "now" ? 0 : 10, busy: 5, want: 20 })
    const before = yield* used
    assert.deepInclude(before, { used: span === "now" ? 0 : 10, busy: 5 })
    const { used: still, busy } = yield* used
    assert.deepStrictEqual({ still, busy }, { still: before.used, busy: before.busy })
    assert.strictEqual((yield* exchange(one, { spent: span === "now" ? 0 : 10, busy: 5, want: 20 })).lease, 20)
  }
})

const sweeping = (pass: Pass) =>
  Effect.gen(function* () {
    const store = yield* LimitStore
    const [one = ""] = processes(1)
    const [minute, day, places] = [onCounter("minute", 10), onCounter("day", 10), onCounter("now", 10)]
    yield* minute.exchange(one, { spent: 3 })
    yield* day.exchange(one, { spent: 3 })
    yield* places.exchange(one, { busy: 3 })
    yield* Conformance.answered(store.sweep)
    assert.strictEqual((yield* minute.used).used, 3)
    assert.strictEqual((yield* day.used).used, 3)
    assert.strictEqual((yield* places.used).busy, 3)
    yield* minute.exchange(one, {})
    yield* pass(130_000)
    assert.isAtLeast(yield* Conformance.answered(store.sweep), 1)
    const unswept = (yield* day.used).used
    if (unswept !== 0) assert.strictEqual(unswept, 3)
    // The process is gone, and told of none of it.
    yield* pass(3 * DAY_MS)
    assert.isAtLeast(yield* Conformance.answered(store.sweep), 2)
    assert.strictEqual(yield* Conformance.answered(store.sweep), 0)
    assert.strictEqual((yield* places.exchange(one, { need: 10, want: 10 })).lease, 10)
  })

/**
 * What a store of limits guarantees, each with its proof, which is told how to let the store's time pass; in the order of
 * the port's documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<(pass: Pass) => Conformance.Proof<LimitStore>>> = [
  {
    number: 1,
    test: "What was spent and what is leased never come to more than the limit, however many processes exchange at once.",
    proof: () => bounded,
  },
  {
    number: 2,
    test: "A process gets what it needs where so much is free, and what it wants while it is alone; where less is free than is of use to it, it gets nothing more, and keeps what it keeps.",
    proof: () => served,
  },
  {
    number: 3,
    test: "What a process spent counts once, however often it is told, and however many told it.",
    proof: () => once,
  },
  {
    number: 4,
    test: "What was spent in a minute counts for 60 seconds and for at most half a second more, of a day and of a month until they end in UTC, by the store's own clock.",
    proof: windows,
  },
  {
    number: 5,
    test: "A lease that is not renewed ends: places and budgets are free again at once, and what a minute's lease was good for counts as spent.",
    proof: ending,
  },
  {
    number: 6,
    test: "A process whose lease has ended gets back what its requests hold, even beyond the limit.",
    proof: returning,
  },
  {
    number: 7,
    test: "Who holds a lease of a counter is told for a second that others are short of it, and nobody is given more than it needs meanwhile.",
    proof: tight,
  },
  {
    number: 8,
    test: "A process that gave everything back is forgotten and may begin at 0; what it spent still counts.",
    proof: () => forgetting,
  },
  { number: 9, test: "Reading what is used changes nothing, and is 0 where nobody asked.", proof: () => reading },
  { number: 10, test: "A sweep forgets what no longer counts, and nothing else.", proof: sweeping },
]

/**
 * How a suite is run. `pass` lets the store's time pass: `TestClock.adjust` for a store that follows Effect's clock.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options extends Conformance.Options {
  readonly pass: Pass
}

const port = ({ pass }: Pick<Options, "pass">): Conformance.Port<LimitStore> => ({
  name: "LimitStore",
  guarantees: guarantees.map((guarantee) => ({ ...guarantee, proof: guarantee.proof(pass) })),
  clock: "virtual",
})

/**
 * Proves a store. A guarantee that a layer cannot keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = <E>(name: string, layer: Layer.Layer<LimitStore, E>, options: Options): void =>
  Conformance.suite(port(options))(name, layer, options)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail, by one of its assertions.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks = <E>(
  name: string,
  layer: Layer.Layer<LimitStore, E>,
  number: number,
  options: Pick<Options, "pass">,
): void => Conformance.breaks(port(options))(name, layer, number)
