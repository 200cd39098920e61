import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { InstanceId } from "@guildhall/core/Instance"
import * as Parts from "@guildhall/core/Parts"
import * as Filtered from "../src/combinators/Filter.ts"
import { Directory } from "../src/Directory.ts"
import { bonded } from "../src/filters/Bonded.ts"
import { healthiest } from "../src/policies/Healthiest.ts"
import * as InverseSquarePrice from "../src/policies/InverseSquarePrice.ts"
import * as LowestPrice from "../src/policies/LowestPrice.ts"
import * as PeakEwma from "../src/policies/PeakEwma.ts"
import * as TierWeighted from "../src/policies/TierWeighted.ts"
import * as LeastLoaded from "../src/policies/LeastLoaded.ts"
import { type Ranking, RoutingPolicy } from "../src/RoutingPolicy.ts"
import * as RoutingPolicyTest from "../src/testing/RoutingPolicyTest.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"

const { leastLoaded } = LeastLoaded

RoutingPolicyTest.suite("LeastLoaded", leastLoaded)

const broken = (rank: RoutingPolicy["rank"]): RoutingPolicy => ({ name: "Broken", version: 1, rank })

let draws = 0
RoutingPolicyTest.breaks(
  "it draws lots of its own",
  broken((request, candidates, seed) => leastLoaded.rank(request, candidates, seed + draws++)),
  1,
)
RoutingPolicyTest.breaks(
  "it sorts the candidates that it was given",
  broken((request, candidates, seed) => {
    // Deliberately wrong: the type forbids it, and so does the port.
    const mutable = candidates as Array<(typeof candidates)[number]>
    mutable.sort(() => -1)
    return leastLoaded.rank(request, mutable, seed)
  }),
  1,
)
RoutingPolicyTest.breaks(
  "it forgets those it leaves out",
  broken((request, candidates, seed) => ({ ...leastLoaded.rank(request, candidates, seed), excluded: [] })),
  2,
)
RoutingPolicyTest.breaks(
  "it ranks one it leaves out",
  broken((request, candidates, seed) => {
    const { ranked, excluded } = leastLoaded.rank(request, candidates, seed)
    return { ranked: [...ranked, ...excluded.slice(0, 1).map(({ instance }) => ({ instance, because: "" }))], excluded }
  }),
  2,
)

RoutingPolicyTest.breaks(
  "it makes up a reason",
  broken((request, candidates, seed) => {
    const { ranked, excluded } = leastLoaded.rank(request, candidates, seed)
    // Deliberately wrong: the type forbids it, and a policy in JavaScript may do it.
    const code = "made_up" as (typeof excluded)[number]["code"]
    return { ranked, excluded: excluded.map(({ instance }) => ({ instance, code })) }
  }),
  2,
)
const nobody = broken((_request, candidates) => ({
  ranked: [],
  excluded: candidates.map(({ instance }) => ({ instance: instance.id, code: "offline" as const })),
}))
RoutingPolicyTest.breaks("it ranks nobody", nobody, 7)
RoutingPolicyTest.breaks("it ranks nobody", nobody, 8)
RoutingPolicyTest.breaks("it says weights, and ranks nobody", { ...nobody, weights: bySquare }, 9)
RoutingPolicyTest.breaks(
  "it ranks only bonded ones, and ties by id",
  Filtered.filter(
    "bonded",
    bonded,
    broken((request, candidates) => leastLoaded.rank(request, candidates, 7)),
  ),
  7,
)

const without = (code: Ranking["excluded"][number]["code"]) =>
  broken((request, candidates, seed) => {
    const { ranked, excluded } = leastLoaded.rank(request, candidates, seed)
    const back = excluded.filter((one) => one.code === code).map(({ instance }) => ({ instance, because: "" }))
    return { ranked: [...ranked, ...back], excluded: excluded.filter((one) => one.code !== code) }
  })
