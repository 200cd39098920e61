/** Proofs of what is guaranteed of members' devices, their keys, and the nonces of beats. */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import { DeviceId } from "@guildhall/core/Device"
import * as Conformance from "@guildhall/core/testing/Conformance"
import * as KeyChange from "@guildhall/protocol/provider/KeyChange"
import { Devices } from "../../Devices.ts"
import * as SampleDevice from "../SampleDevice.ts"
import { refusal } from "./MessageProofs.ts"

const codeOf = <A, R>(effect: Effect.Effect<A, { readonly code: string }, R>) =>
  Effect.map(Conformance.refused(effect), (error) => error.code)

export const nonces = Effect.gen(function* () {
  const devices = yield* Devices
  const { device } = yield* devices.register(SampleDevice.make().registration())
  const { id } = device
  const stale = (nonce: string | undefined) =>
    Effect.map(codeOf(devices.takeNonce(id, nonce)), (code) => assert.strictEqual(code, "stale_nonce"))
  const first = yield* devices.giveNonce(id)
  // A beat that was made before the market said anything.
  yield* stale("nonce_of_my_own")
  yield* stale(undefined)
  const second = yield* Conformance.answered(devices.takeNonce(id, first, { queue: 3 }))
  assert.notStrictEqual(second, first)
  assert.deepStrictEqual((yield* devices.find(id))?.status, { queue: 3 })
  // The answer was lost: the one before counts, once.
  const third = yield* Conformance.answered(devices.takeNonce(id, first))
  yield* stale(first)
  yield* stale(second)
  const fourth = yield* Conformance.answered(devices.takeNonce(id, third))
  // Of two that beat at once with a copied key, one goes on; the other is told at its next beat.
  const [one, other] = yield* Effect.all(
    [Effect.exit(devices.takeNonce(id, fourth)), Effect.exit(devices.takeNonce(id, fourth))],
    {
      concurrency: "unbounded",
    },
  )
  const next = [one, other].flatMap((exit) => (exit._tag === "Success" ? [exit.value] : []))
  const goesOn = yield* Effect.forEach(next, (nonce) => Effect.exit(devices.takeNonce(id, nonce)))
  assert.lengthOf(
    goesOn.filter((exit) => exit._tag === "Success"),
    1,
  )
  // Registering again ends what was given before.
  const given = yield* devices.giveNonce(id)
  const after = yield* Conformance.answered(devices.takeNonce(id, given))
  yield* devices.giveNonce(id)
  yield* stale(after)
  yield* stale(given)
})

const facts = (name: string) => ({ name, versions: { agent: "0.1.0" }, address: "192.0.2.7", pairedAtMs: 5 })

export const adopting = Effect.gen(function* () {
  const devices = yield* Devices
  const memberId = SampleDevice.member()
  const sample = SampleDevice.make(memberId)
  const device = yield* devices.adopt({ memberId, publicKey: sample.publicKey, facts: facts("rig") })
  assert.strictEqual(device.memberId, memberId)
  assert.deepStrictEqual(device.facts, facts("rig"))
  assert.deepStrictEqual((yield* devices.find(device.id))?.facts, facts("rig"))
  const thief = SampleDevice.member()
  const taken = yield* codeOf(devices.adopt({ memberId: thief, publicKey: sample.publicKey, facts: {} }))
  assert.strictEqual(taken, "insufficient_role")
  const stolen = yield* codeOf(devices.register({ ...sample.registration(), memberId: thief }))
  assert.strictEqual(stolen, "insufficient_role")
  yield* devices.register(sample.registration())
  const found = yield* devices.find(device.id)
  assert.deepStrictEqual(found?.facts, facts("rig"))
  const other = yield* devices.register(SampleDevice.make().registration())
  const all = yield* devices.findAll([device.id, DeviceId.make(`dev_${"0".repeat(32)}`), other.device.id])
  assert.deepStrictEqual([...all.keys()].sort(), [device.id, other.device.id].sort())
  assert.deepStrictEqual(all.get(device.id), found)
})

