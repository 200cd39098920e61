import { assert, describe, it } from "@effect/vitest"
import { InstanceId } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import * as Journal from "@guildhall/journal/Journal"
import type { RoutingDecision } from "@guildhall/journal/JournalEntry"
import { Context, Effect, Logger, Metric } from "effect"
import { Digest } from "effect/crypto"
import { leastLoaded } from "../src/policies/LeastLoaded.ts"
import * as Router from "../src/Router.ts"
import type { RoutingPolicy } from "../src/RoutingPolicy.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"

const [small = ModelId.make("org/small"), large = ModelId.make("org/large")] = SampleMarket.models
const stranger = InstanceId.make("ins_stranger")
const request = { model: small, contextTokens: 100, tried: [] }
const full = InstanceId.make("ins_full")
const foreign = InstanceId.make("ins_foreign")
const boom = (): never => {
  throw new Error("boom")
}
const named =
  (instance: InstanceId): RoutingPolicy["rank"] =>
  () => ({
    ranked: [{ instance, because: "I like it" }],
    excluded: [],
  })
const policy = (rank: RoutingPolicy["rank"], prepare?: RoutingPolicy["prepare"]): RoutingPolicy => ({
  name: "Theirs",
  version: 1,
  rank,
  ...(prepare === undefined ? {} : { prepare }),
})
const chooses = (choose: () => InstanceId | undefined) => policy(leastLoaded.rank, () => ({ choose }))

/** A router by a policy of somebody else, with what it said and counted. */
const withPolicy = <A, E>(
  theirs: RoutingPolicy,
  test: (
    router: Router.Router["Service"],
    seen: { readonly logged: ReadonlyArray<string>; readonly faults: () => number },
  ) => Effect.Effect<A, E, Journal.Journal | Digest.Digest>,
) => {
  const logged: Array<string> = []
  const logger = Logger.make(({ message }) => void logged.push(String(message)))
  const registry: Context.Service.Shape<typeof Metric.MetricRegistry> = new Map()
  const faults = () =>
    Metric.snapshotUnsafe(Context.make(Metric.MetricRegistry, registry)).reduce(
      (sum, metric) =>
        metric.id === "guildhall_routing_policy_faults" && metric.type === "Counter"
          ? sum + Number(metric.state.count)
          : sum,
      0,
    )
  return Effect.gen(function* () {
    const router = yield* Router.make({ replica: "test", policy: theirs })
    for (const [name, model] of [
      ["a", small],
      ["b", small],
      ["full", small],
      ["foreign", large],
    ] as const) {
      router.apply({ _tag: "InstanceListed", instance: SampleMarket.instance({ name, model, concurrency: 1 }) })
    }
    router.apply({ _tag: "DispatchStarted", instanceId: full })
    return yield* test(router, { logged, faults })
  }).pipe(
    Effect.provide([Journal.layerMemory, Digest.layerWebCrypto, Logger.layer([logger])]),
    Effect.provideService(Metric.MetricRegistry, registry),
  )
}

const misbehaving: ReadonlyArray<readonly [string, RoutingPolicy]> = [
  ["throws in rank", policy(boom)],
  ["throws in choose", chooses(boom)],
  ["throws in prepare", policy(leastLoaded.rank, boom)],
  ["throws in both forms", policy(boom, boom)],
  [
    "throws when it is told of a change",
    policy(leastLoaded.rank, (directory) => {
      directory.onChange(boom)
      return { choose: () => stranger }
    }),
  ],
  ["ranks a stranger", policy(named(stranger))],
  ["ranks one that is full", policy(named(full))],
  ["ranks one of another model", policy(named(foreign))],
  [
    "ranks one twice",
    policy((request, candidates, seed) => {
      const { excluded, ranked } = leastLoaded.rank(request, candidates, seed)
      return { ranked: [...ranked, ...ranked], excluded }
    }),
  ],
  ["chooses a stranger", chooses(() => stranger)],
  ["chooses one that is full", chooses(() => full)],
  ["chooses one of another model", chooses(() => foreign)],
]

describe("a policy of somebody else", () => {
  it.effect.each(misbehaving)("that %s does not take the lane down: LeastLoaded chooses", ([, theirs]) =>
    withPolicy(theirs, (router, { faults, logged }) =>
      Effect.gen(function* () {
        const decisions: Array<RoutingDecision> = []
        for (let seed = 0; seed < 50; seed++) {
          const choice = router.choose(request, seed)
          if (choice._tag === "NoneLeft") return assert.fail(choice.reason)
          assert.include(["ins_a", "ins_b"], choice.instance.id)
          const { replica } = router
          decisions.push({
            replica,
            seed,
            version: choice.version,
            policy: router.policy,
            model: small,
            contextTokens: 100,
            attempts: [{ instance: choice.instance.id, version: choice.version }],
          })
          router.apply({ _tag: "DispatchStarted", instanceId: choice.instance.id })
          router.apply({ _tag: "DispatchEnded", instanceId: choice.instance.id })
        }
        yield* Effect.yieldNow
        assert.isAtLeast(faults(), 1)
        assert.lengthOf(logged, 1)
        assert.match(logged[0] ?? "", /The routing policy Theirs@1 failed in \w+/)
        // Where it fell back it falls back again, so the decision is explained as it was made.
        for (const decision of decisions.slice(0, 5)) {
          const { attempts } = yield* router.explain(decision)
          assert.strictEqual(attempts[0]?.ranking.ranked[0]?.instance, decision.attempts[0]?.instance)
        }
        assert.strictEqual(router.choose({ ...request, contextTokens: 1_000_000 }, 1)._tag, "NoneLeft")
      }),
    ),
  )

  it.effect("that behaves is asked, and nothing is counted", () =>
    withPolicy({ ...leastLoaded, name: "Theirs", version: 1 }, (router, { faults, logged }) =>
      Effect.sync(() => {
        for (let seed = 0; seed < 50; seed++) assert.strictEqual(router.choose(request, seed)._tag, "Chosen")
        assert.strictEqual(faults(), 0)
        assert.deepStrictEqual(logged, [])
      }),
    ),
  )

  it.effect("a rating that cannot be is refused, and the log can still be written and read", () =>
    withPolicy(leastLoaded, (router) =>
      Effect.gen(function* () {
        const instanceId = InstanceId.make("ins_a")
        const { version } = router.choose(request, 1)
        for (const rating of [
          { foreign: Number.NaN },
          { foreign: -1 },
          { healthBps: 10_001 },
          { peersInFlight: Infinity },
          { pace: { firstTokenMs: 0.5, tokenUs: 1 } },
        ]) {
          router.apply({ _tag: "InstanceRated", instanceId, rating })
        }
        assert.strictEqual(router.choose(request, 1).version, version)
        yield* router.flush
      }),
    ),
  )
})

describe("a market under load", () => {
  it.effect("an instance that is listed twice, and ten thousand updates, are taken in", () =>
    withPolicy(leastLoaded, (router) =>
      Effect.sync(() => {
        const instance = SampleMarket.instance({ name: "a", model: small, concurrency: 1 })
        for (let at = 0; at < 10_000; at++) {
          router.apply({ _tag: "InstanceListed", instance })
          router.apply({
            _tag: "InstanceRated",
            instanceId: instance.id,
            rating: { foreign: at % 3 },
          })
        }
        assert.lengthOf(
          router.instances(small).filter(({ id }) => id === instance.id),
          1,
        )
        assert.strictEqual(router.choose(request, 1)._tag, "Chosen")
      }),
    ),
  )
})
