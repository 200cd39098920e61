/** Proofs of what is guaranteed of pairing. */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as TestClock from "effect/testing/TestClock"
import type { Hardware } from "@guildhall/core/Hardware"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { Devices } from "../../Devices.ts"
import { BOUNDS, CODE_MS, Pairing, WAIT_MS } from "../../Pairing.ts"
import type { Asking } from "../../PairingStore.ts"
import * as SampleDevice from "../SampleDevice.ts"

const hardware: Hardware = {
  gpus: [{ vendor: "nvidia", name: "NVIDIA GeForce RTX 4090", memoryMib: 24_564, memoryKind: "own" }],
  cpu: { name: "AMD Ryzen 9 7950X", cores: 32, architecture: "x64" },
  memoryMib: 64_000,
  diskFreeMib: 900_000,
  system: { platform: "linux", name: "Ubuntu 24.04.3 LTS" },
}

/** Every proof has networks of its own, and begins when nothing of the others counts any more. */
export const begin = TestClock.adjust("3 days")
let networks = 0
export const network = (): string => `10.${(networks >> 8) & 255}.${networks++ & 255}.7`

/** A device that asks. */
export const asking = (address: string, device = SampleDevice.make()): Asking => ({
  publicKey: device.publicKey,
  name: "rig",
  hardware,
  versions: { agent: "0.1.0" },
  address,
})

/** A code that is not this one. */
export const not = (code: Redacted.Redacted, by = 1): Redacted.Redacted =>
  Redacted.make(`${(Number(Redacted.value(code)) + by) % 1_000_000}`.padStart(6, "0"))

export const codeOf = <A, R>(effect: Effect.Effect<A, { readonly code: string }, R>) =>
  Effect.map(Conformance.refused(effect), (error) => error.code)

export const waits = Effect.gen(function* () {
  yield* begin
  const pairing = yield* Pairing
  const memberId = SampleDevice.member()
  const { code, endsAtMs } = yield* pairing.makeCode(memberId, network())
  assert.match(Redacted.value(code), /^[0-9]{6}$/)
  const nowMs = yield* Clock.currentTimeMillis
  assert.strictEqual(endsAtMs, nowMs + CODE_MS)
  const device = asking(network())
  const { deviceId, state } = yield* pairing.ask(device, code)
  assert.strictEqual(state, "waiting")
  const seen = yield* pairing.waiting(memberId)
  assert.lengthOf(seen, 1)
  const { askedAtMs, endsAtMs: _, fingerprint, ...said } = seen[0] ?? assert.fail("nothing waits")
  assert.deepStrictEqual(said, { ...device, deviceId })
  assert.strictEqual(askedAtMs, nowMs)
  assert.strictEqual(fingerprint.replaceAll(" ", ""), deviceId.slice(4, 20))
  assert.isUndefined(yield* Devices.use((devices) => devices.find(deviceId)))
})

export const once = Effect.gen(function* () {
  yield* begin
  const pairing = yield* Pairing
  const memberId = SampleDevice.member()
  const { code, id } = yield* pairing.makeCode(memberId, network())
  const bad = "invalid_pairing_code"
  assert.strictEqual(yield* codeOf(pairing.ask(asking(network()), not(code))), bad)
  assert.strictEqual(yield* codeOf(pairing.ask(asking(network()), not(code), id)), bad)
  const device = asking(network())
  yield* pairing.ask(device, code)
  assert.strictEqual(yield* codeOf(pairing.ask(asking(network()), code)), bad)
  assert.strictEqual(yield* codeOf(pairing.ask(asking(network()), code, id)), bad)
  assert.strictEqual((yield* Conformance.answered(pairing.ask(device, code))).state, "waiting")
  yield* pairing.approve(memberId, (yield* pairing.ask(device, code)).deviceId)
  assert.strictEqual(yield* codeOf(pairing.ask(asking(network()), code)), bad)
  const late = yield* pairing.makeCode(memberId, network())
  yield* TestClock.adjust(CODE_MS - 1)
  const last = yield* pairing.makeCode(memberId, network())
  yield* Conformance.answered(pairing.ask(asking(network()), late.code))
  yield* TestClock.adjust(CODE_MS)
  assert.strictEqual(yield* codeOf(pairing.ask(asking(network()), last.code)), bad)
  assert.strictEqual(yield* codeOf(pairing.ask(asking(network()), last.code, last.id)), bad)
})

