/**
 * The suite of the port `RoutingPolicy`: one test for each of its numbered guarantees, with the same words. Each runs
 * on markets made from named seeds; a failure names the seed and the step.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { Directory } from "../Directory.ts"
import { standard } from "../Filter.ts"
import * as Preferred from "../Preferred.ts"
import type { Candidate, Ranking, RoutingPolicy, RoutingRequest } from "../RoutingPolicy.ts"
import * as SampleMarket from "./SampleMarket.ts"

/**
 * The names from which the suite makes its markets.
 *
 * @category constants
 * @since 0.1.0
 */
export const seeds: ReadonlyArray<string> = ["weavers", "smiths", "masons", "coopers", "glovers"]

const STEPS = 400

interface Step {
  readonly request: RoutingRequest
  readonly seed: number
  /** All candidates of a few models, as an auditor may give them. */
  readonly candidates: ReadonlyArray<Candidate>
  readonly where: string
  readonly directory: Directory
}

const all = (directory: Directory): ReadonlyArray<Candidate> =>
  SampleMarket.models.flatMap((model) => directory.candidates(model).map((candidate) => copied(candidate)))

/** A frozen copy: to change it throws. */
const copied = ({ instance, inFlight, measured, rating }: Candidate): Candidate =>
  Object.freeze({ instance: Object.freeze({ ...instance }), inFlight, measured, rating })

/** Runs a market of each seed and stops at each of its steps. */
const walk = (start: (directory: Directory) => (step: Step) => void): void => {
  for (const name of seeds) {
    const dice = SampleMarket.dice(name)
    const directory = new Directory()
    const visit = start(directory)
    for (let at = 0; at < STEPS; at++) {
      directory.apply(SampleMarket.event(dice))
      const request = SampleMarket.request(dice, directory)
      const where = `seed "${name}", step ${at}`
      visit({ request, seed: SampleMarket.seed(dice), candidates: all(directory), where, directory })
    }
  }
}

const visitAll = (visit: (step: Step) => void): void => walk(() => visit)

/** Copies that can be changed: whether they were is what the proof looks at. */
const loose = ({ request, candidates }: Step) => ({
  request: { ...request, tried: [...request.tried] },
  candidates: candidates.map((candidate): Candidate => ({ ...candidate, instance: { ...candidate.instance } })),
})

const repeats = (policy: RoutingPolicy): void =>
  visitAll((step) => {
    const given = loose(step)
    const before = JSON.stringify(given, amounts)
    const first = policy.rank(given.request, given.candidates, step.seed)
    assert.strictEqual(JSON.stringify(given, amounts), before, step.where)
    const again = loose(step)
    assert.deepStrictEqual(policy.rank(again.request, again.candidates, step.seed), first, step.where)
  })

const amounts = (_: string, value: unknown): unknown => (typeof value === "bigint" ? `${value}` : value)

const idsOf = (entries: Ranking["ranked"] | Ranking["excluded"]): ReadonlyArray<string> =>
  entries.map(({ instance }) => instance)

const isComplete = (policy: RoutingPolicy): void =>
  visitAll(({ request, seed, candidates, where }) => {
    const { ranked, excluded } = policy.rank(request, candidates, seed)
    const answered = [...idsOf(ranked), ...idsOf(excluded)].sort()
    assert.deepStrictEqual(answered, candidates.map(({ instance }) => instance.id).sort(), where)
    for (const { code } of excluded) assert.isNotEmpty(code, where)
  })

const ranksOnlyAble = (policy: RoutingPolicy): void =>
  visitAll(({ request, seed, candidates, where }) => {
    const ranked = new Set(idsOf(policy.rank(request, candidates, seed).ranked))
    for (const candidate of candidates) {
      if (!ranked.has(candidate.instance.id)) continue
      for (const filter of standard)
        assert.isUndefined(filter(request, candidate), `${where}, ${candidate.instance.id}`)
    }
  })

const ignoresOrder = (policy: RoutingPolicy): void =>
  visitAll(({ request, seed, candidates, where }) => {
    const sets = ({ ranked, excluded }: Ranking) => ({
      ranked: [...idsOf(ranked)].sort(),
      reasons: excluded.map(({ instance, code }) => `${instance} ${code}`).sort(),
    })
    const straight = sets(policy.rank(request, candidates, seed))
    const turned = candidates.toReversed()
    const half = candidates.length >> 1
    assert.deepStrictEqual(sets(policy.rank(request, turned, seed)), straight, where)
    const cut = [...candidates.slice(half), ...candidates.slice(0, half)]
    assert.deepStrictEqual(sets(policy.rank(request, cut, seed)), straight, where)
  })

const choosesTheSame = (policy: RoutingPolicy): void => {
  const { prepare } = policy
  if (prepare === undefined) return
  walk((directory) => {
    const atStart = prepare(directory)
    let later: ReturnType<typeof prepare> | undefined
    return ({ request, seed, where }) => {
      // One that starts on a market that is already running must come to the same.
      if (directory.version === STEPS / 4) later = prepare(directory)
      const [first] = Preferred.rank(policy, request, directory.candidates(request.model), seed).ranked
      assert.strictEqual(atStart.choose(request, seed), first?.instance, where)
      if (later !== undefined)
        assert.strictEqual(later.choose(request, seed), first?.instance, `${where}, prepared later`)
    }
  })
}

/**
 * What a routing policy guarantees, in the order of the port's documentation.
 *
 * @category constants
 * @since 0.1.0
 */
export const guarantees: ReadonlyArray<Conformance.Guarantee<(policy: RoutingPolicy) => void>> = [
  {
    number: 1,
    test: "The same request, candidates and seed give the same ranking, and no argument is changed.",
    proof: repeats,
  },
  {
    number: 2,
    test: "Every candidate is either ranked or excluded with a reason code, never both and never neither.",
    proof: isComplete,
  },
  {
    number: 3,
    test: "No candidate is ranked that serves another model or endpoint, is not online, is full, is too short, was tried before, or is not what the buyer asked for.",
    proof: ranksOnlyAble,
  },
  {
    number: 4,
    test: "The order in which candidates are given does not change the set that is ranked nor any reason.",
    proof: ignoresOrder,
  },
  {
    number: 5,
    test: "If there is a fast form, it chooses what the reference form ranks first, in the order that the buyer prefers, for every directory, request and seed.",
    proof: choosesTheSame,
  },
]

/** A policy is a value, so there is no layer to build. */
const port = (policy: RoutingPolicy): Conformance.Port<never> => ({
  name: "RoutingPolicy",
  guarantees: guarantees.map(({ proof, ...guarantee }) => ({ ...guarantee, proof: Effect.sync(() => proof(policy)) })),
  clock: "virtual",
})

/**
 * Proves a policy. A guarantee that a policy cannot keep is skipped with its reason, which is printed.
 *
 * **Example** (In a test file of your policy)
 *
 * ```ts no-run it registers tests, which needs vitest
 * import { LeastLoaded } from "@guildhall/routing/policies"
 * import { RoutingPolicyTest } from "@guildhall/routing/testing"
 *
 * RoutingPolicyTest.suite("LeastLoaded", LeastLoaded.leastLoaded)
 * ```
 *
 * @category suites
 * @since 0.1.0
 */
export const suite = (name: string, policy: RoutingPolicy, options: Conformance.Options = {}): void =>
  Conformance.suite(port(policy))(name, Layer.empty, options)

/**
 * Proves that the suite bites: on this policy the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks = (name: string, policy: RoutingPolicy, number: number): void =>
  Conformance.breaks(port(policy))(name, Layer.empty, number)
