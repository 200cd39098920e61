/** Proofs of what is guaranteed of the rails by which instances are paid. */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { InstanceId } from "@guildhall/core/Instance"
import type { MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import type { Rail } from "@guildhall/core/ProviderRails"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { Devices } from "../../Devices.ts"
import * as SampleDevice from "../SampleDevice.ts"

/** The rails that the layer under test is made with. */
export const rails: ReadonlyArray<Rail> = [{ name: "ApiKey" }, { name: "Voucher" }, { name: "Mpp", needs: "wallet" }]

/** By which rails an instance is paid: as it is listed, and as whoever follows the market is told. */
const paidBy = Effect.fnUntraced(function* (id: InstanceId) {
  const devices = yield* Devices
  const listed = (yield* devices.instances).find(({ instance }) => instance.id === id)?.instance
  const events = (yield* devices.changes(0)).events
  const told = events.flatMap((event) =>
    event._tag === "InstanceListed" && event.instance.id === id ? [event.instance] : [],
  )
  assert.deepStrictEqual(told.at(-1)?.rails, listed?.rails)
  return listed?.rails
})

const isOn = Effect.fnUntraced(function* (memberId: MemberId) {
  const devices = yield* Devices
  return (yield* devices.railsOf(memberId)).rails.flatMap(({ isOn, name }) => (isOn ? [name] : []))
})

export const turning = Effect.gen(function* () {
  const devices = yield* Devices
  const device = SampleDevice.make()
  const { memberId } = device.registration()
  const { instance: first } = yield* devices.register(device.registration())
  const { instance: other } = yield* devices.register(SampleDevice.make().registration())
  const { version } = yield* devices.changes(0)
  yield* devices.setRails({ memberId, rails: { Voucher: false } })
  assert.deepStrictEqual(yield* isOn(memberId), ["ApiKey"])
  assert.deepStrictEqual(yield* paidBy(first.id), ["ApiKey"])
  assert.deepStrictEqual(yield* paidBy(other.id), ["ApiKey", "Voucher"])
  // Who follows hears of it, and of nothing else; what was set already makes no version.
  const news = yield* devices.changes(version)
  assert.deepStrictEqual(
    news.events.map((event) => (event._tag === "InstanceListed" ? event.instance.id : event._tag)),
    [first.id],
  )
  yield* devices.setRails({ memberId, rails: { Voucher: false } })
  assert.strictEqual((yield* devices.changes(0)).version, news.version)
  // It holds for what is registered later, and again.
  const { instance: second } = yield* devices.register(device.registration({ model: ModelId.make("guildhall/second") }))
  assert.deepStrictEqual(yield* paidBy(second.id), ["ApiKey"])
  yield* devices.register(device.registration())
  assert.deepStrictEqual(yield* paidBy(first.id), ["ApiKey"])
  const last = yield* Conformance.refused(devices.setRails({ memberId, rails: { ApiKey: false } }))
  assert.strictEqual(last.code, "last_rail")
  const unpaid = device.registration({ model: ModelId.make("guildhall/third"), rails: ["Voucher"] })
  assert.strictEqual((yield* Conformance.refused(devices.register(unpaid))).code, "last_rail")
  const unknown = yield* Conformance.refused(devices.setRails({ memberId, rails: { Shells: true } }))
  assert.strictEqual(unknown.code, "invalid_request")
  // One that takes another rail alone would be paid by nobody.
  yield* devices.setRails({ memberId, rails: { Voucher: true } })
  yield* devices.register(unpaid)
  assert.strictEqual(
    (yield* Conformance.refused(devices.setRails({ memberId, rails: { Voucher: false } }))).code,
    "last_rail",
  )
  // One instance alone, and only the member's own.
  yield* devices.setRails({ memberId, instance: first.id, rails: { ApiKey: false } })
  assert.deepStrictEqual(yield* paidBy(first.id), ["Voucher"])
  assert.deepStrictEqual(yield* paidBy(second.id), ["ApiKey", "Voucher"])
  yield* devices.register(device.registration())
  assert.deepStrictEqual(yield* paidBy(first.id), ["Voucher"])
  const none = yield* Conformance.refused(devices.setRails({ memberId, instance: first.id, rails: { Voucher: false } }))
  assert.strictEqual(none.code, "last_rail")
  const theirs = yield* Conformance.refused(
    devices.setRails({ memberId, instance: other.id, rails: { Voucher: false } }),
  )
  assert.strictEqual(theirs.code, "not_found")
})

export const settingUp = Effect.gen(function* () {
  const devices = yield* Devices
  const device = SampleDevice.make()
  const { memberId } = device.registration()
  const { instance } = yield* devices.register(device.registration())
  assert.deepStrictEqual(yield* paidBy(instance.id), ["ApiKey", "Voucher"])
  const early = yield* Conformance.refused(devices.setRails({ memberId, rails: { Mpp: true } }))
  assert.strictEqual(early.code, "onboarding_needed")
  const alone = device.registration({ model: ModelId.make("guildhall/second"), rails: ["Mpp"] })
  assert.strictEqual((yield* Conformance.refused(devices.register(alone))).code, "onboarding_needed")
  yield* devices.setPayoutTarget(memberId, "wallet", "0x0000000000000000000000000000000000000001")
  // What was never turned off is on once it is ready: all rails, as where nothing is declared.
  assert.deepStrictEqual(yield* isOn(memberId), ["ApiKey", "Voucher", "Mpp"])
  assert.isUndefined(yield* paidBy(instance.id))
  const { instance: second } = yield* devices.register(alone)
  assert.deepStrictEqual(yield* paidBy(second.id), ["Mpp"])
  yield* devices.setRails({ memberId, instance: instance.id, rails: { ApiKey: false, Voucher: false } })
  assert.deepStrictEqual(yield* paidBy(instance.id), ["Mpp"])
  // What it needs is gone, and with it the rail.
  yield* devices.setPayoutTarget(memberId, "wallet", undefined)
  assert.deepStrictEqual(yield* isOn(memberId), ["ApiKey", "Voucher"])
  assert.deepStrictEqual(yield* paidBy(second.id), [])
  const view = yield* devices.railsOf(memberId)
  assert.deepInclude(view.rails[2], { name: "Mpp", isOn: false, isReady: false, needs: "wallet" })
  assert.deepStrictEqual(view.targets, [])
})
