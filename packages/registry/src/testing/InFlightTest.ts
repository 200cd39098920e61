/**
 * The suite of `InFlight`: one test for each of its numbered guarantees, with the same words. The layer under test must
 * have a life of {@link LIFE_MS}.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import * as Schedule from "effect/Schedule"
import { InstanceId } from "@guildhall/core/Instance"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { ModelId } from "@guildhall/core/Model"
import { InFlight, sum } from "../InFlight.ts"

/** The life that the suite asks of a layer, in milliseconds. @category constants @since 0.1.0 */
export const LIFE_MS = 300

type Counts = Readonly<Record<string, number>>

/** Tells and hears, in plain words. Proofs may share a layer: each has instances and gateways of its own. */
const telling =
  (proof: string) =>
  (gateway: string, own: Counts, waiting: Counts = {}) =>
    Effect.gen(function* () {
      const inFlight = yield* InFlight
      const mark = `ins_${proof}_`
      const told = new Map(Object.entries(own).map(([name, count]) => [InstanceId.make(`${mark}${name}`), count]))
      const queues = new Map(Object.entries(waiting).map(([name, count]) => [ModelId.make(`${proof}/${name}`), count]))
      const heard = yield* inFlight.exchange(`${proof} ${gateway}`, { inFlight: told, waiting: queues })
      const counts = [...sum(heard)].filter(([id]) => id.startsWith(mark))
      const ours = new Map(counts.map(([id, count]) => [id.slice(mark.length), count]))
      for (const { gateway, waiting } of heard.others) {
        for (const [model, count] of waiting) {
          const [owner, name = ""] = model.split("/")
          if (owner === proof) ours.set(`${gateway.slice(proof.length + 1)} waits ${name}`, count)
        }
      }
      return Object.fromEntries(ours)
    })

const hears = Effect.gen(function* () {
  const tell = telling("hears")
  yield* tell("1", { a: 3, b: 1 })
  yield* tell("2", { a: 4 })
  assert.deepStrictEqual(yield* tell("3", { a: 9, c: 2 }), { a: 7, b: 1 })
  assert.deepStrictEqual(yield* tell("1", { a: 3, b: 1 }, { m: 5 }), { a: 13, c: 2 })
  assert.deepStrictEqual(yield* tell("2", { a: 4 }, { m: 2, n: 1 }), { a: 12, b: 1, c: 2, "1 waits m": 5 })
  assert.deepStrictEqual(yield* tell("3", {}), { a: 7, b: 1, "1 waits m": 5, "2 waits m": 2, "2 waits n": 1 })
})

const replaces = Effect.gen(function* () {
  const tell = telling("replaces")
  yield* tell("1", { a: 3, b: 1 })
  yield* tell("1", { b: 2, c: 0 }, { m: 3 })
  yield* tell("1", { b: 2, c: 0 }, { m: 0 })
  assert.deepStrictEqual(yield* tell("2", {}), { b: 2 })
})

const dies = Effect.gen(function* () {
  const tell = telling("dies")
  yield* tell("1", { a: 3 })
  assert.deepStrictEqual(yield* tell("2", { b: 1 }), { a: 3 })
  const forgotten = yield* tell("2", { b: 1 }).pipe(
    Effect.repeat({
      schedule: Schedule.spaced("20 millis"),
      until: (heard) => Object.keys(heard).length === 0,
      times: 100,
    }),
  )
  assert.deepStrictEqual(forgotten, {}, "it is not forgotten after two seconds")
  // Who goes on is not forgotten.
  assert.deepStrictEqual(yield* tell("3", {}), { b: 1 })
})

const together = Effect.gen(function* () {
  const tell = telling("together")
  const names = Array.from({ length: 8 }, (_, at) => `${at}`)
  yield* Effect.forEach(names, (name) => tell(name, { a: 1 }), { concurrency: "unbounded" })
  assert.deepStrictEqual(yield* tell("last", {}), { a: 8 })
})

const port: Conformance.Port<InFlight> = {
  name: "InFlight",
  clock: "real",
  guarantees: [
    { number: 1, test: "A gateway hears what each of the others told last, and nothing of its own.", proof: hears },
    {
      number: 2,
      test: "What a gateway tells takes the place of what it told before; an instance that it leaves out counts nothing.",
      proof: replaces,
    },
    {
      number: 3,
      test: "What a gateway told counts for its life and no longer, so one that died is soon forgotten.",
      proof: dies,
    },
    { number: 4, test: "Gateways that tell at the same time all count.", proof: together },
  ],
}

/**
 * Proves a layer.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: (name: string, layer: Layer.Layer<InFlight, unknown>, options?: Conformance.Options) => void =
  Conformance.suite(port)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: (name: string, layer: Layer.Layer<InFlight, unknown>, number: number) => void =
  Conformance.breaks(port)
