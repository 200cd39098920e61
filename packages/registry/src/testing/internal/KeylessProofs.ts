/** Proofs of what is guaranteed of devices that no key stands behind. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { isAttested } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { Devices } from "../../Devices.ts"
import type { Registration } from "../../Registration.ts"
import * as SampleDevice from "../SampleDevice.ts"

/** What a member registers under a name, without a key. */
const named = (keyless: string, values: Partial<Registration> = {}): Registration => {
  const { publicKey: _key, ...terms } = SampleDevice.make().registration()
  return { ...terms, keyless, reach: { _tag: "Cloud", account: "cld_1" }, ...values }
}

export const keyless = Effect.gen(function* () {
  const devices = yield* Devices
  const wanted = named("cloud:work")
  const { memberId } = wanted
  const { device, instance } = yield* devices.register(wanted)
  assert.notProperty(device, "publicKey")
  assert.isFalse(isAttested(instance))
  assert.strictEqual(instance.deviceId, device.id)
  // The same name of the same member is the same device, with the same instance where the model is the same.
  const again = yield* devices.register({ ...wanted, concurrency: 9 })
  assert.deepStrictEqual([again.device.id, again.instance.id], [device.id, instance.id])
  const second = yield* devices.register({ ...wanted, model: ModelId.make("guildhall/second") })
  assert.strictEqual(second.device.id, device.id)
  assert.notStrictEqual(second.instance.id, instance.id)
  for (const other of [named("cloud:work"), named("cloud:play", { memberId })]) {
    assert.notStrictEqual((yield* devices.register(other)).device.id, device.id)
  }
  const stored = (yield* devices.instances).find((one) => one.instance.id === instance.id)
  assert.isFalse(stored === undefined || isAttested(stored.instance))
  // A key of its own makes another device, so no message is ever this one's.
  const stranger = SampleDevice.make(memberId)
  assert.notStrictEqual((yield* devices.register(stranger.registration())).device.id, device.id)
  const { publicKey } = stranger
  for (const values of [{ publicKey }, { keyless: "" }, { keyless: "n".repeat(201) }]) {
    const refused = yield* Conformance.refused(devices.register({ ...wanted, ...values }))
    assert.strictEqual(refused.code, "invalid_request")
  }
  const { keyless: _name, ...nobody } = wanted
  assert.strictEqual((yield* Conformance.refused(devices.register(nobody))).code, "invalid_request")
  assert.strictEqual((yield* devices.revoke(device.id)).state, "revoked")
  assert.strictEqual((yield* Conformance.refused(devices.register(wanted))).code, "device_revoked")
})
