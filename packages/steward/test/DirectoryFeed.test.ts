import { createHash } from "node:crypto"
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Layer, Logger, Queue } from "effect"
import { Digest } from "effect/crypto"
import { TestClock } from "effect/testing"
import { Journal } from "@guildhall/journal"
import { Devices, Changes } from "@guildhall/registry"
import { RegistryError } from "@guildhall/registry/RegistryError"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import { Router } from "@guildhall/routing"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import * as DirectoryFeed from "../src/DirectoryFeed.ts"

/** WebCrypto answers in real time, which a test's clock does not wait for. */
const sha256 = (data: Uint8Array) => createHash("sha256").update(data)
const digest = Layer.succeed(Digest.Digest, {
  digest: (_, data) => Effect.sync(() => new Uint8Array(sha256(data).digest())),
  digestHex: (_, data) => Effect.sync(() => sha256(data).digest("hex")),
})

const breaker = { failures: 3, withinMs: 60_000, parkMs: 15_000 }
const router = Layer.effect(Router.Router, Router.make({ replica: "test", policy: leastLoaded, health: { breaker } }))
const surroundings = router.pipe(
  Layer.provide(digest),
  Layer.provideMerge(Journal.layerMemory),
  Layer.provideMerge(Devices.layerMemory({ allowPrivate: false })),
  Layer.provideMerge(Changes.layerNone),
)

describe("the feed", () => {
  it.effect("fills the directory before it is ready, and follows every change from then on", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const { instances } = yield* Router.Router
      const member = SampleDevice.member()
      const first = yield* devices.register(SampleDevice.make(member).registration())
      yield* Effect.gen(function* () {
        assert.deepStrictEqual(instances(), [first.instance])
        const second = yield* devices.register(SampleDevice.make().registration())
        yield* devices.setState(first.instance.id, "offline")
        yield* TestClock.adjust(1_000)
        const states = new Map(instances().map((one) => [one.id, one.state]))
        assert.deepStrictEqual(
          states,
          new Map([
            [first.instance.id, "offline"],
            [second.instance.id, "online"],
          ]),
        )
        yield* devices.deregister(first.instance.id, member)
        yield* TestClock.adjust(1_000)
        assert.deepStrictEqual(
          instances().map(({ id }) => id),
          [second.instance.id],
        )
      }).pipe(Effect.provide(DirectoryFeed.layer()))
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("brings a new declaration to the router, which then chooses by it", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const { choose } = yield* Router.Router
      const device = SampleDevice.make()
      const { instance } = yield* devices.register(device.registration({ endpoints: ["embeddings"] }))
      const asked = { model: instance.model, contextTokens: 1, tried: [] } as const
      const deny = { ...asked, endpoint: "rerank", preferences: { denyRetention: true } } as const
      yield* Effect.gen(function* () {
        assert.deepInclude(choose(deny, 0), { _tag: "NoneLeft", reason: "endpoint_not_offered" })
        yield* devices.register(device.registration({ endpoints: ["rerank"] }))
        yield* TestClock.adjust(1_000)
        assert.deepInclude(choose(deny, 0), { _tag: "NoneLeft", reason: "data_retained" })
        yield* devices.register(device.registration({ endpoints: ["rerank"], retainsData: false }))
        yield* TestClock.adjust(1_000)
        assert.strictEqual(choose(deny, 0)._tag, "Chosen")
        yield* devices.register(device.registration())
        yield* TestClock.adjust(1_000)
        assert.deepInclude(choose(deny, 0), { _tag: "NoneLeft", reason: "endpoint_not_offered" })
      }).pipe(Effect.provide(DirectoryFeed.layer()))
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("writes the directory's log as it goes, and its end when it closes", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const journal = yield* Journal.Journal
      const { replica } = yield* Router.Router
      const reached = Effect.map(journal.directory.upTo(replica, 100), (segments) => segments.at(-1)?.toVersion ?? 0)
      yield* Effect.gen(function* () {
        yield* devices.register(SampleDevice.make().registration())
        yield* TestClock.adjust(1_000)
        assert.strictEqual(yield* reached, 1)
        yield* devices.register(SampleDevice.make().registration())
        yield* TestClock.adjust(250)
        assert.strictEqual(yield* reached, 1)
      }).pipe(Effect.provide(DirectoryFeed.layer({ pollMs: 250 })))
      assert.strictEqual(yield* reached, 2)
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("looks as soon as it is told of a change, and ten times a second at most", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const { instances } = yield* Router.Router
      let looks = 0
      const counting = Layer.succeed(
        Devices.Devices,
        Devices.Devices.of({ ...devices, changes: (after) => Effect.suspend(() => (looks++, devices.changes(after))) }),
      )
      const news = yield* Queue.sliding<void>(1)
      const changes = Layer.succeed(Changes.Changes, { changed: Queue.take(news) })
      yield* Effect.gen(function* () {
        yield* TestClock.adjust(100)
        yield* devices.register(SampleDevice.make().registration())
        yield* Queue.offer(news, undefined)
        yield* TestClock.adjust(1)
        assert.lengthOf(instances(), 1)
        looks = 0
        for (let at = 0; at < 1_000; at++) {
          yield* Queue.offer(news, undefined)
          yield* TestClock.adjust(1)
        }
        assert.isAtLeast(looks, 9)
        assert.isAtMost(looks, 10)
      }).pipe(Effect.provide(DirectoryFeed.layer().pipe(Layer.provide([counting, changes]))))
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("T6 · lets time pass over the directory: parked for 15 s, then tried, with one request at a time", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const { apply, choose, observe } = yield* Router.Router
      const { instance } = yield* devices.register(SampleDevice.make().registration())
      const asked = { model: instance.model, contextTokens: 1, tried: [] } as const
      yield* Effect.gen(function* () {
        const atMs = yield* Clock.currentTimeMillis
        for (let at = 0; at < 3; at++) observe({ instanceId: instance.id, kind: "failed", atMs })
        assert.strictEqual(choose(asked, 0)._tag, "NoneLeft")
        yield* TestClock.adjust("14750 millis")
        assert.strictEqual(choose(asked, 0)._tag, "NoneLeft")
        yield* TestClock.adjust("500 millis")
        assert.strictEqual(choose(asked, 0)._tag, "Chosen")
        apply({ _tag: "DispatchStarted", instanceId: instance.id })
        assert.strictEqual(choose(asked, 0)._tag, "NoneLeft")
        observe({ instanceId: instance.id, kind: "succeeded", atMs: atMs + 15_500 })
        assert.strictEqual(choose(asked, 0)._tag, "Chosen")
      }).pipe(Effect.provide(DirectoryFeed.layer()))
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("survives an outage of the registry, and takes in every change once", () =>
    Effect.gen(function* () {
      const devices = yield* Devices.Devices
      const { instances } = yield* Router.Router
      let away = false
      const outage = Layer.succeed(
        Devices.Devices,
        Devices.Devices.of({
          ...devices,
          changes: (after) =>
            away
              ? Effect.fail(new RegistryError({ code: "service_unavailable", detail: "away" }))
              : devices.changes(after),
        }),
      )
      yield* Effect.gen(function* () {
        away = true
        yield* devices.register(SampleDevice.make().registration())
        yield* TestClock.adjust("1 minute")
        assert.strictEqual(instances().length, 0)
        away = false
        yield* TestClock.adjust("11 seconds")
        assert.strictEqual(instances().length, 1)
      }).pipe(Effect.provide(DirectoryFeed.layer().pipe(Layer.provide(outage))), Effect.provide(Logger.layer([])))
    }).pipe(Effect.provide(surroundings)),
  )
})
