import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Option, Ref } from "effect"
import { SqlClient } from "effect/sql"
import { TestClock } from "effect/testing"
import { DeviceId } from "@guildhall/core/Device"
import { InstanceId } from "@guildhall/core/Instance"
import * as Devices from "../src/Devices.ts"
import * as DevicesSql from "../src/DevicesSql.ts"
import * as DevicesTest from "../src/testing/DevicesTest.ts"
import * as SampleDevice from "../src/testing/SampleDevice.ts"

const options = { allowPrivate: false, devices: DevicesTest.bounds, rails: DevicesTest.rails }
DevicesTest.suite("memory", Devices.layerMemory(options))
DevicesTest.suite("SQL", DevicesSql.layer(options).pipe(Layer.provide(TestDatabase.layer)))

type Service = Devices.Devices["Service"]
const broken = (change: (devices: Service) => Partial<Service>, base = options) =>
  Layer.effect(
    Devices.Devices,
    Effect.map(Devices.Devices, (devices) => Devices.Devices.of({ ...devices, ...change(devices) })),
  ).pipe(Layer.provide(Devices.layerMemory(base)))

const anyone = SampleDevice.member()
const someone = DeviceId.make(`dev_${"0".repeat(32)}`)
const trusting = broken(() => ({ authenticate: () => Effect.succeed(someone) }))
DevicesTest.breaks("every message is from someone else", trusting, 1)
DevicesTest.breaks("signatures are not looked at", trusting, 2)
DevicesTest.breaks("clocks are not looked at", trusting, 3)
DevicesTest.breaks("sequences are not looked at", trusting, 4)
DevicesTest.breaks(
  "an instance gets a new id every time",
  broken((devices) => {
    let made = 0
    return {
      register: (registration) =>
        Effect.map(devices.register(registration), ({ device, instance }) => ({
          device,
          instance: { ...instance, id: InstanceId.make(`ins_${made++}`) },
        })),
    }
  }),
  5,
)
DevicesTest.breaks(
  "a device goes to whoever asks",
  broken((devices) => {
    let owner = SampleDevice.member()
    return {
      register: Effect.fnUntraced(function* (registration) {
        const first = yield* Effect.option(devices.register(registration))
        if (Option.isSome(first)) owner = registration.memberId
        return Option.isSome(first) ? first.value : yield* devices.register({ ...registration, memberId: owner })
      }),
    }
  }),
  6,
)
DevicesTest.breaks(
  "maintenance is noted, and nothing else",
  broken((devices) => ({
    maintain: (owned, window) =>
      Effect.map(
        devices.maintain(owned, window === undefined ? undefined : { ...window, fromMs: window.toMs - 1 }),
        (all) => all.map((instance) => ({ ...instance, ...(window === undefined ? {} : { maintenance: window }) })),
      ),
  })),
  23,
)
DevicesTest.breaks(
  "private endpoints are taken",
  broken(() => ({}), { ...options, allowPrivate: true }),
  7,
)
DevicesTest.breaks(
  "beats are not noted",
  broken(() => ({ beat: () => Effect.void })),
  8,
)
DevicesTest.breaks(
  "a beat sets the state of any instance",
  broken((devices) => ({
    beat: (_, instances) =>
      Effect.forEach(instances, ({ id, state }) => devices.setState(id, state === "serving" ? "online" : "draining"), {
        discard: true,
      }),
  })),
  9,
)
DevicesTest.breaks(
  "leaving is not told",
  broken((devices) => ({
    changes: (after) =>
      Effect.map(devices.changes(after), ({ version, events }) => ({
        version,
        events: events.filter((event) => event._tag !== "InstanceUnlisted"),
      })),
  })),
  10,
)
DevicesTest.breaks(
  "a version is told before its changes can be read",
  Layer.effect(
    Devices.Devices,
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const told = yield* Ref.make(0)
      return Devices.Devices.of({
        ...devices,
        changes: Effect.fnUntraced(function* (after) {
          const next = yield* devices.changes(after)
          const lost = (yield* Ref.getAndUpdate(told, (count) => count + 1)) > 0
          return lost ? { ...next, events: next.events.slice(1) } : next
        }),
      })
    }),
  ).pipe(Layer.provide(Devices.layerMemory(options))),
  11,
)
DevicesTest.breaks(
  "anyone takes an instance off the market",
  broken((devices) => ({
    deregister: Effect.fnUntraced(function* (id) {
      const listed = (yield* devices.instances).find(({ instance }) => instance.id === id)
      if (listed !== undefined) yield* devices.deregister(id, listed.instance.memberId)
    }),
  })),
  12,
)
DevicesTest.breaks(
  "a revoked device goes on",
  broken((devices) => ({
    revoke: (id) =>
      Effect.map(devices.instances, (listed) => ({
        id,
        memberId: SampleDevice.member(),
        publicKey: listed[0]?.instance.devicePublicKey ?? SampleDevice.make().publicKey,
        state: "revoked",
        facts: {},
        sequence: 0,
        lastSeenAtMs: 0,
        status: null,
      })),
  })),
  13,
)

