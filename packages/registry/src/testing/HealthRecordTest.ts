/**
 * The suite of `HealthRecord`: one test for each of its numbered guarantees, with the same words. The layer under test keeps
 * 14 days.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { InstanceId } from "@guildhall/core/Instance"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { dayAt } from "@guildhall/core/rules/HealthWindow"
import { nothing, type Told } from "@guildhall/core/SharedHealth"
import { HealthRecord } from "../HealthRecord.ts"

const MINUTE_MS = 60_000

/** Success, failure, neutral. */
type Three = readonly [number, number, number]

const countsOf = ([succeeded, failed, neutral]: Three) => ({ succeeded, failed, neutral })

/** Adds and hears in plain words. Proofs may share a layer: each has instances and gateways of its own. */
const recording = (proof: string) =>
  Effect.gen(function* () {
    const record = yield* HealthRecord
    const nowMs = yield* Clock.currentTimeMillis
    // Near midnight, half of a proof could be on another day.
    const today = dayAt(nowMs)
    const idOf = (name: string) => InstanceId.make(`ins_${proof}_${name}`)
    const numbers = new Map<string, number>()
    const add = (gateway: string, told: Partial<Told>, number = (numbers.get(gateway) ?? 0) + 1) => {
      numbers.set(gateway, Math.max(number, numbers.get(gateway) ?? 0))
      return record.add({ gateway: `${proof} ${gateway}`, number, told: { ...nothing, ...told } })
    }
    const counted = (name: string, three: Three, ago = 0) => ({
      outcomes: [{ instanceId: idOf(name), day: today - ago, counts: countsOf(three) }],
    })
    const seen = (name: string, three: Three, fromMs: number, toMs = fromMs) => ({
      sightings: [{ instanceId: idOf(name), day: dayAt(toMs), counts: countsOf(three), fromMs, toMs }],
    })
    const left = (name: string, forMs: number, ejections = 1) => ({
      leftAlone: [{ instanceId: idOf(name), why: "ejected" as const, forMs, ejections }],
    })
    /** What is heard: `name -daysAgo` to its counts, and `name` to how long it is left alone. */
    const hear = Effect.fnUntraced(function* (since?: string) {
      const heard = yield* record.changes(since)
      const ours = <A extends { readonly instanceId: InstanceId }>(all: ReadonlyArray<A>) =>
        all.filter(({ instanceId }) => instanceId.startsWith(idOf("")))
      const nameOf = (id: InstanceId) => id.slice(idOf("").length)
      return {
        mark: heard.mark,
        today: heard.today,
        days: Object.fromEntries(
          ours(heard.days).map(({ counts, day, instanceId }) => [
            `${nameOf(instanceId)} ${day - today}`,
            [counts.succeeded, counts.failed, counts.neutral],
          ]),
        ),
        left: new Map(ours(heard.leftAlone).map((one) => [nameOf(one.instanceId), one])),
      }
    })
    return { add, counted, seen, left, hear, nowMs, today, idOf }
  })

const sums = Effect.gen(function* () {
  const { add, counted, hear } = yield* recording("sums")
  yield* add("1", counted("a", [3, 1, 0]))
  yield* add("2", counted("a", [4, 0, 2]))
  yield* add("2", counted("a", [1, 1, 1], 3))
  yield* add("1", counted("b", [0, 5, 0]))
  yield* Effect.forEach(
    Array.from({ length: 8 }, (_, at) => `${at + 10}`),
    (name) =>
      add(name, {
        outcomes: (Number(name) % 2 === 0 ? ["c", "d", "e"] : ["e", "d", "c"]).flatMap(
          (name) => counted(name, [1, 0, 0]).outcomes,
        ),
      }),
    { concurrency: "unbounded" },
  )
  assert.deepStrictEqual((yield* hear()).days, {
    "a 0": [7, 1, 2],
    "a -3": [1, 1, 1],
    "b 0": [0, 5, 0],
    "c 0": [8, 0, 0],
    "d 0": [8, 0, 0],
    "e 0": [8, 0, 0],
  })
})