export const replacing = Effect.gen(function* () {
  const devices = yield* Devices
  const [sample, next, stranger] = [SampleDevice.make(), SampleDevice.make(), SampleDevice.make()]
  const { device, instance } = yield* devices.register(sample.registration())
  yield* devices.register(stranger.registration())
  const change = (id: DeviceId, from: SampleDevice.SampleDevice, to: SampleDevice.SampleDevice) => ({
    id,
    former: from.publicKey,
    publicKey: to.publicKey,
    proof: to.signBytes(KeyChange.proofBytes(id, from.publicKey, to.publicKey)),
  })
  const good = change(device.id, sample, next)
  const unproved = {
    ...good,
    proof: stranger.signBytes(KeyChange.proofBytes(device.id, sample.publicKey, next.publicKey)),
  }
  assert.strictEqual(yield* codeOf(devices.replaceKey(unproved)), "invalid_signature")
  const anothers = change(device.id, sample, stranger)
  assert.strictEqual(yield* codeOf(devices.replaceKey(anothers)), "invalid_request")
  const fromWrong = change(device.id, stranger, next)
  assert.strictEqual(yield* codeOf(devices.replaceKey(fromWrong)), "invalid_request")
  assert.strictEqual((yield* devices.replaceKey(good)).publicKey, next.publicKey)
  const issuedAtMs = yield* Clock.currentTimeMillis
  assert.strictEqual(yield* refusal(sample.sign({ issuedAtMs, sequence: 1 })), "key_replaced")
  assert.strictEqual(yield* devices.authenticate(next.sign({ issuedAtMs, sequence: 2 })), device.id)
  const listed = (yield* devices.instances).find((one) => one.instance.id === instance.id)
  assert.strictEqual(listed?.instance.devicePublicKey, next.publicKey)
  const again = yield* devices.register({ ...sample.registration(), publicKey: next.publicKey })
  assert.strictEqual(again.instance.id, instance.id)
  // Neither key is ever another device's, and the former one registers nothing.
  assert.strictEqual(yield* codeOf(devices.register(sample.registration())), "key_replaced")
  assert.strictEqual(yield* codeOf(devices.replaceKey(change(device.id, next, sample))), "invalid_request")
  const third = SampleDevice.make()
  yield* devices.replaceKey(change(device.id, next, third))
  assert.strictEqual(yield* devices.authenticate(third.sign({ issuedAtMs, sequence: 3 })), device.id)
  assert.strictEqual(yield* refusal(next.sign({ issuedAtMs, sequence: 4 })), "key_replaced")
  yield* devices.revoke(device.id)
  assert.strictEqual(yield* refusal(third.sign({ issuedAtMs, sequence: 5 })), "device_revoked")
})

export const ownDevices = Effect.gen(function* () {
  const devices = yield* Devices
  const [memberId, rival] = [SampleDevice.member(), SampleDevice.member()]
  const { device, instance } = yield* devices.register(SampleDevice.make(memberId).registration())
  assert.deepStrictEqual(
    (yield* devices.devicesOf(memberId)).map(({ id }) => id),
    [device.id],
  )
  const listed = (yield* devices.instances).filter((one) => one.instance.id === instance.id)
  assert.deepStrictEqual(yield* devices.instancesOf(memberId), listed)
  assert.deepStrictEqual([...(yield* devices.devicesOf(rival)), ...(yield* devices.instancesOf(rival))], [])
  assert.strictEqual(yield* codeOf(devices.rename(device.id, rival, "mine")), "not_found")
  assert.strictEqual(yield* codeOf(devices.revoke(device.id, rival)), "not_found")
  assert.strictEqual((yield* devices.rename(device.id, memberId, "rig")).facts.name, "rig")
  assert.strictEqual((yield* Conformance.answered(devices.revoke(device.id, memberId))).state, "revoked")
  assert.strictEqual((yield* devices.devicesOf(memberId))[0]?.state, "revoked")
  assert.deepStrictEqual(yield* devices.instancesOf(memberId), [])
})

export const silence = Effect.gen(function* () {
  const devices = yield* Devices
  yield* TestClock.adjust("1 day")
  const { device, instance } = yield* devices.register(SampleDevice.make().registration())
  const startMs = yield* Clock.currentTimeMillis
  const isListed = Effect.map(devices.instances, (all) => all.some((one) => one.instance.id === instance.id))
  assert.isFalse(yield* devices.drop(instance.id, startMs))
  yield* TestClock.adjust("1 hour")
  yield* devices.beat(device.id, [{ id: instance.id, state: "serving" }])
  assert.isFalse(yield* devices.drop(instance.id, startMs + 1))
  assert.isTrue(yield* isListed)
  const { version } = yield* devices.changes(0)
  assert.isTrue(yield* devices.drop(instance.id, startMs + 3_600_001))
  assert.isFalse(yield* isListed)
  assert.deepStrictEqual((yield* devices.changes(version)).events, [
    { _tag: "InstanceUnlisted", instanceId: instance.id },
  ])
  assert.isFalse(yield* devices.drop(instance.id, startMs + 3_600_001))
})