export const decided = Effect.gen(function* () {
  yield* begin
  const pairing = yield* Pairing
  const devices = yield* Devices
  const memberId = SampleDevice.member()
  const [first, second] = [asking(network()), asking(network())]
  const [one, two] = [yield* pairing.makeCode(memberId, network()), yield* pairing.makeCode(memberId, network())]
  const approved = yield* pairing.ask(first, one.code)
  const refused = yield* pairing.ask(second, two.code)
  const nowMs = yield* Clock.currentTimeMillis
  const adopted = yield* Conformance.answered(pairing.approve(memberId, approved.deviceId))
  assert.strictEqual(adopted.memberId, memberId)
  const { publicKey: _, ...said } = first
  assert.deepStrictEqual((yield* devices.find(approved.deviceId))?.facts, { ...said, pairedAtMs: nowMs })
  yield* pairing.refuse(memberId, refused.deviceId)
  assert.isUndefined(yield* devices.find(refused.deviceId))
  assert.strictEqual((yield* pairing.ask(first, one.code)).state, "approved")
  assert.strictEqual((yield* pairing.ask(second, two.code)).state, "refused")
  assert.deepStrictEqual(yield* pairing.waiting(memberId), [])
  assert.strictEqual(yield* codeOf(pairing.approve(memberId, refused.deviceId)), "not_found")
})

export const owned = Effect.gen(function* () {
  yield* begin
  const pairing = yield* Pairing
  const [memberId, rival] = [SampleDevice.member(), SampleDevice.member()]
  const { code } = yield* pairing.makeCode(memberId, network())
  const device = asking(network())
  const { deviceId } = yield* pairing.ask(device, code)
  assert.deepStrictEqual(yield* pairing.waiting(rival), [])
  assert.strictEqual(yield* codeOf(pairing.approve(rival, deviceId)), "not_found")
  assert.strictEqual(yield* codeOf(pairing.refuse(rival, deviceId)), "not_found")
  yield* Conformance.answered(pairing.approve(memberId, deviceId))
  // A device of one member is not paired with another, and the other's code is still good.
  const other = yield* pairing.makeCode(rival, network())
  assert.strictEqual(yield* codeOf(pairing.ask(device, other.code)), "insufficient_role")
  yield* Conformance.answered(pairing.ask(asking(network()), other.code))
})

export const bounded = Effect.gen(function* () {
  yield* begin
  const pairing = yield* Pairing
  const memberId = SampleDevice.member()
  const [first] = yield* Effect.forEach(Array.from({ length: BOUNDS.perMember }), () =>
    pairing.makeCode(memberId, network()),
  )
  assert.strictEqual(yield* codeOf(pairing.makeCode(memberId, network())), "too_many_pairings")
  yield* TestClock.adjust(CODE_MS)
  yield* Conformance.answered(pairing.makeCode(memberId, network()))
  assert.isDefined(first)
  const crowded = network()
  for (let at = 0; at < BOUNDS.waitingPerNetwork; at++) {
    const { code } = yield* pairing.makeCode(SampleDevice.member(), network())
    yield* pairing.ask(asking(crowded), code)
  }
  const { code } = yield* pairing.makeCode(SampleDevice.member(), network())
  assert.strictEqual(yield* codeOf(pairing.ask(asking(crowded), code)), "too_many_pairings")
  yield* Conformance.answered(pairing.ask(asking(network()), code))
})

export const waitsAnHour = Effect.gen(function* () {
  yield* begin
  const pairing = yield* Pairing
  const memberId = SampleDevice.member()
  const device = asking(network())
  const { code } = yield* pairing.makeCode(memberId, network())
  const { deviceId } = yield* pairing.ask(device, code)
  yield* TestClock.adjust(WAIT_MS - 1)
  assert.lengthOf(yield* pairing.waiting(memberId), 1)
  yield* TestClock.adjust(1)
  assert.deepStrictEqual(yield* pairing.waiting(memberId), [])
  assert.strictEqual(yield* codeOf(pairing.approve(memberId, deviceId)), "not_found")
  assert.strictEqual((yield* pairing.ask(device, code)).state, "over")
  const again = yield* pairing.makeCode(memberId, network())
  assert.strictEqual((yield* Conformance.answered(pairing.ask(device, again.code))).state, "waiting")
})