const counts = Effect.gen(function* () {
  const { add, counted, hear, left, seen, nowMs } = yield* recording("once")
  const told = { ...counted("a", [3, 1, 0]), ...seen("b", [1, 0, 0], nowMs), ...left("c", 600_000) }
  yield* add("1", told, 1)
  yield* add("1", told, 1)
  yield* Effect.forEach([2, 2, 2], (number) => add("1", counted("a", [1, 0, 0]), number), {
    concurrency: "unbounded",
  })
  yield* add("1", counted("a", [100, 0, 0]), 1)
  yield* add("2", counted("a", [0, 1, 0]), 1)
  assert.deepStrictEqual((yield* hear()).days, { "a 0": [4, 2, 0], "b 0": [1, 0, 0] })
})

const changes = Effect.gen(function* () {
  const { add, counted, hear, left } = yield* recording("changes")
  yield* add("1", { ...counted("a", [1, 0, 0]), ...left("a", 600_000) })
  const first = yield* hear()
  assert.deepStrictEqual([first.days, [...first.left.keys()]], [{ "a 0": [1, 0, 0] }, ["a"]])
  yield* add("2", { ...counted("b", [1, 0, 0], 1), ...left("b", 600_000, 3) })
  const second = yield* hear(first.mark)
  assert.deepStrictEqual(second.days["b -1"], [1, 0, 0])
  assert.deepInclude(second.left.get("b"), { why: "ejected", ejections: 3 })
  assert.closeTo(second.left.get("b")?.forMs ?? 0, 600_000, 5_000)
  // Many gateways, of which each is heard of, whenever it comes between two readings.
  let { mark } = second
  const known: Record<string, ReadonlyArray<number | undefined>> = {}
  const names = Array.from({ length: 12 }, (_, at) => `${at}`)
  const adding = Effect.forEach(names, (name) => add(`many ${name}`, counted("c", [1, 0, 0])), { concurrency: 4 })
  const hearing = Effect.gen(function* () {
    const heard = yield* hear(mark)
    mark = heard.mark
    Object.assign(known, heard.days)
  })
  yield* Effect.all([adding, Effect.repeat(hearing, Schedule.recurs(8))], { concurrency: 2 })
  yield* hearing
  assert.deepStrictEqual(known["c 0"], [12, 0, 0])
  const all = yield* hear()
  assert.deepStrictEqual(all.days, { "a 0": [1, 0, 0], "b -1": [1, 0, 0], "c 0": [12, 0, 0] })
  // A mark reaches back to the oldest write that is under way, whoever's: until that is over, the same is heard again.
  let idle = yield* hear(all.mark)
  for (let tries = 0; tries < 400 && Object.keys(idle.days).length > 0; tries++) {
    yield* Effect.sleep("50 millis")
    idle = yield* hear(idle.mark)
  }
  assert.deepStrictEqual([idle.days, idle.left.size], [{}, 0])
})

const sees = Effect.gen(function* () {
  const { add, counted, hear, nowMs, seen, today } = yield* recording("sees")
  // So that all of it is one day, whatever the time.
  const startMs = today * 86_400_000
  const at = (minute: number) => Math.min(startMs + minute * MINUTE_MS, nowMs - 10 + minute)
  yield* add("1", seen("a", [1, 0, 0], at(1)))
  yield* add("2", seen("a", [1, 0, 0], at(1)))
  yield* add("2", { ...counted("a", [0, 7, 0]), ...seen("a", [0, 1, 0], at(2)) })
  yield* add("1", seen("a", [0, 1, 0], at(2)))
  // The database was away for a while.
  yield* add("1", seen("a", [3, 1, 1], at(3), at(7)))
  yield* add("2", seen("a", [2, 2, 1], at(3), at(8)))
  yield* add("2", seen("a", [0, 0, 1], at(9)))
  yield* add("1", counted("a", [10, 0, 0]))
  assert.deepStrictEqual((yield* hear()).days, { "a 0": [14, 9, 2] })
})

