/**
 * The suite of `Devices`: one test for each of its numbered guarantees, with the same words. The layer under test
 * must refuse private endpoints.
 *
 * @since 0.1.0
 */
import { assert, describe, it, layer as sharing } from "@effect/vitest"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import type * as Layer from "effect/Layer"
import { TestClock } from "effect/testing"
import type { DirectoryEvent } from "@guildhall/core/DirectoryEvent"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { perMillionCents } from "@guildhall/core/PriceSheet"
import { Devices, type SignedMessage } from "../Devices.ts"
import * as SampleDevice from "./SampleDevice.ts"

/**
 * A guarantee with the program that proves it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Guarantee {
  readonly number: number
  readonly test: string
  readonly proof: Effect.Effect<void, unknown, Devices>
}

const refusal = (message: SignedMessage) =>
  Devices.use((devices) => Effect.map(Effect.flip(devices.authenticate(message)), (error) => error.code))

/** The directory after these events. */
const fold = (directory: Map<InstanceId, Instance>, events: ReadonlyArray<DirectoryEvent>) => {
  for (const event of events) {
    if (event._tag === "InstanceListed") directory.set(event.instance.id, event.instance)
    if (event._tag === "InstanceUnlisted") directory.delete(event.instanceId)
    if (event._tag === "StateChanged") {
      const known = directory.get(event.instanceId)
      if (known === undefined) assert.fail(`${event.instanceId} changed its state before it was listed`)
      else directory.set(event.instanceId, { ...known, state: event.state })
    }
  }
  return directory
}

/** The state of an instance, as readers see it. */
const stateOf = (id: InstanceId) =>
  Devices.use((devices) =>
    Effect.map(devices.instances, (all) => all.find(({ instance }) => instance.id === id)?.instance.state),
  )

const version = Devices.use((devices) => Effect.map(devices.changes(2 ** 40), (changes) => changes.version))

