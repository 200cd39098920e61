/** Proofs of what is guaranteed of how much a device and a member may list. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { ModelId } from "@guildhall/core/Model"
import { Devices } from "../../Devices.ts"
import * as SampleDevice from "../SampleDevice.ts"

/** Enough for what the other proofs list. */
export const bounds = { perMember: 20, modelsEach: 3 }

export const bounded = Effect.gen(function* () {
  const devices = yield* Devices
  const memberId = SampleDevice.member()
  const device = SampleDevice.make(memberId)
  const model = (at: number) => device.registration({ model: ModelId.make(`guildhall/model-${at}`) })
  const mine = Effect.map(devices.instances, (all) => all.filter(({ instance }) => instance.memberId === memberId))
  const first = yield* devices.register(model(0))
  yield* devices.register(model(0))
  assert.lengthOf(yield* mine, 1)
  for (let at = 1; at < bounds.modelsEach; at++) yield* devices.register(model(at))
  const fourth = yield* Conformance.refused(devices.register(model(bounds.modelsEach)))
  assert.strictEqual(fourth.code, "too_many_instances")
  // Terms of what is listed change as before, and a place that was given up can be taken again.
  yield* devices.register(model(1))
  yield* devices.deregister(first.instance.id, memberId)
  yield* devices.register(model(bounds.modelsEach))
  const back = yield* Conformance.refused(devices.register(model(0)))
  assert.strictEqual(back.code, "too_many_instances")

  const registrations = Array.from({ length: bounds.perMember + 4 }, () => SampleDevice.make(memberId).registration())
  const made = yield* Effect.forEach(registrations, (one) => Effect.result(devices.register(one)), {
    concurrency: "unbounded",
  })
  const [listed] = made.flatMap((one) => (one._tag === "Success" ? [one.success] : []))
  if (listed === undefined) return assert.fail("none was listed")
  assert.deepStrictEqual(
    made.flatMap((one) => (one._tag === "Failure" ? [one.failure.code] : [])),
    Array.from({ length: 5 }, () => "too_many_instances"),
  )
  assert.lengthOf(yield* mine, bounds.modelsEach + bounds.perMember - 1)
  yield* devices.register(SampleDevice.make().registration())
  yield* devices.deregister(listed.instance.id, memberId)
  yield* devices.register(SampleDevice.make(memberId).registration())
  const full = yield* Conformance.refused(devices.register(SampleDevice.make(memberId).registration()))
  assert.strictEqual(full.code, "too_many_instances")
})
