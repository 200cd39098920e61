import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, Ref } from "effect"
import { TestClock } from "effect/testing"
import type { Settings } from "@guildhall/core/EntryVerification"
import { InstanceId } from "@guildhall/core/Instance"
import { Journal } from "@guildhall/journal"
import { Changes, Devices, EntryRecord, Notifier } from "@guildhall/registry"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import { Router } from "@guildhall/routing"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import { type Answer, EndpointProbe } from "@guildhall/verification/endpoint/EndpointProbe"
import * as DirectoryFeed from "../src/DirectoryFeed.ts"
import * as Entry from "../src/Entry.ts"
import * as EntrySchedule from "../src/EntrySchedule.ts"

const DAY_MS = 86_400_000
const MINUTE_MS = 60_000
const settings: Settings = { checks: ["reach"], recheckMs: MINUTE_MS, promptTokensMax: 1_024, parallelMax: 4 }

describe("the schedule", () => {
  const instanceId = InstanceId.make("ins_1")
  const ended = (state: "passed" | "failed", isRetryable: boolean, attempt = 0, wasPassed = false, run = 1) => ({
    instanceId,
    run,
    attempt,
    wasPassed,
    conclusion: { state, isRetryable },
  })
  const at = (one: EntrySchedule.Ended, seed = "seed") => EntrySchedule.next(one, { seed, recheckMs: DAY_MS })

  it("looks again at what passed after half of the mean to one and a half, by a seed", () => {
    const times = Array.from({ length: 200 }, (_, run) => at(ended("passed", true, 0, true, run)).nextMs)
    assert.isTrue(times.every((ms) => ms >= DAY_MS / 2 && ms < 1.5 * DAY_MS))
    assert.isAbove(Math.max(...times) - Math.min(...times), 0.9 * DAY_MS)
    assert.strictEqual(at(ended("passed", true)).nextMs, at(ended("passed", true)).nextMs)
    assert.notStrictEqual(at(ended("passed", true)).nextMs, at(ended("passed", true), "other").nextMs)
  })

  it("waits twice as long after each failure, up to an hour, and longer for what does not go away by itself", () => {
    const waits = (isRetryable: boolean) =>
      [0, 1, 2, 3, 40].map((attempt) => at(ended("failed", isRetryable, attempt)).nextMs)
    assert.deepStrictEqual(waits(true), [5_000, 10_000, 20_000, 40_000, 3_600_000])
    assert.deepStrictEqual(waits(false), [60_000, 120_000, 240_000, 480_000, 3_600_000])
  })

  it("doubts twice before it takes out one that had passed, but not where that cannot go away", () => {
    const states = [0, 1, 2].map((attempt) => at(ended("failed", true, attempt, true)).state)
    assert.deepStrictEqual(states, ["passed", "passed", "failed"])
    assert.strictEqual(at(ended("failed", false, 0, true)).state, "failed")
    assert.strictEqual(at(ended("failed", true, 0, false)).state, "failed")
  })
})

const healthy: Answer = { _tag: "Complete", status: 200, headers: {}, body: new Uint8Array(), pieces: [], tookMs: 1 }
const away: Answer = { _tag: "Broken", reason: "Unreachable", detail: "connection refused", tookMs: 1 }

/** A market whose endpoints answer as a test says; the loops run as in a gateway. */
const market = Effect.gen(function* () {
  const answer = yield* Ref.make<Effect.Effect<Answer>>(Effect.succeed(healthy))
  const asked = yield* Ref.make(0)
  const probe = Layer.succeed(EndpointProbe, {
    look: () => Effect.succeed({ _tag: "None" as const, why: "" }),
    ask: () =>
      Effect.andThen(
        Ref.update(asked, (n) => n + 1),
        Effect.flatten(Ref.get(answer)),
      ),
  })
  const loops = (owner: string) =>
    Entry.layer({ settings, owner, seed: "seed" }).pipe(Layer.provide(probe), Layer.provide(Logger.layer([])))
  const devices = yield* Devices.Devices
  const router = yield* Router.Router
  const { instance } = yield* devices.register(SampleDevice.make().registration())
  const state = Effect.sync(() => router.instances().find(({ id }) => id === instance.id)?.state)
  return { answer, asked, loops, devices, instance, state }
})

const services = Layer.mergeAll(DirectoryFeed.layer(), Notifier.layerMemory).pipe(
  Layer.provideMerge(
    Layer.mergeAll(
      Devices.layerMemory({ allowPrivate: false, asksEntry: true }),
      EntryRecord.layerMemory,
      Changes.layerNone,
      Router.layer({ replica: "test", policy: leastLoaded }).pipe(Layer.provideMerge(Journal.layerMemory)),
    ),
  ),
)