for (const code of [
  "other_model",
  "context_too_short",
  "offline",
  "draining",
  "concurrency_full",
  "already_tried",
] as const) {
  RoutingPolicyTest.breaks(`it ranks what is ${code}`, without(code), 3)
}
RoutingPolicyTest.breaks(
  "it looks at the first half only",
  broken((request, candidates, seed) => {
    const half = candidates.length >> 1
    const { ranked, excluded } = leastLoaded.rank(request, candidates.slice(0, half), seed)
    const rest = candidates.slice(half).map(({ instance }) => ({ instance: instance.id, code: "offline" as const }))
    return { ranked, excluded: [...excluded, ...rest] }
  }),
  4,
)
RoutingPolicyTest.breaks(
  "it keeps equals in the order in which they come",
  broken((request, candidates, seed) => {
    const { ranked, excluded } = leastLoaded.rank(request, candidates, seed)
    const places = new Map(candidates.map(({ instance }, at) => [instance.id, at]))
    const placeOf = ({ instance }: (typeof ranked)[number]) => places.get(instance) ?? 0
    return { ranked: [...ranked].sort((a, b) => placeOf(a) - placeOf(b)), excluded }
  }),
  4,
)
RoutingPolicyTest.breaks(
  "it invents one where there is nobody",
  broken((request, candidates, seed) =>
    candidates.length > 0
      ? leastLoaded.rank(request, candidates, seed)
      : { ranked: [{ instance: InstanceId.make("ins_stranger"), because: "" }], excluded: [] },
  ),
  6,
)
RoutingPolicyTest.breaks(
  "it breaks ties by id",
  broken((request, candidates) => leastLoaded.rank(request, candidates, 7)),
  7,
)
RoutingPolicyTest.breaks(
  "it draws one of eight a third more often than the others",
  broken((request, candidates, seed) => {
    const { ranked, excluded } = leastLoaded.rank(request, candidates, seed)
    const favourite = seed % 24 === 0 ? ranked.filter(({ instance }) => instance === "ins_twin1") : []
    return { ranked: [...favourite, ...ranked.filter((one) => !favourite.includes(one))], excluded }
  }),
  7,
)
const turned = (policy: RoutingPolicy) =>
  broken((request, candidates, seed) => {
    const { ranked, excluded } = policy.rank(request, candidates, seed)
    return { ranked: ranked.toReversed(), excluded }
  })
RoutingPolicyTest.breaks("it prefers those that are full", turned(leastLoaded), 8)
RoutingPolicyTest.breaks("it prefers those that are dear", turned(LowestPrice.make(LowestPrice.usual)), 8)
RoutingPolicyTest.breaks("it prefers those that fail", turned(healthiest), 8)
RoutingPolicyTest.breaks("it prefers those that are slow", turned(PeakEwma.make({ ...PeakEwma.usual, choices: 16 })), 8)
RoutingPolicyTest.breaks(
  "it draws by the price, and says by its square",
  { ...InverseSquarePrice.make({ ...InverseSquarePrice.usual, power: 1 }), weights: bySquare },
  9,
)
RoutingPolicyTest.breaks(
  "it reads more than it says",
  { ...PeakEwma.make(PeakEwma.usual), reads: ["outputTokens"] },
  10,
)
RoutingPolicyTest.breaks(
  "it reads features that it does not say",
  { ...PeakEwma.make(PeakEwma.usual), reads: ["pace"] },
  10,
)
RoutingPolicyTest.breaks(
  "it does not say that it knows buyers",
  { ...TierWeighted.make(TierWeighted.usual), reads: [] },
  10,
)
RoutingPolicyTest.breaks(
  "its fast form draws other lots",
  {
    ...leastLoaded,
    prepare: (directory) => {
      const fast = leastLoaded.prepare?.(directory)
      return { choose: (request, seed) => fast?.choose(request, seed + 1) }
    },
  },
  5,
)
RoutingPolicyTest.breaks(
  "its fast form does not hear of changes",
  { ...leastLoaded, prepare: (view) => leastLoaded.prepare?.({ ...viewOf(view), onChange: () => {} }) ?? never },
  5,
)
RoutingPolicyTest.breaks(
  "its fast form forgets what was tried",
  {
    ...leastLoaded,
    prepare: (directory) => {
      const fast = leastLoaded.prepare?.(directory)
      return { choose: (request, seed) => fast?.choose({ ...request, tried: [] }, seed) }
    },
  },
  5,
)

