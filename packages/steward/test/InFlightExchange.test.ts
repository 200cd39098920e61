import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { Digest } from "effect/crypto"
import { TestClock } from "effect/testing"
import { InstanceId } from "@guildhall/core/Instance"
import { Journal } from "@guildhall/journal"
import { InFlight } from "@guildhall/registry"
import { RegistryError } from "@guildhall/registry/RegistryError"
import { Router } from "@guildhall/routing"
import { leastLoaded } from "@guildhall/routing/policies/LeastLoaded"
import * as SampleMarket from "@guildhall/routing/testing/SampleMarket"
import * as InFlightExchange from "../src/InFlightExchange.ts"

const model = SampleMarket.models[0] ?? assert.fail("no model")
const request = { model, contextTokens: 1, tried: [] }
const ids = (count: number) => Array.from({ length: count }, (_, at) => InstanceId.make(`ins_${at}`))

/** Gateways that know the same instances, the first of them with concurrency 4, the next with 8, and so on in turn. */
const gateways = (count: number, instances: number) =>
  Effect.forEach(Array.from({ length: count }), (_, at) =>
    Effect.gen(function* () {
      const router = yield* Router.make({ replica: `gateway-${at}`, policy: leastLoaded })
      for (let name = 0; name < instances; name++) {
        const instance = SampleMarket.instance({ name: `${name}`, model, concurrency: 4 * (1 + (name % 3)) })
        router.apply({ _tag: "InstanceListed", instance })
      }
      const inFlight = yield* InFlight.InFlight
      const context = Context.make(Router.Router, router).pipe(Context.add(InFlight.InFlight, inFlight))
      const peers = new Map<InstanceId, number>()
      const listening = Router.Router.of({
        ...router,
        apply: (event) => {
          router.apply(event)
          if (event._tag === "InstanceRated") peers.set(event.instanceId, event.rating.peersInFlight ?? 0)
        },
      })
      const round = yield* Effect.provide(InFlightExchange.make, Context.add(context, Router.Router, listening))
      const heard = () => [...peers.values()].reduce((sum, count) => sum + count, 0)
      return { router, round, heard }
    }),
  )

const surroundings = Layer.mergeAll(InFlight.layerMemory(), Journal.layerMemory, Digest.layerWebCrypto)

/**
 * Two minutes of a market: at each tick of 200 ms the gateways ask as often as `asks` says, answers take up to eight ticks,
 * and then all exchange. Answers who served how often, and how far off gateways were in what they believe to be in flight.
 */
const serve = (count: number, asks: ReadonlyArray<number>) =>
  Effect.gen(function* () {
    const dice = SampleMarket.dice("four gateways")
    const all = yield* gateways(count, 12)
    const served = new Map<InstanceId, number>()
    let ends: Array<{ readonly atTick: number; readonly router: Router.Router["Service"]; readonly id: InstanceId }> =
      []
    let wrong = 0
    let right = 0
    for (let tick = 0; tick < 600; tick++) {
      for (const { id, router } of ends.filter(({ atTick }) => atTick === tick)) {
        router.apply({ _tag: "DispatchEnded", instanceId: id })
      }
      ends = ends.filter(({ atTick }) => atTick > tick)
      for (const [at, { router }] of all.entries()) {
        for (let asked = 0; asked < (asks[at] ?? 0); asked++) {
          const choice = router.choose(request, dice.below(2 ** 31))
          if (choice._tag === "NoneLeft") continue
          const { id } = choice.instance
          router.apply({ _tag: "DispatchStarted", instanceId: id })
          ends.push({ atTick: tick + 1 + dice.below(8), router, id })
          served.set(id, (served.get(id) ?? 0) + 1)
        }
      }
      for (const { round } of all) yield* round
      const own = all.map(({ router }) => [...router.inFlight().values()].reduce((sum, one) => sum + one, 0))
      const truth = own.reduce((sum, one) => sum + one, 0)
      for (const [at, { heard }] of all.entries()) {
        wrong += Math.abs((own[at] ?? 0) + heard() - truth)
        right += truth
      }
    }
    return { served, error: wrong / right }
  }).pipe(Effect.provide(surroundings))

