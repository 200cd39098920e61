/**
 * Rails from the registry to the router: over PostgreSQL, in real time.
 */
import { assert, it } from "@effect/vitest"
import { Clock, Effect, Layer, Schedule } from "effect"
import { Digest } from "effect/crypto"
import { Journal } from "@guildhall/journal"
import * as PgChanges from "@guildhall/registry/changes/Pg"
import { Devices } from "@guildhall/registry/Devices"
import * as DevicesSql from "@guildhall/registry/DevicesSql"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import { Router } from "@guildhall/routing"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import * as DirectoryFeed from "../src/DirectoryFeed.ts"

const rails = [{ name: "ApiKey" }, { name: "Mpp" }]
const surroundings = Router.layer({ replica: "test", policy: leastLoaded }).pipe(
  Layer.provide(Digest.layerWebCrypto),
  Layer.provideMerge(Journal.layerMemory),
  Layer.provideMerge(Layer.merge(DevicesSql.layer({ allowPrivate: false, rails }), PgChanges.layer)),
  Layer.provide(TestDatabase.layer),
)

it.live("V4, V5 · a rail that is turned off is off in routing within a second, and explain says why", () =>
  Effect.gen(function* () {
    const devices = yield* Devices
    const router = yield* Router.Router
    const device = SampleDevice.make()
    const { memberId } = device.registration()
    const { instance } = yield* devices.register(device.registration())
    const request = {
      model: instance.model,
      contextTokens: 1,
      tried: [],
      features: { buyer: { member: SampleDevice.member(), class: "standard", rail: "ApiKey" } },
    } as const
    const refusal = Effect.repeat(
      Effect.sync(() => router.choose(request, 0)),
      { until: (choice) => choice._tag === "NoneLeft", schedule: Schedule.spaced("5 millis") },
    )
    yield* Effect.gen(function* () {
      assert.strictEqual(router.choose(request, 0)._tag, "Chosen")
      const startedMs = yield* Clock.currentTimeMillis
      yield* devices.setRails({ memberId, rails: { ApiKey: false } })
      const refused = yield* refusal
      assert.isBelow((yield* Clock.currentTimeMillis) - startedMs, 1_000)
      assert.deepInclude(refused, { _tag: "NoneLeft", reason: "rail_not_accepted" })
      // Whoever asks later hears the same: of this instance, by its log.
      yield* router.flush
      const { features, model } = request
      const decision = {
        replica: router.replica,
        policy: router.policy,
        version: refused.version,
        seed: 0,
        model,
        features,
      }
      const explained = yield* router.explain({ ...decision, contextTokens: 1, attempts: [] })
      const excluded = explained.attempts.flatMap(({ ranking }) => ranking.excluded)
      assert.deepInclude(excluded, { instance: instance.id, code: "rail_not_accepted" })
    }).pipe(Effect.provide(DirectoryFeed.layer()))
  }).pipe(Effect.provide(surroundings)),
)