DevicesTest.breaks(
  "what is declared is lost",
  broken((devices) => ({
    register: ({ reach, publicKey, memberId, model, price, contextLength, concurrency }) =>
      devices.register({ reach, publicKey, memberId, model, price, contextLength, concurrency }),
  })),
  14,
)
DevicesTest.breaks(
  "a name is anyone's",
  broken((devices) => ({
    register: ({ provider, ...registration }) =>
      Effect.map(devices.register(registration), ({ device, instance }) => ({
        device,
        instance: { ...instance, ...(provider === undefined ? {} : { provider }) },
      })),
  })),
  15,
)
DevicesTest.breaks(
  "a member lists what it likes",
  broken(() => ({}), { ...options, devices: { perMember: 1_000, modelsEach: 3 } }),
  16,
)
DevicesTest.breaks(
  "any nonce will do",
  broken((devices) => ({ takeNonce: (id) => devices.giveNonce(id) })),
  17,
)
DevicesTest.breaks(
  "a device goes to the first who registers it",
  broken((devices) => ({
    adopt: ({ facts, memberId, publicKey }) =>
      Effect.succeed({
        id: someone,
        memberId,
        publicKey,
        state: "active",
        facts,
        sequence: 0,
        lastSeenAtMs: 0,
        status: null,
      }),
    find: () => devices.find(someone),
  })),
  18,
)
DevicesTest.breaks(
  "a former key goes on",
  broken((devices) => ({
    replaceKey: ({ id }) => Effect.flatMap(devices.find(id), (device) => Effect.orDie(Effect.fromNullishOr(device))),
  })),
  19,
)
DevicesTest.breaks(
  "anyone revokes a device",
  broken((devices) => ({ revoke: (id) => devices.revoke(id) })),
  20,
)
DevicesTest.breaks(
  "a silent instance leaves although it has beaten since",
  broken((devices) => ({ drop: (id) => devices.drop(id, Number.MAX_SAFE_INTEGER) })),
  21,
)
DevicesTest.breaks(
  "a name is one device's, whose member it may be",
  broken((devices) => ({
    register: (registration) =>
      registration.keyless === undefined
        ? devices.register(registration)
        : devices.register({ ...registration, memberId: anyone }),
  })),
  22,
)
DevicesTest.breaks(
  "a rail that is turned off stays on",
  broken(() => ({ setRails: () => Effect.void })),
  24,
)
DevicesTest.breaks(
  "a wallet is taken for granted",
  broken(() => ({}), { ...options, rails: DevicesTest.rails.map(({ name }) => ({ name })) }),
  25,
)

describe("DevicesSql", () => {
  it.effect("replicas that change instances at once tell them in the order of their versions", () =>
    Effect.gen(function* () {
      const [one, other] = [yield* DevicesSql.make(options), yield* DevicesSql.make(options)]
      const made = yield* Effect.forEach(Array.from({ length: 8 }), () =>
        one.register(SampleDevice.make().registration()),
      )
      const seen: Array<string> = []
      let at = (yield* one.changes(0)).version
      const start = at
      const follow = Effect.gen(function* () {
        const next = yield* other.changes(at)
        at = next.version
        for (const event of next.events) if (event._tag === "StateChanged") seen.push(event.instanceId)
      })
      yield* Effect.all(
        [
          Effect.forEach(
            made,
            ({ instance }, place) => (place % 2 === 0 ? one : other).setState(instance.id, "offline"),
            { concurrency: "unbounded" },
          ),
          Effect.repeat(follow, { times: 10 }),
        ],
        { concurrency: "unbounded" },
      )
      yield* follow
      assert.strictEqual(at, start + made.length)
      assert.deepStrictEqual(seen.toSorted(), made.map(({ instance }) => instance.id as string).toSorted())
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("a change that failed leaves nothing behind", () =>
    Effect.gen(function* () {
      const devices = yield* DevicesSql.make(options)
      const sql = yield* SqlClient.SqlClient
      const device = SampleDevice.make()
      yield* sql`ALTER TABLE registry_version ADD CONSTRAINT never CHECK (version < 1)`
      const error = yield* Effect.flip(devices.register(device.registration()))
      assert.strictEqual(error.code, "service_unavailable")
      assert.deepStrictEqual(yield* devices.instances, [])
      yield* sql`ALTER TABLE registry_version DROP CONSTRAINT never`
      yield* devices.register(device.registration())
      assert.strictEqual((yield* devices.changes(0)).version, 1)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("what unregistered keys leave behind is cleared away, registered devices keep their sequence", () =>
    Effect.gen(function* () {
      const devices = yield* DevicesSql.make(options)
      const sql = yield* SqlClient.SqlClient
      const [known, stranger] = [SampleDevice.make(), SampleDevice.make()]
      yield* devices.register(known.registration())
      yield* devices.authenticate(known.sign({ sequence: 7 }))
      yield* devices.authenticate(stranger.sign({ sequence: 7 }))
      yield* sql`UPDATE registry_sequences SET seen_at_ms = -1000000`
      const later = yield* DevicesSql.make(options)
      yield* TestClock.setTime(500_000)
      yield* later.authenticate(SampleDevice.make().sign({ issuedAtMs: 500_000 }))
      const rows = yield* sql`SELECT 1 FROM registry_sequences`
      assert.lengthOf(rows, 2)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )
})
