import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { Journal, type JournalEntry } from "@guildhall/journal"
import { Devices } from "@guildhall/registry"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as Silence from "../src/Silence.ts"

const noted: Array<JournalEntry.JournalEntry> = []
const noting = Layer.effect(
  Journal.Journal,
  Effect.map(Journal.Journal, (journal) =>
    Journal.Journal.of({
      ...journal,
      append: (entries, position) =>
        Effect.andThen(
          Effect.sync(() => noted.push(...entries)),
          journal.append(entries, position),
        ),
    }),
  ),
).pipe(Layer.provide(Journal.layerMemory))

const heartbeat = { intervalMs: 60_000, missesMax: 2, checkMs: 60_000 }
const market = (more: { readonly deregisterAfterMs?: number } = {}) =>
  Silence.layer({ heartbeat: { ...heartbeat, ...more } }).pipe(
    Layer.provideMerge(Layer.merge(Devices.layerMemory({ allowPrivate: false }), noting)),
    Layer.provide(Logger.layer([])),
  )

const listed = Effect.gen(function* () {
  const devices = yield* Devices.Devices
  return (yield* devices.instances).map(({ instance }) => instance.id)
})

describe("S9 · silence", () => {
  it.effect("an instance leaves the market seven days after its last beat, once, and comes back by registering", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const [quiet, alive] = [SampleDevice.make(), SampleDevice.make()]
      const gone = yield* devices.register(quiet.registration())
      const here = yield* devices.register(alive.registration())
      yield* TestClock.adjust("1 hour")
      yield* devices.beat(gone.device.id, [{ id: gone.instance.id, state: "serving" }])
      yield* TestClock.adjust("6 days")
      yield* devices.beat(here.device.id, [{ id: here.instance.id, state: "serving" }])
      yield* TestClock.adjust("1 day")
      assert.sameMembers(yield* listed, [gone.instance.id, here.instance.id])
      const { version } = yield* devices.changes(0)
      yield* TestClock.adjust("2 minutes")
      assert.deepStrictEqual(yield* listed, [here.instance.id])
      assert.deepStrictEqual((yield* devices.changes(version)).events, [
        { _tag: "InstanceUnlisted", instanceId: gone.instance.id },
      ])
      assert.lengthOf(noted, 1)
      assert.deepInclude(noted[0], { actor: Silence.MARKET, act: "instance.deregistered", subject: gone.instance.id })
      yield* TestClock.adjust("1 hour")
      yield* devices.register(quiet.registration())
      yield* TestClock.adjust("2 minutes")
      assert.sameMembers(yield* listed, [gone.instance.id, here.instance.id])
    }).pipe(Effect.provide(market())),
  )

  it.effect(
    "an instance that beats again before the seven days are over is simply back, and its silence begins anew",
    () =>
      Effect.gen(function* () {
        const devices = yield* Devices.Devices
        const { device, instance } = yield* devices.register(SampleDevice.make().registration())
        const beat = devices.beat(device.id, [{ id: instance.id, state: "serving" }])
        noted.length = 0
        yield* TestClock.adjust("6 days")
        yield* TestClock.adjust("23 hours")
        yield* devices.setState(instance.id, "offline")
        yield* beat
        const [back] = yield* devices.instances
        assert.strictEqual(back?.instance.state, "online")
        assert.strictEqual(back?.registeredAtMs, 0)
        yield* TestClock.adjust("6 days")
        yield* TestClock.adjust("23 hours")
        assert.deepStrictEqual(yield* listed, [instance.id])
        assert.deepStrictEqual(noted, [])
        yield* TestClock.adjust("2 hours")
        assert.deepStrictEqual(yield* listed, [])
        assert.lengthOf(noted, 1)
      }).pipe(Effect.provide(market())),
  )

  it.effect("a market may wait for less, and what nobody signs for is not silent", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const { publicKey: _, ...keyless } = SampleDevice.make().registration()
      const called = yield* devices.register({ ...keyless, keyless: "an account" })
      yield* devices.register(SampleDevice.make().registration())
      yield* TestClock.adjust("6 minutes")
      assert.deepStrictEqual(yield* listed, [called.instance.id])
    }).pipe(Effect.provide(market({ deregisterAfterMs: 300_000 }))),
  )
})
