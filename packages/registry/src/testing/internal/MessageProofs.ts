/** Proofs of what is guaranteed of signed messages. */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as TestClock from "effect/testing/TestClock"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { Devices, type SignedMessage } from "../../Devices.ts"
import * as SampleDevice from "../SampleDevice.ts"

/** The code with which a message is refused. */
export const refusal = (message: SignedMessage) =>
  Devices.use((devices) => Effect.map(Conformance.refused(devices.authenticate(message)), (error) => error.code))

export const exact = Effect.gen(function* () {
  const devices = yield* Devices
  const device = SampleDevice.make()
  const issuedAtMs = yield* Clock.currentTimeMillis
  const id = yield* devices.authenticate(device.sign({ issuedAtMs, sequence: 1 }))
  assert.match(id, /^dev_[0-9a-f]{32}$/)
  const body = new TextEncoder().encode("{}")
  assert.strictEqual(yield* devices.authenticate(device.sign({ issuedAtMs, sequence: 2, body, path: "/x" })), id)
  const registered = yield* devices.register(device.registration())
  assert.strictEqual(registered.device.id, id)
  assert.strictEqual(registered.device.sequence, 2)
})

export const signature = Effect.gen(function* () {
  const device = SampleDevice.make()
  const issuedAtMs = yield* Clock.currentTimeMillis
  const message = device.sign({ issuedAtMs, sequence: 1 })
  const changed: ReadonlyArray<Partial<SignedMessage>> = [
    { method: "PUT" },
    { path: "/v1/providers/register" },
    { issuedAtMs: issuedAtMs + 1 },
    { sequence: 2 },
    { body: new TextEncoder().encode('{"instances":[1]}') },
    { signature: SampleDevice.make().sign({ issuedAtMs, sequence: 1 }).signature },
    { publicKey: SampleDevice.make().publicKey },
    { signature: "" },
    { signature: message.signature.slice(0, -4) },
    { signature: `${message.signature}====` },
  ]
  for (const change of changed) assert.strictEqual(yield* refusal({ ...message, ...change }), "invalid_signature")
  const devices = yield* Devices
  yield* devices.authenticate(message)
})

export const skew = Effect.gen(function* () {
  const devices = yield* Devices
  const device = SampleDevice.make()
  yield* TestClock.adjust("1 hour")
  const nowMs = yield* Clock.currentTimeMillis
  assert.strictEqual(yield* refusal(device.sign({ issuedAtMs: nowMs - 60_001 })), "stale_message")
  assert.strictEqual(yield* refusal(device.sign({ issuedAtMs: nowMs + 60_001 })), "stale_message")
  yield* devices.authenticate(device.sign({ issuedAtMs: nowMs - 60_000, sequence: 1 }))
  yield* devices.authenticate(device.sign({ issuedAtMs: nowMs + 60_000, sequence: 2 }))
})

export const sequences = Effect.gen(function* () {
  const devices = yield* Devices
  const device = SampleDevice.make()
  const issuedAtMs = yield* Clock.currentTimeMillis
  const message = device.sign({ issuedAtMs, sequence: 5 })
  yield* devices.authenticate(message)
  assert.strictEqual(yield* refusal(message), "replayed_message")
  assert.strictEqual(yield* refusal(device.sign({ issuedAtMs, sequence: 4 })), "replayed_message")
  yield* devices.register(device.registration())
  assert.strictEqual(yield* refusal(message), "replayed_message")
  const next = device.sign({ issuedAtMs, sequence: 6 })
  const exits = yield* Effect.forEach(Array.from({ length: 8 }), () => Effect.exit(devices.authenticate(next)), {
    concurrency: "unbounded",
  })
  assert.lengthOf(exits.filter(Exit.isSuccess), 1)
  // What unregistered keys used up is forgotten only once their messages are stale.
  const stranger = SampleDevice.make()
  const late = stranger.sign({ issuedAtMs: issuedAtMs + 60_000, sequence: 1 })
  yield* devices.authenticate(late)
  yield* TestClock.adjust(120_000)
  assert.strictEqual(yield* refusal(late), "replayed_message")
  yield* TestClock.adjust(600_000)
  assert.strictEqual(yield* refusal(late), "stale_message")
  const later = yield* Clock.currentTimeMillis
  assert.strictEqual(yield* refusal(device.sign({ issuedAtMs: later, sequence: 6 })), "replayed_message")
})
