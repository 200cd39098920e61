/**
 * The suite of `Gpus`: one test for each of its numbered guarantees, with the same words. The layer under test must take
 * {@link PER_MEMBER} GPUs of a member.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type * as Layer from "effect/Layer"
import { DeviceId } from "@guildhall/core/Device"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { GpuId, Gpus, type NewGpu } from "../Gpus.ts"
import * as SampleDevice from "./SampleDevice.ts"

/** How many GPUs of a member the layer takes. @category constants @since 0.1.0 */
export const PER_MEMBER = 4

const device = (digit: string) => DeviceId.make(`dev_${digit.repeat(32)}`)

const sample = (values?: Partial<NewGpu>): NewGpu => ({
  memberId: SampleDevice.member(),
  deviceId: device("a"),
  name: "RTX 4090",
  memoryMib: 24_576,
  cudaVersion: "12.4",
  basePrice: 450_000_000_000n,
  region: "eu-west",
  strategy: "fixed",
  ...values,
})

const codeOf = <A, R>(effect: Effect.Effect<A, { readonly code: string }, R>) =>
  Effect.map(Conformance.refused(effect), (error) => error.code)

const found = Effect.gen(function* () {
  const gpus = yield* Gpus
  const wanted = sample({ cudaVersion: null })
  const [one, other] = [yield* gpus.register(wanted), yield* gpus.register(wanted)]
  assert.notStrictEqual(one.id, other.id)
  assert.deepInclude(one, wanted)
  assert.deepStrictEqual(yield* gpus.find(one.id), one)
  assert.isUndefined(yield* gpus.find(GpuId.make(`gpu_${"0".repeat(24)}`)))
})

const listed = Effect.gen(function* () {
  const gpus = yield* Gpus
  const memberId = SampleDevice.member()
  // A region of this test alone, as the layer may be shared.
  const region = `r-${memberId.slice(4)}`
  const a = yield* gpus.register(sample({ memberId, region }))
  const b = yield* gpus.register(sample({ memberId, deviceId: device("b"), region: "us-east" }))
  const c = yield* gpus.register(sample({ region }))
  const ids = (query: Parameters<typeof gpus.list>[0]) =>
    Effect.map(gpus.list(query), (list) => list.map(({ id }) => id))
  assert.deepStrictEqual(yield* ids({ region }), [a.id, c.id])
  assert.deepStrictEqual(yield* ids({ owner: { memberId } }), [a.id, b.id])
  assert.deepStrictEqual(yield* ids({ owner: { memberId, deviceId: device("b") } }), [b.id])
  assert.deepStrictEqual(yield* ids({ owner: { memberId }, region }), [a.id])
})

const owned = Effect.gen(function* () {
  const gpus = yield* Gpus
  const gpu = yield* gpus.register(sample())
  const { memberId } = gpu
  for (const owner of [{ memberId: SampleDevice.member() }, { memberId, deviceId: device("b") }]) {
    assert.strictEqual(yield* codeOf(gpus.change(gpu.id, owner, { basePrice: 1n })), "not_found")
    assert.strictEqual(yield* codeOf(gpus.remove(gpu.id, owner)), "not_found")
  }
  assert.deepStrictEqual(yield* gpus.find(gpu.id), gpu)
  yield* gpus.remove(gpu.id, { memberId, deviceId: device("a") })
  assert.isUndefined(yield* gpus.find(gpu.id))
})

const changed = Effect.gen(function* () {
  const gpus = yield* Gpus
  const gpu = yield* gpus.register(sample())
  const owner = { memberId: gpu.memberId }
  const { changedAtMs: _first, ...before } = gpu
  const cheaper = yield* Conformance.answered(gpus.change(gpu.id, owner, { basePrice: 0n }))
  const { changedAtMs: _second, ...after } = cheaper
  assert.deepStrictEqual(after, { ...before, basePrice: 0n })
  const moved = yield* Conformance.answered(gpus.change(gpu.id, owner, { region: "ap-south", strategy: "other" }))
  assert.deepInclude(moved, { ...before, basePrice: 0n, region: "ap-south", strategy: "other" })
  assert.deepStrictEqual(yield* gpus.find(gpu.id), moved)
})

const bounded = Effect.gen(function* () {
  const gpus = yield* Gpus
  const memberId = SampleDevice.member()
  const exits = yield* Effect.forEach(
    Array.from({ length: PER_MEMBER * 2 }),
    () => Effect.result(gpus.register(sample({ memberId }))),
    { concurrency: "unbounded" },
  )
  assert.lengthOf(
    exits.filter(({ _tag }) => _tag === "Success"),
    PER_MEMBER,
  )
  for (const exit of exits) if (exit._tag === "Failure") assert.strictEqual(exit.failure.code, "too_many_instances")
})

const port: Conformance.Port<Gpus> = {
  name: "Gpus",
  clock: "virtual",
  guarantees: [
    { number: 1, test: "A GPU is found as it was registered, under an id of its own.", proof: found },
    { number: 2, test: "A list has the GPUs of a region, of an owner, or of both, oldest first.", proof: listed },
    { number: 3, test: "Only its owner changes or removes a GPU: `not_found` for everybody else.", proof: owned },
    { number: 4, test: "A change changes what it names, and nothing else.", proof: changed },
    {
      number: 5,
      test: "A member has at most as many GPUs as the market takes, however many it registers at once: `too_many_instances`.",
      proof: bounded,
    },
  ],
}

/**
 * Proves a layer.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite: (name: string, layer: Layer.Layer<Gpus, unknown>, options?: Conformance.Options) => void =
  Conformance.suite(port)

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks: (name: string, layer: Layer.Layer<Gpus, unknown>, number: number) => void =
  Conformance.breaks(port)