const extends_ = Effect.gen(function* () {
  const { add, hear, left } = yield* recording("extends")
  yield* add("1", left("a", 600_000))
  yield* add("2", left("a", 60_000))
  assert.closeTo((yield* hear()).left.get("a")?.forMs ?? 0, 600_000, 5_000)
  yield* add("2", left("a", 900_000))
  assert.closeTo((yield* hear()).left.get("a")?.forMs ?? 0, 900_000, 5_000)
  yield* add("1", {
    leftAlone: [...left("b", 1).leftAlone, ...left("c", -5).leftAlone, ...left("d", Number.NaN).leftAlone],
  })
  const later = yield* Effect.repeat(hear(), {
    schedule: Schedule.spaced("20 millis"),
    until: (heard) => heard.left.size === 1,
    times: 50,
  })
  assert.deepStrictEqual([...later.left.keys()], ["a"])
  yield* add("1", left("e", Infinity))
  assert.isBelow((yield* hear()).left.get("e")?.forMs ?? Infinity, 10 * 86_400_000)
})

const expires = Effect.gen(function* () {
  const { add, counted, hear, idOf, nowMs, seen, today } = yield* recording("expires")
  yield* add("1", counted("a", [1, 0, 0], -400))
  yield* add("2", {
    outcomes: [...counted("a", [1, 0, 0], -1).outcomes, ...counted("a", [1, 0, 0], 0).outcomes],
    ...seen("b", [1, 0, 0], nowMs + 3_000 * 86_400_000),
  })
  yield* add("2", counted("a", [0, 1, 0], 13))
  yield* add("2", counted("a", [0, 1, 0], 14))
  yield* add("2", counted("a", [0, 1, 0], 1_000_000))
  const absurd = [Number.NaN, Infinity, -1, 1e300, 0.5].map((number) => ({
    instanceId: idOf("a"),
    day: today,
    counts: { succeeded: number, failed: 1, neutral: 1 },
  }))
  yield* add("3", {
    outcomes: [...absurd, ...absurd.map((one) => ({ ...one, day: one.counts.succeeded, counts: countsOf([1, 1, 1]) }))],
  })
  const heard = yield* hear()
  assert.deepStrictEqual([heard.today, heard.days], [today, { "a 0": [3, 0, 0], "a -13": [0, 1, 0], "b 0": [1, 0, 0] }])
})

const apart = Effect.gen(function* () {
  const { add, counted, idOf, nowMs, seen, today } = yield* recording("apart")
  const record = yield* HealthRecord
  yield* add("one", { ...counted("a", [5, 7, 1]), ...seen("a", [3, 1, 2], nowMs - 10) })
  yield* add("two", seen("a", [9, 9, 9], nowMs - 10))
  yield* add("one", counted("b", [1, 1, 1]))
  const [a, b] = [idOf("a"), idOf("b")]
  const expected = [{ instanceId: a, day: today, online: 3, offline: 1 }]
  assert.deepStrictEqual(yield* record.seen([a, b], today), expected)
  assert.deepStrictEqual(yield* record.seen([b], 0), [])
  assert.deepStrictEqual(yield* record.seen([a], today + 1), [])
  assert.deepStrictEqual(yield* record.seen([], 0), [])
  assert.includeDeepMembers([...(yield* record.seen(null, 0))], expected)
})

const port: Conformance.Port<HealthRecord> = {
  name: "HealthRecord",
  clock: "real",
  guarantees: [
    {
      number: 1,
      test: "What gateways add to an instance's day is summed, in whatever order and at the same time.",
      proof: sums,
    },
    {
      number: 2,
      test: "An addition whose number its gateway has told before, or one below it, changes nothing; so what got no answer is told again.",
      proof: counts,
    },
    {
      number: 3,
      test: "Who asks with the mark of its last answer hears every day and deadline that changed since, as it stands; without a mark, everything there is.",
      proof: changes,
    },
    {
      number: 4,
      test: "What several gateways saw at the same times, or overlapping ones, counts once.",
      proof: sees,
    },
    {
      number: 5,
      test: "A later deadline extends an earlier one, an earlier one never shortens it, and nobody hears of one that is over.",
      proof: extends_,
    },
    {
      number: 6,
      test: "What is of a later day than today counts for today; what is older than the window is neither kept nor heard of.",
      proof: expires,
    },
    {
      number: 7,
      test: "What was seen of an instance from a day on is told apart from how its work ended, day by day.",
      proof: apart,
    },
  ],
}

/**
 * Proves a layer.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: (name: string, layer: Layer.Layer<HealthRecord, unknown>, options?: Conformance.Options) => void =
  Conformance.suite(port)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: (name: string, layer: Layer.Layer<HealthRecord, unknown>, number: number) => void =
  Conformance.breaks(port)
