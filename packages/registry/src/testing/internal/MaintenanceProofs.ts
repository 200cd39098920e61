/** Proofs of what is guaranteed of maintenance. */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { InstanceId } from "@guildhall/core/Instance"
import { LENGTH_MAX_MS } from "@guildhall/core/Maintenance"
import * as Conformance from "@guildhall/core/testing/Conformance"
import * as TestClock from "effect/testing/TestClock"
import { Devices } from "../../Devices.ts"
import * as SampleDevice from "../SampleDevice.ts"

const HOUR_MS = 3_600_000
const stateOf = (id: InstanceId) =>
  Devices.use((devices) =>
    Effect.map(devices.instances, (all) => all.find(({ instance }) => instance.id === id)?.instance.state),
  )

export const maintained = Effect.gen(function* () {
  const devices = yield* Devices
  const memberId = SampleDevice.member()
  const sample = SampleDevice.make(memberId)
  const { device, instance } = yield* devices.register(sample.registration())
  const { id } = instance
  const beat = devices.beat(device.id, [{ id, state: "serving" }])
  const owned = { memberId, deviceId: device.id }
  const nowMs = yield* Clock.currentTimeMillis
  const window = { fromMs: nowMs + HOUR_MS, toMs: nowMs + 3 * HOUR_MS, reason: "a new driver" }

  for (const bad of [{ toMs: window.fromMs }, { toMs: window.fromMs + LENGTH_MAX_MS + 1 }]) {
    const error = yield* Conformance.refused(devices.maintain(owned, { ...window, ...bad }))
    assert.strictEqual(error.code, "invalid_request")
  }
  for (const stranger of [
    { ...owned, memberId: SampleDevice.member() },
    { memberId: SampleDevice.member(), instance: id },
  ]) {
    const error = yield* Conformance.refused(devices.maintain(stranger, window))
    assert.strictEqual(error.code, "not_found")
  }

  const [announced] = yield* Conformance.answered(devices.maintain(owned, window))
  assert.deepInclude(announced, { id, state: "online", maintenance: window })
  yield* beat
  assert.strictEqual(yield* stateOf(id), "online")

  yield* TestClock.adjust(2 * HOUR_MS)
  yield* beat
  assert.strictEqual(yield* stateOf(id), "maintenance")
  yield* devices.beat(device.id, [{ id, state: "draining" }])
  assert.strictEqual(yield* stateOf(id), "maintenance")
  const { instance: again } = yield* Conformance.answered(devices.register(sample.registration({ concurrency: 9 })))
  assert.deepInclude(again, { concurrency: 9 })
  assert.strictEqual(yield* stateOf(id), "maintenance")

  yield* TestClock.adjust(HOUR_MS)
  yield* beat
  assert.strictEqual(yield* stateOf(id), "online")

  const laterMs = yield* Clock.currentTimeMillis
  const open = { fromMs: laterMs, toMs: laterMs + HOUR_MS, reason: "dust" }
  const [closed] = yield* Conformance.answered(devices.maintain({ memberId, instance: id }, open))
  assert.strictEqual(closed?.state, "maintenance")
  const [back] = yield* Conformance.answered(devices.maintain(owned, undefined))
  assert.deepInclude(back, { id, state: "online" })
  assert.notProperty(back, "maintenance")
})