function bySquare(...[request, candidates]: Parameters<NonNullable<RoutingPolicy["weights"]>>) {
  return InverseSquarePrice.make(InverseSquarePrice.usual).weights?.(request, candidates) ?? []
}
const never = { choose: () => undefined }
function viewOf(view: Parameters<NonNullable<RoutingPolicy["prepare"]>>[0]) {
  return {
    candidates: (model: Parameters<typeof view.candidates>[0]) => view.candidates(model),
    candidate: (id: Parameters<typeof view.candidate>[0]) => view.candidate(id),
  }
}

describe("LeastLoaded", () => {
  const [model] = SampleMarket.models
  const request = { model: SampleMarket.instance({ name: "x", model }).model, contextTokens: 100, tried: [] }

  it("prefers the smaller part in use, not the smaller number", () => {
    const at = (name: string, inFlight: number, concurrency: number) => ({
      instance: SampleMarket.instance({ name, concurrency }),
      inFlight,
    })
    const { ranked } = leastLoaded.rank(request, [at("a", 1, 2), at("b", 3, 8), at("c", 30_000, 90_001)], 1)
    assert.deepStrictEqual(
      ranked.map(({ instance }) => instance),
      ["ins_c", "ins_b", "ins_a"].map((id) => InstanceId.make(id)),
    )
    assert.match(ranked[1]?.because ?? "", /^3 of 8 in use, lot [0-9.e-]+$/)
  })

  it("tells loads apart that differ by one part in ten thousand million", () => {
    const directory = new Directory()
    const [a, b] = [99_999, 100_000].map((concurrency) =>
      SampleMarket.instance({ name: `${concurrency}`, concurrency }),
    )
    if (a === undefined || b === undefined) return assert.fail()
    const fast = leastLoaded.prepare?.(directory)
    for (const instance of [a, b]) directory.apply({ _tag: "InstanceListed", instance })
    for (let at = 0; at < 49_999; at++) directory.apply({ _tag: "DispatchStarted", instanceId: a.id })
    for (let at = 0; at < 50_000; at++) directory.apply({ _tag: "DispatchStarted", instanceId: b.id })
    // 49999/99999 < 50000/100000
    for (let seed = 0; seed < 8; seed++) assert.strictEqual(fast?.choose(request, seed), a.id)
    directory.apply({ _tag: "DispatchEnded", instanceId: b.id })
    for (let seed = 0; seed < 8; seed++) assert.strictEqual(fast?.choose(request, seed), b.id)
  })

  it("draws ties evenly", () => {
    const directory = new Directory()
    const fast = leastLoaded.prepare?.(directory)
    for (let at = 0; at < 10; at++) {
      directory.apply({ _tag: "InstanceListed", instance: SampleMarket.instance({ name: `${at}` }) })
    }
    const won = new Map<string, number>()
    for (let seed = 0; seed < 10_000; seed++) {
      const id = fast?.choose(request, seed) ?? ""
      won.set(id, (won.get(id) ?? 0) + 1)
    }
    assert.strictEqual(won.size, 10)
    // Chi squared with 9 degrees of freedom: above 27.9 once in a thousand.
    const chi = [...won.values()].reduce((sum, count) => sum + (count - 1_000) ** 2 / 1_000, 0)
    assert.isBelow(chi, 27.9)
  })

  it("keeps no index of models that nobody serves", () => {
    let asked = 0
    const fast = leastLoaded.prepare?.({
      candidates: () => (asked++, []),
      candidate: () => undefined,
      onChange: () => {},
    })
    assert.isUndefined(fast?.choose(request, 1))
    assert.isUndefined(fast?.choose(request, 1))
    assert.strictEqual(asked, 2)
  })

  it.effect("is found by its name, and has no settings", () =>
    Effect.gen(function* () {
      const parts = Parts.make([LeastLoaded.part])
      assert.strictEqual(yield* parts.resolve(RoutingPolicy, { use: "LeastLoaded" }), leastLoaded)
      const error = yield* Effect.flip(parts.resolve(RoutingPolicy, { use: "LeastLoaded", with: { speed: 1 } }))
      assert.include(error.message, "speed")
    }),
  )
})