describe("the loop", () => {
  it.effect("lets an instance in once it passed, and looks again at a time that nobody can foretell", () =>
    Effect.gen(function* () {
      const { asked, loops, state } = yield* market
      yield* TestClock.adjust(1_500)
      assert.strictEqual(yield* state, "not_verified")
      yield* Layer.build(loops("one"))
      yield* TestClock.adjust(3_000)
      assert.strictEqual(yield* state, "online")
      assert.strictEqual(yield* Ref.get(asked), 1)
      yield* TestClock.adjust(MINUTE_MS / 2 - 5_000)
      assert.strictEqual(yield* Ref.get(asked), 1)
      yield* TestClock.adjust(MINUTE_MS + 10_000)
      assert.isAtLeast(yield* Ref.get(asked), 2)
    }).pipe(Effect.provide(services), Effect.scoped),
  )

  it.effect("keeps one out that fails, tries again, and lets it in once it is mended", () =>
    Effect.gen(function* () {
      const { answer, instance, loops, state } = yield* market
      const record = yield* EntryRecord.EntryRecord
      yield* Ref.set(answer, Effect.succeed(away))
      yield* Layer.build(loops("one"))
      yield* TestClock.adjust(30_000)
      assert.strictEqual(yield* state, "not_verified")
      const found = yield* record.find(instance.id)
      assert.strictEqual(found?.state, "failed")
      assert.strictEqual(found?.outcomes[0]?.code, "entry_unreachable")
      assert.isAtLeast(found?.attempt ?? 0, 2)
      // It failed again and again, and its member is warned of that once.
      const notifier = yield* Notifier.Notifier
      const [warning, ...others] = yield* notifier.list(instance.memberId)
      assert.lengthOf(others, 0)
      assert.deepInclude(warning, { topic: "entry_failed", code: "entry_unreachable", subject: instance.id })
      assert.include(warning?.detail, "`reach`")
      yield* Ref.set(answer, Effect.succeed(healthy))
      yield* TestClock.adjust(120_000)
      assert.strictEqual(yield* state, "online")
    }).pipe(Effect.provide(services), Effect.scoped),
  )

  it.effect(
    "checks an instance once at a time, although two gateways look, and one that hangs keeps no other waiting",
    () =>
      Effect.gen(function* () {
        const { answer, asked, devices, loops, state } = yield* market
        yield* Ref.set(answer, Effect.never)
        yield* Layer.build(loops("one"))
        yield* Layer.build(loops("two"))
        yield* TestClock.adjust(20_000)
        assert.strictEqual(yield* Ref.get(asked), 1)
        assert.strictEqual(yield* state, "not_verified")
        yield* Ref.set(answer, Effect.succeed(healthy))
        const other = yield* devices.register(SampleDevice.make().registration())
        const router = yield* Router.Router
        yield* TestClock.adjust(10_000)
        assert.strictEqual(router.instances().find(({ id }) => id === other.instance.id)?.state, "online")
      }).pipe(Effect.provide(services), Effect.scoped),
  )

  it.effect("takes a run on where the process that made it is gone", () =>
    Effect.gen(function* () {
      const { answer, asked, loops, state } = yield* market
      yield* Ref.set(answer, Effect.never)
      yield* Effect.scoped(Effect.andThen(Layer.build(loops("dead")), TestClock.adjust(5_000)))
      assert.strictEqual(yield* Ref.get(asked), 1)
      yield* Ref.set(answer, Effect.succeed(healthy))
      yield* Layer.build(loops("next"))
      yield* TestClock.adjust(5_000)
      assert.strictEqual(yield* state, "not_verified")
      yield* TestClock.adjust(20_000)
      assert.strictEqual(yield* state, "online")
      assert.strictEqual(yield* Ref.get(asked), 2)
    }).pipe(Effect.provide(services), Effect.scoped),
  )

  it.effect("forgets one that left", () =>
    Effect.gen(function* () {
      const { devices, instance, loops } = yield* market
      const record = yield* EntryRecord.EntryRecord
      yield* Layer.build(loops("one"))
      yield* TestClock.adjust(5_000)
      assert.isDefined(yield* record.find(instance.id))
      yield* devices.deregister(instance.id, instance.memberId)
      yield* TestClock.adjust(5_000)
      assert.isUndefined(yield* record.find(instance.id))
    }).pipe(Effect.provide(services), Effect.scoped),
  )
})
