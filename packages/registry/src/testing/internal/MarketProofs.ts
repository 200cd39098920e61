/** Proofs of what is guaranteed of who is on the market, and in which state. */
import { assert } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as TestClock from "effect/testing/TestClock"
import * as Conformance from "@guildhall/core/testing/Conformance"
import type { InstanceId } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { perMillionCents } from "@guildhall/core/PriceSheet"
import { Devices } from "../../Devices.ts"
import * as SampleDevice from "../SampleDevice.ts"
import { refusal } from "./MessageProofs.ts"

/** The state of an instance, as readers see it. */
const stateOf = (id: InstanceId) =>
  Devices.use((devices) =>
    Effect.map(devices.instances, (all) => all.find(({ instance }) => instance.id === id)?.instance.state),
  )

const version = Devices.use((devices) => Effect.map(devices.changes(2 ** 40), (changes) => changes.version))

export const registering = Effect.gen(function* () {
  const devices = yield* Devices
  const device = SampleDevice.make()
  const first = yield* devices.register(device.registration())
  const other = yield* devices.register(device.registration({ model: ModelId.make("guildhall/other") }))
  assert.strictEqual(other.device.id, first.device.id)
  assert.notStrictEqual(other.instance.id, first.instance.id)
  const price = perMillionCents({ input: 7n, output: 8n })
  const again = yield* devices.register(
    device.registration({ price, reach: { _tag: "Endpoint", url: "https://other.example.com/v1/" } }),
  )
  assert.strictEqual(again.instance.id, first.instance.id)
  const listed = (yield* devices.instances).filter(({ instance }) => instance.deviceId === first.device.id)
  assert.lengthOf(listed, 2)
  const current = listed.find(({ instance }) => instance.id === first.instance.id)?.instance
  assert.deepStrictEqual(current, again.instance)
  assert.deepStrictEqual(current?.price, price)
  assert.deepStrictEqual(current?.reach, { _tag: "Endpoint", url: "https://other.example.com/v1" })
  const before = yield* version
  yield* devices.register(
    device.registration({ price, reach: { _tag: "Endpoint", url: "https://other.example.com/v1/" } }),
  )
  assert.strictEqual(yield* version, before)
  const none = yield* Conformance.refused(devices.register(device.registration({ concurrency: 0 })))
  assert.strictEqual(none.code, "invalid_request")
  const [line] = price
  if (line === undefined) return assert.fail("the sheet is empty")
  const twice = yield* Conformance.refused(devices.register(device.registration({ price: [line, line] })))
  assert.strictEqual(twice.code, "invalid_price")
  const nothing = yield* Conformance.refused(devices.register(device.registration({ price: [] })))
  assert.strictEqual(nothing.code, "invalid_price")
})

const newName = (): string => `p-${SampleDevice.member().slice(-16)}`

export const declaring = Effect.gen(function* () {
  const devices = yield* Devices
  const device = SampleDevice.make()
  const declared = {
    provider: newName(),
    endpoints: ["embeddings", "rerank"],
    quantization: "bf16",
    parameters: ["dimensions", "encoding_format"],
    retainsData: false,
    tokenizer: "ab".repeat(32),
  } as const
  const first = yield* devices.register(device.registration(declared))
  const listed = Effect.map(
    devices.instances,
    (all) => all.find(({ instance }) => instance.id === first.instance.id)?.instance,
  )
  assert.deepInclude(first.instance, declared)
  assert.deepStrictEqual(yield* listed, first.instance)
  const before = yield* version
  const next = yield* devices.register(device.registration({ quantization: "fp8", retainsData: true }))
  assert.deepStrictEqual((yield* devices.changes(before)).events, [{ _tag: "InstanceListed", instance: next.instance }])
  assert.deepStrictEqual(yield* listed, next.instance)
  assert.notProperty(next.instance, "provider")
  assert.notProperty(next.instance, "endpoints")
  const wrong: ReadonlyArray<object> = [
    { provider: "No Slug" },
    { provider: "a".repeat(41) },
    { endpoints: [] },
    { endpoints: ["chat/completions", "chat/completions"] },
    { endpoints: ["fine-tuning"] },
    { quantization: "q4_k_m" },
    { parameters: Array.from({ length: 101 }, (_, index) => `p${index}`) },
    { parameters: ["tools", "tools"] },
    { parameters: ["a b"] },
    { tokenizer: "abc" },
  ]
  for (const values of wrong) {
    const refused = yield* Conformance.refused(devices.register({ ...device.registration(), ...values }))
    assert.strictEqual(refused.code, "invalid_request", JSON.stringify(values))
  }
  assert.deepStrictEqual(yield* listed, next.instance)
})

export const naming = Effect.gen(function* () {
  const devices = yield* Devices
  const memberId = SampleDevice.member()
  const provider = newName()
  yield* devices.register(SampleDevice.make(memberId).registration({ provider }))
  yield* devices.register(SampleDevice.make(memberId).registration({ provider }))
  const theirs = SampleDevice.make()
  const refused = yield* Conformance.refused(devices.register(theirs.registration({ provider })))
  assert.strictEqual(refused.code, "provider_name_taken")
  const all = yield* devices.instances
  assert.isFalse(all.some(({ instance }) => instance.devicePublicKey === theirs.publicKey))
  const contested = newName()
  const made = yield* Effect.forEach(
    Array.from({ length: 8 }, () => SampleDevice.make().registration({ provider: contested })),
    (registration) => Effect.result(devices.register(registration)),
    { concurrency: "unbounded" },
  )
  assert.lengthOf(
    made.filter(({ _tag }) => _tag === "Success"),
    1,
  )
  for (let count = 1; count < 16; count++) {
    yield* devices.register(SampleDevice.make(memberId).registration({ provider: newName() }))
  }
  const more = yield* Conformance.refused(
    devices.register(SampleDevice.make(memberId).registration({ provider: newName() })),
  )
  assert.strictEqual(more.code, "invalid_request")
})

