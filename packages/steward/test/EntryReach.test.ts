/** An instance that nobody calls is there a moment after it was registered: the first look waits for it. */
import { assert, describe, it } from "@effect/vitest"
import { Clock, Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import type { Instance } from "@guildhall/core/Instance"
import type { Settings } from "@guildhall/core/EntryVerification"
import { Devices } from "@guildhall/registry"
import * as SampleDevice from "@guildhall/registry/testing/SampleDevice"
import * as Checks from "@guildhall/verification/endpoint/Checks"
import { type Answer, EndpointProbe } from "@guildhall/verification/endpoint/EndpointProbe"

const settings: Settings = { checks: ["reach"], recheckMs: 60_000, promptTokensMax: 1_024, parallelMax: 4 }
const healthy: Answer = { _tag: "Complete", status: 200, headers: {}, body: new Uint8Array(), pieces: [], tookMs: 1 }
const away: Answer = { _tag: "Broken", reason: "Unreachable", detail: "nobody is there", tookMs: 1 }

/** How the look ends at one that comes so long after it began. */
const look = Effect.fnUntraced(function* (reach: Instance["reach"], comesAfterMs: number) {
  const devices = yield* Devices.Devices
  const { instance } = yield* devices.register(SampleDevice.make().registration())
  const startedMs = yield* Clock.currentTimeMillis
  const ask = Effect.map(Clock.currentTimeMillis, (nowMs) => (nowMs - startedMs >= comesAfterMs ? healthy : away))
  const probe = EndpointProbe.of({ look: () => Effect.succeed({ _tag: "None", why: "" }), ask: () => ask })
  const run = yield* Checks.run("reach", { instance: { ...instance, reach }, settings, point: undefined }).pipe(
    Effect.provideService(EndpointProbe, probe),
    Effect.forkChild,
  )
  yield* TestClock.adjust("10 seconds")
  return (yield* Fiber.join(run)).state
})

describe("the first look", () => {
  it.effect("waits some seconds for a tunnel or a worker that asks, and not for an endpoint", () =>
    Effect.gen(function* () {
      for (const _tag of ["Tunnel", "Pull"] as const) {
        assert.strictEqual(yield* look({ _tag }, 1_500), "passed")
        assert.strictEqual(yield* look({ _tag }, 9_000), "failed")
      }
      assert.strictEqual(yield* look({ _tag: "Endpoint", url: "https://gpu.example.com" }, 1_500), "failed")
    }).pipe(Effect.provide(Devices.layerMemory({ allowPrivate: false }))),
  )
})
