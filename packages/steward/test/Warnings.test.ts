/**
 * What the loops warn of: each thing once, with what to do about it, and nothing that is taken waits for less than its grace.
 */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import * as Warning from "@guildhall/core/rules/Warning"
import { Journal } from "@guildhall/journal"
import { Devices, Notifier } from "@guildhall/registry"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as Liveness from "../src/Liveness.ts"
import * as Silence from "../src/Silence.ts"
import * as ScriptedTransport from "./ScriptedTransport.ts"

const DAY_MS = 86_400_000
const heartbeat = { intervalMs: 60_000, missesMax: 2, checkMs: 60_000 }
const Stores = Notifier.layerMemory.pipe(
  Layer.provideMerge(Layer.merge(Devices.layerMemory({ allowPrivate: false }), Journal.layerMemory)),
  Layer.provideMerge(Logger.layer([])),
)

const warned = Effect.fnUntraced(function* (member: Notifier.NewWarning["memberId"]) {
  const notifier = yield* Notifier.Notifier
  return (yield* notifier.list(member)).toReversed()
})

describe("S9 · a silence that is about to end a listing", () => {
  it.effect("is warned of once, after a day, with when the instance leaves", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const member = SampleDevice.member()
      const { device, instance } = yield* devices.register(SampleDevice.make(member).registration())
      const beatAtMs = yield* Clock.currentTimeMillis
      yield* Layer.build(Silence.layer({ heartbeat }))
      yield* TestClock.adjust("23 hours")
      assert.lengthOf(yield* warned(member), 0)
      yield* TestClock.adjust("2 days")
      const [first, ...others] = yield* warned(member)
      assert.lengthOf(others, 0)
      assert.deepInclude(first, {
        topic: "silent",
        code: "offline",
        subject: instance.id,
        deadlineMs: beatAtMs + 7 * DAY_MS,
        delivery: null,
      })
      assert.include(first?.detail, "1970-01-08 00:00 UTC")
      // Nothing may be taken for it: it has not come.
      const nowMs = yield* Clock.currentTimeMillis
      assert.isFalse(Warning.mayPenalise(first?.delivery ?? undefined, 0, nowMs))
      yield* devices.beat(device.id, [{ id: instance.id, state: "serving" }])
      yield* TestClock.adjust("2 days")
      assert.lengthOf(yield* warned(member), 2)
    }).pipe(Effect.provide(Stores), Effect.scoped),
  )
})

describe("an outage of the market", () => {
  it.effect("is nobody's silence: who beats again in time is not warned, and leaves no market", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const [back, gone] = [SampleDevice.member(), SampleDevice.member()]
      const { device, instance } = yield* devices.register(SampleDevice.make(back).registration())
      yield* devices.register(SampleDevice.make(gone).registration())
      yield* TestClock.adjust("8 days")
      yield* Layer.build(Silence.layer({ heartbeat }))
      const { judgeAll } = yield* Liveness.make(heartbeat)
      yield* judgeAll
      yield* TestClock.adjust("1 minute")
      yield* devices.beat(device.id, [{ id: instance.id, state: "serving" }])
      yield* judgeAll
      assert.lengthOf(yield* devices.instances, 2)
      assert.lengthOf(yield* warned(gone), 0)
      yield* TestClock.adjust("1 minute")
      yield* devices.beat(device.id, [{ id: instance.id, state: "serving" }])
      yield* TestClock.adjust("1 minute")
      yield* judgeAll
      assert.lengthOf(yield* warned(back), 0)
      assert.deepStrictEqual(
        (yield* devices.instances).map((one) => one.instance.id),
        [instance.id],
      )
    }).pipe(Effect.provide(Layer.merge(Stores, ScriptedTransport.make().layer)), Effect.scoped),
  )

  it.effect("hides no silence that goes on", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const member = SampleDevice.member()
      yield* devices.register(SampleDevice.make(member).registration())
      yield* TestClock.adjust("1 hour")
      const { judgeAll } = yield* Liveness.make(heartbeat)
      yield* judgeAll
      assert.lengthOf(yield* warned(member), 0)
      yield* TestClock.adjust("121 seconds")
      yield* Effect.andThen(judgeAll, judgeAll)
      assert.lengthOf(yield* warned(member), 1)
    }).pipe(Effect.provide(Layer.merge(Stores, ScriptedTransport.make().layer))),
  )
})

describe("an instance that is taken out of routing", () => {
  it.effect("is warned of with why, once an hour at most, and grace counts from when it came", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const notifier = yield* Notifier.Notifier
      const member = SampleDevice.member()
      const { device, instance } = yield* devices.register(SampleDevice.make(member).registration())
      const { judgeAll } = yield* Liveness.make(heartbeat)
      const fall = Effect.andThen(TestClock.adjust("121 seconds"), judgeAll)
      const rise = Effect.andThen(devices.beat(device.id, [{ id: instance.id, state: "serving" }]), judgeAll)
      yield* fall
      const [first] = yield* warned(member)
      assert.deepInclude(first, { topic: "offline", code: "offline", subject: instance.id })
      assert.include(first?.detail, "121 s ago")
      for (let at = 0; at < 5; at++) yield* Effect.andThen(rise, fall)
      assert.lengthOf(yield* warned(member), 1)
      yield* rise
      yield* TestClock.adjust("1 hour")
      yield* judgeAll
      assert.lengthOf(yield* warned(member), 2)
      const graceMs = 3_600_000
      const may = Effect.gen(function* () {
        const [found] = yield* warned(member)
        return Warning.mayPenalise(found?.delivery ?? undefined, graceMs, yield* Clock.currentTimeMillis)
      })
      yield* TestClock.adjust("30 days")
      assert.isFalse(yield* may)
      yield* notifier.beat({ device: device.id, given: undefined, next: "n1" })
      yield* notifier.beat({ device: device.id, given: "n1", next: "n2" })
      yield* TestClock.adjust(graceMs - 1)
      assert.isFalse(yield* may)
      yield* TestClock.adjust(1)
      assert.isTrue(yield* may)
    }).pipe(Effect.provide(Layer.merge(Stores, ScriptedTransport.make().layer))),
  )
})