describe("gateways that tell each other what they have in flight", () => {
  it.effect("see an instance as full as it is", () =>
    Effect.gen(function* () {
      const [one, two] = yield* gateways(2, 1)
      if (one === undefined || two === undefined) return assert.fail("two gateways were made")
      const [id = InstanceId.make("ins_0")] = ids(1)
      for (let at = 0; at < 4; at++) one.router.apply({ _tag: "DispatchStarted", instanceId: id })
      assert.strictEqual(two.router.choose(request, 1)._tag, "Chosen")
      yield* one.round
      yield* two.round
      assert.deepInclude(two.router.choose(request, 1), { _tag: "NoneLeft", reason: "no_capacity" })
      one.router.apply({ _tag: "DispatchEnded", instanceId: id })
      yield* one.round
      yield* two.round
      assert.strictEqual(two.router.choose(request, 1)._tag, "Chosen")
    }).pipe(Effect.provide(surroundings)),
  )

  it.effect("share the requests of a market as one gateway would, four of them and five exchanges a second", () =>
    Effect.gen(function* () {
      const alone = yield* serve(1, [12])
      // The first one has as much to do as the others together.
      const together = yield* serve(4, [6, 2, 2, 2])
      for (const id of ids(12)) {
        const expected = alone.served.get(id) ?? 0
        assert.isAbove(expected, 100, id)
        assert.closeTo((together.served.get(id) ?? 0) / expected, 1, 0.1, id)
      }
      assert.isBelow(together.error, 0.1, "what gateways believe to be in flight is off by more than a tenth")
    }),
  )

  it.effect("tell of what changed, and of a large count only when it changed by more than a twentieth", () =>
    Effect.sync(() => {
      const [a, b] = ids(2)
      if (a === undefined || b === undefined) return assert.fail("two ids were made")
      const told = (known: InFlight.Counts, heard: InFlight.Counts) =>
        InFlightExchange.changes(known, heard).map(
          (event) => event._tag === "InstanceRated" && [event.instanceId, event.rating],
        )
      assert.deepStrictEqual(told(new Map(), new Map([[a, 1]])), [[a, { peersInFlight: 1 }]])
      assert.deepStrictEqual(told(new Map([[a, 1]]), new Map([[a, 1]])), [])
      assert.deepStrictEqual(told(new Map([[a, 100]]), new Map([[a, 105]])), [])
      assert.deepStrictEqual(told(new Map([[a, 100]]), new Map([[a, 106]])), [[a, { peersInFlight: 106 }]])
      assert.deepStrictEqual(
        told(
          new Map([
            [a, 100],
            [b, 1],
          ]),
          new Map(),
        ),
        [
          [a, { peersInFlight: 0 }],
          [b, { peersInFlight: 0 }],
        ],
      )
    }),
  )

  it.effect("forget what the others had when they cannot be heard any more", () =>
    Effect.gen(function* () {
      const [id = InstanceId.make("ins_0")] = ids(1)
      let isAway = false
      const away = new RegistryError({ code: "service_unavailable", detail: "It is away." })
      const others = [{ gateway: "other", inFlight: new Map([[id, 4]]), waiting: new Map() }]
      const heard: InFlight.Heard = { atMs: 0, others }
      const flaky = InFlight.InFlight.of({
        exchange: () => (isAway ? Effect.fail(away) : Effect.succeed(heard)),
      })
      const [gateway] = yield* Effect.provideService(gateways(1, 1), InFlight.InFlight, flaky)
      if (gateway === undefined) return assert.fail("a gateway was made")
      yield* TestClock.adjust(InFlight.LIFE_MS)
      yield* gateway.round
      assert.strictEqual(gateway.router.choose(request, 1)._tag, "NoneLeft")
      isAway = true
      yield* TestClock.adjust(InFlight.LIFE_MS - 1)
      yield* Effect.exit(gateway.round)
      assert.strictEqual(gateway.router.choose(request, 1)._tag, "NoneLeft")
      yield* TestClock.adjust(1)
      assert.strictEqual((yield* Effect.exit(gateway.round))._tag, "Failure")
      assert.strictEqual(gateway.router.choose(request, 1)._tag, "Chosen")
    }).pipe(Effect.provide(surroundings)),
  )
})
