import { assert, describe, it } from "@effect/vitest"
import { InstanceId } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { RequestId } from "@guildhall/core/Request"
import * as Journal from "@guildhall/journal/Journal"
import type { RoutingDecision } from "@guildhall/journal/JournalEntry"
import { Cause, Context, Effect, Exit, Logger, Metric } from "effect"
import { Digest } from "effect/crypto"
import { leastLoaded } from "../src/policies/LeastLoaded.ts"
import * as Router from "../src/Router.ts"
import type { RoutingPolicy } from "../src/RoutingPolicy.ts"
import * as RoutingProof from "../src/RoutingProof.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"

const [small = ModelId.make("org/small"), large = ModelId.make("org/large")] = SampleMarket.models
const stranger = InstanceId.make("ins_stranger")
const asked = () => ({ model: small, contextTokens: 100, tried: [] })
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

/** What JavaScript of others may answer, whatever the types say. */
const wrongly = (answer: (...given: Array<never>) => unknown): (() => never) => answer as () => never
const outlaw =
  (code: string) => (_request: never, candidates: ReadonlyArray<{ readonly instance: { readonly id: string } }>) => ({
    ranked: [],
    excluded: candidates.map(({ instance }) => ({ instance: instance.id, code })),
  })
/** Writes to a list that is not its own. */
const emptied = <A>(list: ReadonlyArray<A>, ...values: ReadonlyArray<A>): void => {
  const theirs = list as Array<A>
  theirs.splice(0, theirs.length, ...values)
}

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
  ["ranks nobody and leaves nobody out", policy(() => ({ ranked: [], excluded: [] }))],
  ["answers nothing", policy(wrongly(() => undefined))],
  ["answers later", policy(wrongly(async () => ({ ranked: [], excluded: [] })))],
  ["leaves out what is no candidate", policy(wrongly(() => ({ ranked: [], excluded: [null] })))],
  ["leaves everybody out for a reason of its own making", policy(wrongly(outlaw("made_up")))],
  ["leaves everybody out for a reason that objects have", policy(wrongly(outlaw("toString")))],
  [
    "leaves one out twice",
    policy((request, candidates, seed) => {
      const { excluded, ranked } = leastLoaded.rank(request, candidates, seed)
      return { ranked, excluded: [...excluded, ...excluded] }
    }),
  ],
  [
    "empties the candidates",
    policy((_request, candidates) => {
      emptied(candidates)
      return boom()
    }),
  ],
  [
    "writes to candidates",
    policy((request, candidates, seed) => {
      for (const candidate of candidates) Object.assign(candidate, { inFlight: 0 })
      return leastLoaded.rank(request, candidates, seed)
    }),
  ],
  [
    "writes to instances",
    policy((request, candidates, seed) => {
      for (const { instance } of candidates) Object.assign(instance, { concurrency: 1_000_000 })
      return leastLoaded.rank(request, candidates, seed)
    }),
  ],
  [
    "writes to the request",
    policy((request, candidates, seed) => {
      Object.assign(request, { model: large })
      return leastLoaded.rank(request, candidates, seed)
    }),
  ],
  [
    "counts everybody as tried",
    policy((request, candidates, seed) => {
      emptied(request.tried, ...candidates.map(({ instance }) => instance.id))
      return leastLoaded.rank(request, candidates, seed)
    }),
  ],
  ["chooses nobody", chooses(() => undefined)],
  [
    "writes to the directory's candidates in its fast form",
    policy(leastLoaded.rank, (directory) => ({
      choose: ({ model }) => {
        for (const candidate of directory.candidates(model)) Object.assign(candidate, { inFlight: 0 })
        return full
      },
    })),
  ],
  [
    "chooses what cannot be said",
    chooses(
      wrongly(() => ({
        toString: boom,
      })),
    ),
  ],
  [
    "makes no fast form",
    policy(
      leastLoaded.rank,
      wrongly(() => null),
    ),
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
          const choice = router.choose(asked(), seed)
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
        assert.strictEqual(router.choose({ ...asked(), contextTokens: 1_000_000 }, 1)._tag, "NoneLeft")
        assert.deepStrictEqual([...router.inFlight()], [[full, 1]])
      }),
    ),
  )

  const unusable: ReadonlyArray<readonly [string, Partial<Record<keyof RoutingPolicy, unknown>>, RegExp]> = [
    ["a name of a million characters", { name: "N".repeat(1_000_000) }, /its name must have 1 to 32 of/],
    ["no name", { name: "" }, /its name must have/],
    ["a name that is none", { name: "my policy" }, /its name must have/],
    ["a name that is no text", { name: 5 }, /its name must have/],
    ["a version that is no number", { version: "1" }, /its version must be a whole number/],
    ["half a version", { version: 0.5 }, /its version/],
    ["nothing that ranks", { rank: undefined }, /it has no function rank/],
    ["a fast form that is none", { prepare: 5 }, /prepare must be a function/],
    ["a list of readings that is none", { reads: 5 }, /reads must be a list of/],
    ["readings that nobody has", { reads: ["mind"] }, /reads must be a list of/],
    ["a promise that is no number", { guaranteedPercent: Number.NaN }, /guaranteedPercent must be between/],
  ]
  it.effect.each(unusable)("that has %s is refused before anything is routed by it", ([, wrong, words]) =>
    Effect.gen(function* () {
      const theirs = { ...policy(leastLoaded.rank), ...wrong } as RoutingPolicy
      const exit = yield* Effect.exit(Router.make({ replica: "test", policy: theirs }))
      if (Exit.isSuccess(exit)) return assert.fail("it was taken")
      const defect = Cause.squash(exit.cause)
      if (!(defect instanceof TypeError)) return assert.fail("no letter")
      assert.match(defect.message, /^Nobody can route by the policy /)
      assert.match(defect.message, words)
      assert.isBelow(defect.message.length, 500)
    }).pipe(Effect.provide([Journal.layerMemory, Digest.layerWebCrypto])),
  )

  it.effect("of the longest name still has a proof of 300 bytes", () =>
    withPolicy({ ...leastLoaded, name: "N".repeat(32), version: 9_999 }, (router) =>
      Effect.sync(() => {
        const decision = {
          replica: router.replica,
          seed: 4_294_967_295,
          version: 9_999_999_999,
          policy: router.policy,
          model: small,
          contextTokens: 100,
          attempts: [],
        }
        const head = { ...router.head(), sealed: 9_999_999_999, version: 9_999_999_999 }
        const proof = RoutingProof.make(decision, head, "00".repeat(16), {
          id: RequestId.make(`req_${"1".repeat(32)}`),
          market: "local",
          definition: "d".repeat(64),
          reason: null,
        })
        assert.isAtMost(new TextEncoder().encode(JSON.stringify(proof)).length, 300)
      }),
    ),
  )

  it.effect("that behaves is asked, and nothing is counted", () =>
    withPolicy({ ...leastLoaded, name: "Theirs", version: 1 }, (router, { faults, logged }) =>
      Effect.sync(() => {
        for (let seed = 0; seed < 50; seed++) assert.strictEqual(router.choose(asked(), seed)._tag, "Chosen")
        assert.strictEqual(faults(), 0)
        assert.deepStrictEqual(logged, [])
      }),
    ),
  )

  it.effect("an event that cannot be is refused, and the log can still be written and read", () =>
    withPolicy(leastLoaded, (router) =>
      Effect.gen(function* () {
        const instanceId = InstanceId.make("ins_a")
        const { version } = router.choose(asked(), 1)
        for (const rating of [
          { foreign: Number.NaN },
          { foreign: -1 },
          { healthBps: 10_001 },
          { peersInFlight: Infinity },
          { pace: { firstTokenMs: 0.5, tokenUs: 1 } },
        ]) {
          router.apply({ _tag: "InstanceRated", instanceId, rating })
        }
        const instance = SampleMarket.instance({ name: "new", model: small, concurrency: 1 })
        for (const wrong of [
          { concurrency: 0 },
          { concurrency: 1.5 },
          { contextLength: -1 },
          { region: "Über" },
          { price: [{ unit: "inputToken", amount: -1n, per: 1n }] },
          { id: "no id" },
          { state: "asleep" },
        ]) {
          router.apply({ _tag: "InstanceListed", instance: { ...instance, ...wrong } as typeof instance })
        }
        router.apply({ _tag: "StateChanged", instanceId, state: "asleep" as "online" })
        const sizes = [0.5, 1, 1, Number.NaN] as const
        router.apply({
          _tag: "InstanceMeasured",
          instanceId,
          measured: { firstTokenMs: sizes, tokensPerSecond: sizes },
        })
        assert.strictEqual(router.choose(asked(), 1).version, version)
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
        assert.strictEqual(router.choose(asked(), 1)._tag, "Chosen")
      }),
    ),
  )
})
