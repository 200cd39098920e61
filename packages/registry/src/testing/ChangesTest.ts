/**
 * The suite of `Changes`: one test for each of its numbered guarantees, with the same words. The layer under test gives the
 * devices as well, so that something can change.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Fiber from "effect/Fiber"
import type * as Layer from "effect/Layer"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { Devices } from "../Devices.ts"
import { Changes } from "../Changes.ts"
import * as SampleDevice from "./SampleDevice.ts"

const change = Effect.gen(function* () {
  const devices = yield* Devices
  return yield* devices.register(SampleDevice.make().registration())
})

/** Whether a wait ends within so long; what was said before is heard first. */
const ends = (withinMs: number) =>
  Effect.gen(function* () {
    const { changed } = yield* Changes
    return yield* Effect.raceFirst(Effect.as(changed, true), Effect.as(Effect.sleep(withinMs), false))
  })

/** It may say so once too often, as when it has just begun to listen. */
const quiet = Effect.repeat(ends(100), { until: (ended) => !ended, times: 20 })

const wakes = Effect.gen(function* () {
  yield* quiet
  const waiting = yield* Effect.forkChild(ends(2_000))
  yield* change
  assert.isTrue(yield* Fiber.join(waiting), "the wait did not end")
})

const keeps = Effect.gen(function* () {
  yield* quiet
  const { instance } = yield* change
  const devices = yield* Devices
  yield* devices.setState(instance.id, "offline")
  yield* change
  assert.isTrue(yield* ends(2_000), "what came while nobody waited is lost")
  yield* quiet
})

const silent = Effect.gen(function* () {
  yield* quiet
  assert.isFalse(yield* ends(300), "the wait ended without a change")
})

const port: Conformance.Port<Changes | Devices> = {
  name: "Changes",
  clock: "real",
  guarantees: [
    { number: 1, test: "A change of an instance ends the wait of everybody who waits.", proof: wakes },
    {
      number: 2,
      test: "A change that comes while nobody waits ends the next wait at once, however many there were.",
      proof: keeps,
    },
    { number: 3, test: "Without a change, nobody's wait ends.", proof: silent },
  ],
}

/**
 * Proves a layer.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: (
  name: string,
  layer: Layer.Layer<Changes | Devices, unknown>,
  options?: Conformance.Options,
) => void = Conformance.suite(port)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: (name: string, layer: Layer.Layer<Changes | Devices, unknown>, number: number) => void =
  Conformance.breaks(port)