export const owning = Effect.gen(function* () {
  const devices = yield* Devices
  const device = SampleDevice.make()
  const { instance } = yield* devices.register(device.registration())
  const memberId = SampleDevice.member()
  const theirs = yield* Conformance.refused(devices.register(device.registration({ memberId })))
  assert.strictEqual(theirs.code, "insufficient_role")
  yield* devices.deregister(instance.id, instance.memberId)
  const still = yield* Conformance.refused(devices.register(device.registration({ memberId })))
  assert.strictEqual(still.code, "insufficient_role")
})

export const endpoints = Effect.gen(function* () {
  const devices = yield* Devices
  const device = SampleDevice.make()
  for (const endpointUrl of [
    "ftp://gpu.example.com",
    "gpu.example.com",
    "https://user:secret@gpu.example.com",
    "https://gpu.example.com/?next=",
    `https://gpu.example.com/${"a".repeat(2000)}`,
    "http://localhost:9000",
    "http://127.1",
    "http://[::ffff:169.254.169.254]/latest/meta-data",
  ]) {
    const error = yield* Conformance.refused(
      devices.register(device.registration({ reach: { _tag: "Endpoint", url: endpointUrl } })),
    )
    assert.strictEqual(error.code, "invalid_endpoint", endpointUrl)
  }
})

export const beating = Effect.gen(function* () {
  const devices = yield* Devices
  const { device, instance } = yield* devices.register(SampleDevice.make().registration())
  const beat = (state: "serving" | "draining") => devices.beat(device.id, [{ id: instance.id, state }])
  const before = yield* version
  yield* TestClock.adjust(60_000)
  yield* beat("serving")
  assert.strictEqual(yield* version, before)
  const listed = (yield* devices.instances).find((one) => one.instance.id === instance.id)
  assert.strictEqual(listed?.lastBeatAtMs, yield* Clock.currentTimeMillis)
  yield* devices.setState(instance.id, "offline")
  assert.strictEqual(yield* stateOf(instance.id), "offline")
  yield* beat("serving")
  assert.strictEqual(yield* stateOf(instance.id), "online")
  yield* beat("draining")
  yield* beat("draining")
  assert.strictEqual(yield* stateOf(instance.id), "draining")
  assert.strictEqual(yield* version, before + 3)
  yield* beat("serving")
  assert.strictEqual(yield* stateOf(instance.id), "online")
})

export const ownBeats = Effect.gen(function* () {
  const devices = yield* Devices
  const mine = yield* devices.register(SampleDevice.make().registration())
  const theirs = yield* devices.register(SampleDevice.make().registration())
  const both = [
    { id: theirs.instance.id, state: "draining" },
    { id: mine.instance.id, state: "draining" },
  ] as const
  assert.strictEqual((yield* Conformance.refused(devices.beat(mine.device.id, both))).code, "not_found")
  assert.strictEqual(yield* stateOf(theirs.instance.id), "online")
  assert.strictEqual(yield* stateOf(mine.instance.id), "draining")
  yield* devices.deregister(mine.instance.id, mine.instance.memberId)
  const gone = yield* Conformance.refused(devices.beat(mine.device.id, [{ id: mine.instance.id, state: "serving" }]))
  assert.strictEqual(gone.code, "not_found")
  assert.isUndefined(yield* stateOf(mine.instance.id))
  assert.strictEqual((yield* Conformance.refused(devices.setState(mine.instance.id, "online"))).code, "not_found")
})

export const leaving = Effect.gen(function* () {
  const devices = yield* Devices
  const { instance } = yield* devices.register(SampleDevice.make().registration())
  const theirs = yield* Conformance.refused(devices.deregister(instance.id, SampleDevice.member()))
  assert.strictEqual(theirs.code, "insufficient_role")
  assert.strictEqual(yield* stateOf(instance.id), "online")
  yield* devices.deregister(instance.id, instance.memberId)
  assert.isUndefined(yield* stateOf(instance.id))
  yield* devices.deregister(instance.id, instance.memberId)
})

export const revoking = Effect.gen(function* () {
  const devices = yield* Devices
  const device = SampleDevice.make()
  const registered = yield* devices.register(device.registration())
  const { version: before } = yield* devices.changes(0)
  const revoked = yield* devices.revoke(registered.device.id)
  assert.strictEqual(revoked.state, "revoked")
  assert.isUndefined(yield* stateOf(registered.instance.id))
  assert.deepStrictEqual((yield* devices.changes(before)).events, [
    { _tag: "InstanceUnlisted", instanceId: registered.instance.id },
  ])
  const issuedAtMs = yield* Clock.currentTimeMillis
  assert.strictEqual(yield* refusal(device.sign({ issuedAtMs, sequence: 10 })), "device_revoked")
  const back = yield* Conformance.refused(devices.register(device.registration()))
  assert.strictEqual(back.code, "device_revoked")
  const beat = devices.beat(registered.device.id, [{ id: registered.instance.id, state: "serving" }])
  assert.strictEqual((yield* Conformance.refused(beat)).code, "device_revoked")
})
