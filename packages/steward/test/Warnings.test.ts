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

/** Lets time pass as it does for the loop, which looks at least once in an interval. */
const rounds = Effect.fnUntraced(function* <E, R>(look: Effect.Effect<unknown, E, R>, seconds: number) {
  for (let left = seconds; left > 0; left -= 60) {
    yield* TestClock.adjust(Math.min(60, left) * 1_000)
    yield* look
  }
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

describe("a member with more silent instances than warnings that wait", () => {
  it.effect("hears of those that leave first, once", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const member = SampleDevice.member()
      const { instance } = yield* devices.register(SampleDevice.make(member).registration())
      const register = Effect.suspend(() => devices.register(SampleDevice.make(member).registration()))
      yield* TestClock.adjust("1 second")
      yield* Effect.replicateEffect(register, Notifier.KEPT_MAX / 2, { discard: true })
      yield* TestClock.adjust("25 hours")
      const notifier = yield* Notifier.Notifier
      const made: Array<string> = []
      const counting = Notifier.Notifier.of({
        ...notifier,
        warn: (warning) => Effect.tap(notifier.warn(warning), ({ id }) => Effect.sync(() => made.push(id))),
      })
      const round = Effect.provideService(Silence.round(7 * DAY_MS), Notifier.Notifier, counting)
      yield* Effect.andThen(round, round)
      assert.strictEqual(new Set(made).size, Notifier.WAITING_MAX)
      assert.strictEqual((yield* notifier.find(`silent:${instance.id}:0`))?.subject, instance.id)
    }).pipe(Effect.provide(Stores)),
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

  it.effect("is nobody's failed check: who is back in time, with its tunnel or at a new address, is not warned", () => {
    const transport = ScriptedTransport.make()
    return Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const [back, gone] = [SampleDevice.member(), SampleDevice.member()]
      const beats = yield* Effect.forEach([back, gone], (member) =>
        Effect.map(devices.register(SampleDevice.make(member).registration()), ({ device, instance }) => {
          transport.behaviours.set(instance.id, "unreachable")
          return devices.beat(device.id, [{ id: instance.id, state: "serving" }])
        }),
      )
      const { checkDue, judgeAll } = yield* Liveness.make(heartbeat)
      const look = Effect.andThen(checkDue, judgeAll)
      yield* look
      const [first] = yield* devices.instances
      assert.strictEqual(first?.instance.state, "offline")
      for (const { instance } of yield* devices.instances) {
        if (instance.memberId === back) transport.behaviours.delete(instance.id)
      }
      yield* TestClock.adjust("60 seconds")
      yield* Effect.all([...beats, look])
      assert.deepStrictEqual([...(yield* warned(back)), ...(yield* warned(gone))], [])
      yield* rounds(Effect.all([...beats, look]), 61)
      assert.lengthOf(yield* warned(back), 0)
      assert.include((yield* warned(gone))[0]?.detail, "did not pass the last health check")
    }).pipe(Effect.provide(Layer.merge(Stores, transport.layer)))
  })

  it.effect("hides no silence that goes on", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const member = SampleDevice.member()
      yield* devices.register(SampleDevice.make(member).registration())
      yield* TestClock.adjust("1 hour")
      const { judgeAll } = yield* Liveness.make(heartbeat)
      yield* judgeAll
      assert.lengthOf(yield* warned(member), 0)
      yield* rounds(judgeAll, 121)
      assert.lengthOf(yield* warned(member), 1)
    }).pipe(Effect.provide(Layer.merge(Stores, ScriptedTransport.make().layer))),
  )
})

describe("an instance that is taken out of routing", () => {
  it.effect("is not warned of where it drained and left", () => {
    const transport = ScriptedTransport.make()
    return Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const member = SampleDevice.member()
      const { device, instance } = yield* devices.register(SampleDevice.make(member).registration())
      const { checkDue, judgeAll } = yield* Liveness.make(heartbeat)
      yield* TestClock.adjust("121 seconds")
      yield* devices.beat(device.id, [{ id: instance.id, state: "draining" }])
      yield* Effect.andThen(checkDue, judgeAll)
      transport.behaviours.set(instance.id, "unreachable")
      for (let round = 0; round < 5; round++) {
        yield* TestClock.adjust("31 seconds")
        yield* Effect.andThen(checkDue, judgeAll)
      }
      assert.strictEqual((yield* devices.instances)[0]?.instance.state, "offline")
      assert.deepStrictEqual(yield* warned(member), [])
    }).pipe(Effect.provide(Layer.merge(Stores, transport.layer)))
  })

  it.effect("is warned of with why, once an hour at most, and grace counts from when it came", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const notifier = yield* Notifier.Notifier
      const member = SampleDevice.member()
      const { device, instance } = yield* devices.register(SampleDevice.make(member).registration())
      const { judgeAll } = yield* Liveness.make(heartbeat)
      const fall = rounds(judgeAll, 121)
      const rise = Effect.andThen(devices.beat(device.id, [{ id: instance.id, state: "serving" }]), judgeAll)
      yield* fall
      const [first] = yield* warned(member)
      assert.deepInclude(first, { topic: "offline", code: "offline", subject: instance.id })
      assert.include(first?.detail, "121 s ago")
      for (let at = 0; at < 5; at++) yield* Effect.andThen(rise, fall)
      assert.lengthOf(yield* warned(member), 1)
      yield* rounds(rise, 3_600)
      yield* fall
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
