import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import type { Instance } from "@guildhall/core"
import * as Devices from "../src/Devices.ts"
import * as DevicesSql from "../src/DevicesSql.ts"
import * as EntryRecord from "../src/EntryRecord.ts"
import * as EntryRecordSql from "../src/EntryRecordSql.ts"
import * as EntrySubject from "../src/EntrySubject.ts"
import * as EntryRecordTest from "../src/testing/EntryRecordTest.ts"
import * as SampleDevice from "../src/testing/SampleDevice.ts"

EntryRecordTest.suite("memory", EntryRecord.layerMemory)
EntryRecordTest.suite("SQL", EntryRecordSql.layer.pipe(Layer.provide(TestDatabase.layer)))

type Record = EntryRecord.EntryRecord["Service"]
const broken = (change: (record: Record) => Partial<Record>) =>
  Layer.effect(
    EntryRecord.EntryRecord,
    Effect.map(EntryRecord.EntryRecord, (record) => EntryRecord.EntryRecord.of({ ...record, ...change(record) })),
  ).pipe(Layer.provide(EntryRecord.layerMemory))

EntryRecordTest.breaks(
  "whoever asks again begins anew",
  broken(({ ask, forget }) => ({
    ask: (asked) => Effect.andThen(forget(asked.map(({ instanceId }) => instanceId)), ask(asked)),
  })),
  1,
)
EntryRecordTest.breaks(
  "a lease is over at once",
  broken(({ take }) => ({ take: (options) => take({ ...options, leaseMs: 0 }) })),
  2,
)
EntryRecordTest.breaks(
  "steps are lost",
  broken(({ note }) => ({ note: (held) => note({ ...held, steps: [] }) })),
  3,
)
EntryRecordTest.breaks(
  "everybody may note",
  broken(() => ({ note: () => Effect.succeed(true) })),
  4,
)
EntryRecordTest.breaks(
  "failures are not counted",
  broken(({ conclude }) => ({ conclude: (held) => conclude({ ...held, hasFailed: false }) })),
  5,
)
EntryRecordTest.breaks(
  "nothing is forgotten",
  broken(() => ({ forget: () => Effect.void })),
  6,
)

const options = { allowPrivate: false, asksEntry: true }

/** What a reader that follows the changes knows of an instance's state. */
const stateOf = (id: Instance.InstanceId) =>
  Devices.Devices.use((devices) =>
    Effect.map(devices.changes(0), ({ events }) => {
      const found = events.flatMap((event) =>
        event._tag === "InstanceListed" && event.instance.id === id ? [event.instance.state] : [],
      )
      return found.at(-1)
    }),
  )

for (const [name, layer] of [
  ["memory", Devices.layerMemory(options)],
  ["SQL", DevicesSql.layer(options).pipe(Layer.provide(TestDatabase.layer))],
] as const) {
  describe(`an instance of a market that asks for checks (${name})`, () => {
    it.effect("is told as not verified until it passed, and again once what was checked has changed", () =>
      Effect.gen(function* () {
        const devices = yield* Devices.Devices
        const device = SampleDevice.make()
        const { instance } = yield* devices.register(device.registration())
        const { id } = instance
        const subject = EntrySubject.digest(instance)
        assert.strictEqual(yield* stateOf(id), "not_verified")
        yield* devices.setEntry(id, "passed", "of something else")
        assert.strictEqual(yield* stateOf(id), "not_verified")
        const { version } = yield* devices.changes(0)
        yield* devices.setEntry(id, "passed", subject)
        assert.strictEqual(yield* stateOf(id), "online")
        assert.deepStrictEqual((yield* devices.changes(version)).events, [
          { _tag: "StateChanged", instanceId: id, state: "online" },
        ])
        yield* devices.setState(id, "offline")
        assert.strictEqual(yield* stateOf(id), "offline")
        yield* devices.setState(id, "online")
        yield* devices.register(device.registration())
        assert.strictEqual(yield* stateOf(id), "online")
        const other = yield* devices.register(device.registration({ contextLength: 999 }))
        assert.strictEqual(yield* stateOf(id), "not_verified")
        yield* devices.setEntry(id, "passed", EntrySubject.digest(other.instance))
        yield* devices.deregister(id, instance.memberId)
        yield* devices.register(device.registration({ contextLength: 999 }))
        assert.strictEqual(yield* stateOf(id), "not_verified")
        yield* devices.beat(instance.deviceId, [{ id, state: "draining" }])
        assert.strictEqual(yield* stateOf(id), "draining")
      }).pipe(Effect.provide(layer)),
    )
  })
}