const exact = Effect.gen(function* () {
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

const signature = Effect.gen(function* () {
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

const skew = Effect.gen(function* () {
  const devices = yield* Devices
  const device = SampleDevice.make()
  yield* TestClock.adjust("1 hour")
  const nowMs = yield* Clock.currentTimeMillis
  assert.strictEqual(yield* refusal(device.sign({ issuedAtMs: nowMs - 60_001 })), "stale_message")
  assert.strictEqual(yield* refusal(device.sign({ issuedAtMs: nowMs + 60_001 })), "stale_message")
  yield* devices.authenticate(device.sign({ issuedAtMs: nowMs - 60_000, sequence: 1 }))
  yield* devices.authenticate(device.sign({ issuedAtMs: nowMs + 60_000, sequence: 2 }))
})

const sequences = Effect.gen(function* () {
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

const registering = Effect.gen(function* () {
  const devices = yield* Devices
  const device = SampleDevice.make()
  const first = yield* devices.register(device.registration())
  const other = yield* devices.register(device.registration({ model: ModelId.make("guildhall/other") }))
  assert.strictEqual(other.device.id, first.device.id)
  assert.notStrictEqual(other.instance.id, first.instance.id)
  const price = perMillionCents({ input: 7n, output: 8n })
  const again = yield* devices.register(device.registration({ price, endpointUrl: "https://other.example.com/v1/" }))
  assert.strictEqual(again.instance.id, first.instance.id)
  const listed = (yield* devices.instances).filter(({ instance }) => instance.deviceId === first.device.id)
  assert.lengthOf(listed, 2)
  const current = listed.find(({ instance }) => instance.id === first.instance.id)?.instance
  assert.deepStrictEqual(current, again.instance)
  assert.deepStrictEqual(current?.price, price)
  assert.deepStrictEqual(current?.reach, { _tag: "Endpoint", url: "https://other.example.com/v1" })
  const before = yield* version
  yield* devices.register(device.registration({ price, endpointUrl: "https://other.example.com/v1/" }))
  assert.strictEqual(yield* version, before)
  const none = yield* Effect.flip(devices.register(device.registration({ concurrency: 0 })))
  assert.strictEqual(none.code, "invalid_request")
  const [line] = price
  if (line === undefined) return assert.fail("the sheet is empty")
  const twice = yield* Effect.flip(devices.register(device.registration({ price: [line, line] })))
  assert.strictEqual(twice.code, "invalid_price")
})

const owning = Effect.gen(function* () {
  const devices = yield* Devices
  const device = SampleDevice.make()
  const { instance } = yield* devices.register(device.registration())
  const memberId = SampleDevice.member()
  const theirs = yield* Effect.flip(devices.register(device.registration({ memberId })))
  assert.strictEqual(theirs.code, "insufficient_role")
  yield* devices.deregister(instance.id, instance.memberId)
  const still = yield* Effect.flip(devices.register(device.registration({ memberId })))
  assert.strictEqual(still.code, "insufficient_role")
})

const endpoints = Effect.gen(function* () {
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
    const error = yield* Effect.flip(devices.register(device.registration({ endpointUrl })))
    assert.strictEqual(error.code, "invalid_endpoint", endpointUrl)
  }
})

const beating = Effect.gen(function* () {
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

const ownBeats = Effect.gen(function* () {
  const devices = yield* Devices
  const mine = yield* devices.register(SampleDevice.make().registration())
  const theirs = yield* devices.register(SampleDevice.make().registration())
  const both = [
    { id: theirs.instance.id, state: "draining" },
    { id: mine.instance.id, state: "draining" },
  ] as const
  assert.strictEqual((yield* Effect.flip(devices.beat(mine.device.id, both))).code, "not_found")
  assert.strictEqual(yield* stateOf(theirs.instance.id), "online")
  assert.strictEqual(yield* stateOf(mine.instance.id), "draining")
  yield* devices.deregister(mine.instance.id, mine.instance.memberId)
  const gone = yield* Effect.flip(devices.beat(mine.device.id, [{ id: mine.instance.id, state: "serving" }]))
  assert.strictEqual(gone.code, "not_found")
  assert.isUndefined(yield* stateOf(mine.instance.id))
  assert.strictEqual((yield* Effect.flip(devices.setState(mine.instance.id, "online"))).code, "not_found")
})

const folding = Effect.gen(function* () {
  const devices = yield* Devices
  const seen: Array<{ readonly version: number; readonly directory: Map<InstanceId, Instance> }> = []
  const look = Effect.gen(function* () {
    const all = yield* devices.changes(0)
    seen.push({ version: all.version, directory: fold(new Map(), all.events) })
  })
  yield* look
  const sample = SampleDevice.make()
  const first = yield* devices.register(sample.registration())
  yield* look
  const second = yield* devices.register(SampleDevice.make().registration())
  yield* look
  yield* devices.setState(first.instance.id, "offline")
  yield* look
  yield* devices.deregister(second.instance.id, second.instance.memberId)
  yield* look
  yield* devices.register(sample.registration({ concurrency: 9 }))
  yield* look
  yield* devices.deregister(first.instance.id, first.instance.memberId)
  yield* devices.register(sample.registration({ concurrency: 3 }))
  yield* devices.setState(first.instance.id, "draining")
  yield* look
  const now = new Map((yield* devices.instances).map(({ instance }) => [instance.id, instance]))
  for (const { version, directory } of seen) {
    const since = yield* devices.changes(version)
    assert.deepStrictEqual(fold(directory, since.events), now)
    assert.strictEqual(since.version, seen.at(-1)?.version)
  }
  assert.isTrue(new Set(seen.map((one) => one.version)).size === seen.length)
})

const ordered = Effect.gen(function* () {
  const devices = yield* Devices
  const made = yield* Effect.forEach(Array.from({ length: 6 }), () =>
    devices.register(SampleDevice.make().registration()),
  )
  const start = yield* devices.changes(0)
  const directory = fold(new Map(), start.events)
  let at = start.version
  const follow = Effect.gen(function* () {
    const next = yield* devices.changes(at)
    assert.isAtLeast(next.version, at)
    fold(directory, next.events)
    at = next.version
  })
  const change = (id: InstanceId) =>
    Effect.forEach(["offline", "online", "draining", "offline"] as const, (state) => devices.setState(id, state))
  yield* Effect.all(
    [
      Effect.forEach(made, ({ instance }) => change(instance.id), { concurrency: "unbounded" }),
      Effect.forEach(Array.from({ length: 20 }), () => Effect.andThen(follow, Effect.yieldNow)),
    ],
    { concurrency: "unbounded" },
  )
  yield* follow
  const now = new Map((yield* devices.instances).map(({ instance }) => [instance.id, instance]))
  assert.deepStrictEqual(directory, now)
  assert.strictEqual(at, start.version + made.length * 4)
})

const leaving = Effect.gen(function* () {
  const devices = yield* Devices
  const { instance } = yield* devices.register(SampleDevice.make().registration())
  const theirs = yield* Effect.flip(devices.deregister(instance.id, SampleDevice.member()))
  assert.strictEqual(theirs.code, "insufficient_role")
  assert.strictEqual(yield* stateOf(instance.id), "online")
  yield* devices.deregister(instance.id, instance.memberId)
  assert.isUndefined(yield* stateOf(instance.id))
  yield* devices.deregister(instance.id, instance.memberId)
})

const revoking = Effect.gen(function* () {
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
  const back = yield* Effect.flip(devices.register(device.registration()))
  assert.strictEqual(back.code, "device_revoked")
  const beat = devices.beat(registered.device.id, [{ id: registered.instance.id, state: "serving" }])
  assert.strictEqual((yield* Effect.flip(beat)).code, "device_revoked")
})

/**
 * What devices guarantee, in the order of the documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Guarantee> = [
  {
    number: 1,
    test: "A message is accepted where the device signed exactly it, and answers the device's id.",
    proof: exact,
  },
  {
    number: 2,
    test: "A message that was changed, or signed by another key, is refused with `invalid_signature`.",
    proof: signature,
  },
  {
    number: 3,
    test: "A message signed longer ago than a minute, or as far in the future, is refused with `stale_message`.",
    proof: skew,
  },
  {
    number: 4,
    test: "A sequence is used up once and in rising order, registered or not, however many arrive at once: `replayed_message`.",
    proof: sequences,
  },
  {
    number: 5,
    test: "A device keeps its id and the id of each instance; registering again gives new terms.",
    proof: registering,
  },
  { number: 6, test: "A device belongs to the member that registered it first, for ever.", proof: owning },
  {
    number: 7,
    test: "An endpoint that the market may not call is refused with `invalid_endpoint`.",
    proof: endpoints,
  },
  {
    number: 8,
    test: "A beat brings an offline instance back and tells of draining; one that changes nothing makes no version.",
    proof: beating,
  },
  {
    number: 9,
    test: "A beat speaks only for the device's own instances on the market: `not_found`.",
    proof: ownBeats,
  },
  {
    number: 10,
    test: "The events after any version, folded over that version's directory, give the instances of now.",
    proof: folding,
  },
  {
    number: 11,
    test: "Changes made at once are told in order: who follows by version misses none.",
    proof: ordered,
  },
  { number: 12, test: "An instance leaves the market by its member's word only.", proof: leaving },
  {
    number: 13,
    test: "A revoked device is off the market and every message of it is refused with `device_revoked`.",
    proof: revoking,
  },
]

/**
 * Proves devices on a layer. A guarantee that a layer cannot keep is skipped with its reason, which is printed.
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = <E>(
  name: string,
  layer: Layer.Layer<Devices, E>,
  options: { readonly skip?: ReadonlyArray<{ readonly test: number; readonly reason: string }> } = {},
): void => {
  sharing(layer, { timeout: "60 seconds" })(`Devices: ${name}`, (it) => {
    for (const { number, test, proof } of guarantees) {
      const skipped = options.skip?.find((skip) => skip.test === number)
      if (skipped === undefined) it.effect(`${number}. ${test}`, () => proof)
      else it.skip(`${number}. ${test} (skipped: ${skipped.reason})`, () => {})
    }
  })
}

/**
 * Proves that the suite bites: on this layer the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks = <E>(name: string, layer: Layer.Layer<Devices, E>, number: number): void => {
  describe(`Devices, broken: ${name}`, () => {
    it.effect(`${number}. fails`, () =>
      Effect.gen(function* () {
        const guarantee = guarantees.find((one) => one.number === number)
        if (guarantee === undefined) return assert.fail(`There is no guarantee ${number}.`)
        const exit = yield* Effect.exit(Effect.provide(guarantee.proof, layer))
        assert.isTrue(Exit.isFailure(exit), `guarantee ${number} holds on a layer that breaks it`)
      }),
    )
  })
}
