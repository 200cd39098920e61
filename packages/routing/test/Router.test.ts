import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { InstanceId } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import * as Journal from "@guildhall/journal/Journal"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import * as Router from "@guildhall/routing/Router"
import { instance } from "../src/testing/SampleMarket.ts"

const model = ModelId.make("org/model")

const layer = Router.layer({ replica: "a", policy: leastLoaded }).pipe(Layer.provide(Journal.layerMemory))

describe("Router", () => {
  it.effect("chooses the idle instance and explains it", () =>
    Effect.gen(function* () {
      const router = yield* Router.Router
      const [a, b] = [instance({ name: "a", model, concurrency: 2 }), instance({ name: "b", model, concurrency: 2 })]
      router.apply({ _tag: "InstanceListed", instance: a })
      router.apply({ _tag: "InstanceListed", instance: b })
      router.apply({ _tag: "DispatchStarted", instanceId: a.id })
      const choice = router.choose({ model, contextTokens: 10, tried: [] }, 1)
      assert.strictEqual(choice._tag === "Chosen" ? choice.instance.id : undefined, b.id)
      const explanation = yield* router.explain({
        replica: router.replica,
        version: choice.version,
        policy: router.policy,
        seed: 1,
        model,
        contextTokens: 10,
        attempts: [{ instance: InstanceId.make(b.id) }],
      })
      assert.deepStrictEqual(
        explanation.attempts[0]?.ranking.ranked.map((one) => one.instance),
        [b.id, a.id],
      )
    }).pipe(Effect.provide(layer)),
  )
})
