/**
 * The suite of the port `RoutingPolicy`: one test for each of its numbered guarantees, with the same words. Each runs
 * on markets made from named seeds; a failure names the seed and the step.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Conformance from "@guildhall/core/testing/Conformance"
import { DeviceId } from "@guildhall/core/Device"
import type { Measured } from "@guildhall/core/DirectoryEvent"
import { InstanceId } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import { ReasonCode } from "@guildhall/core/Reason"
import { standard } from "../Filter.ts"
import * as Preferred from "../Preferred.ts"
import {
  type Candidate,
  type Ranking,
  readableRating,
  type RoutingPolicy,
  type RoutingRequest,
} from "../RoutingPolicy.ts"
import * as SampleSteps from "../internal/SampleSteps.ts"
import * as SampleMarket from "./SampleMarket.ts"

/**
 * The names from which the suite makes its markets.
 *
 * @category constants
 * @since 0.1.0
 */
export const seeds: ReadonlyArray<string> = ["weavers", "smiths", "masons", "coopers", "glovers"]

const visitAll = (visit: (step: SampleSteps.Step) => void): void => {
  for (const name of seeds) for (const step of SampleSteps.of(name)) visit(step)
}

/** What a ranking says, with reasons read: a policy may write them only when they are. */
const said = ({ ranked, excluded }: Ranking): string =>
  [
    ...ranked.map(({ instance, because }) => `${instance} ${because}`),
    ...excluded.map(({ instance, code }) => `not ${instance} ${code}`).sort(),
  ].join("\n")

const repeats = (policy: RoutingPolicy): void =>
  visitAll((step) => {
    const given = SampleSteps.loose(step)
    const first = said(policy.rank(given.request, given.candidates, step.seed))
    if (!SampleSteps.isUnchanged(given, step)) assert.fail(`${step.where}: it changed what it was given`)
    const again = SampleSteps.loose(step)
    assert.strictEqual(said(policy.rank(again.request, again.candidates, step.seed)), first, step.where)
  })

const idsOf = (entries: Ranking["ranked"] | Ranking["excluded"]): ReadonlyArray<string> =>
  entries.map(({ instance }) => instance)

const isCode = Schema.is(ReasonCode)

const isComplete = (policy: RoutingPolicy): void =>
  visitAll(({ request, seed, candidates, where }) => {
    const { ranked, excluded } = policy.rank(request, candidates, seed)
    const answered = [...idsOf(ranked), ...idsOf(excluded)].sort().join()
    const given = candidates.map(({ instance }) => instance.id)
    assert.strictEqual(answered, given.sort().join(), where)
    // A policy of others may say anything: buyers are told what stands behind a code, so it must be one.
    const unknown = excluded.find(({ code }) => !isCode(code))
    if (unknown !== undefined) assert.fail(`${where}, ${unknown.instance}: "${unknown.code}" is no reason`)
  })

const ranksOnlyAble = (policy: RoutingPolicy): void =>
  visitAll(({ request, seed, candidates, where }) => {
    const ranked = new Set(idsOf(policy.rank(request, candidates, seed).ranked))
    for (const candidate of candidates) {
      if (!ranked.has(candidate.instance.id)) continue
      const reason = standard.map((filter) => filter(request, candidate)).find((one) => one !== undefined)
      if (reason !== undefined) assert.fail(`${where}, ${candidate.instance.id}: ${reason}`)
    }
  })

const ignoresOrder = (policy: RoutingPolicy): void =>
  visitAll(({ request, seed, candidates, where }) => {
    const straight = said(policy.rank(request, candidates, seed))
    const turned = candidates.toReversed()
    const half = candidates.length >> 1
    assert.strictEqual(said(policy.rank(request, turned, seed)), straight, where)
    const cut = [...candidates.slice(half), ...candidates.slice(0, half)]
    assert.strictEqual(said(policy.rank(request, cut, seed)), straight, where)
  })

const choosesTheSame = (policy: RoutingPolicy): void => {
  const { prepare } = policy
  if (prepare === undefined) return
  for (const name of seeds) {
    SampleSteps.run(name, (directory) => {
      const atStart = prepare(directory)
      let later: ReturnType<typeof prepare> | undefined
      return ({ request, seed, where }) => {
        // One that starts on a market that is already running must come to the same.
        if (directory.version === SampleSteps.COUNT / 4) later = prepare(directory)
        const [first] = Preferred.rank(policy, request, directory.candidates(request.model), seed).ranked
        assert.strictEqual(atStart.choose(request, seed), first?.instance, where)
        if (later !== undefined)
          assert.strictEqual(later.choose(request, seed), first?.instance, `${where}, prepared later`)
      }
    })
  }
}

const saysNothingOfNobody = (policy: RoutingPolicy): void =>
  visitAll(({ request, seed, where }) => {
    const { ranked, excluded } = policy.rank(request, [], seed)
    assert.deepStrictEqual([...ranked], [], where)
    assert.deepStrictEqual([...excluded], [], where)
  })

/**
 * By how much what was counted is off, as a statistic that is normal where the counts are drawn as expected: above 4.5 once
 * in 300,000 draws (χ² by Wilson and Hilferty).
 */
const surprise = (counts: ReadonlyArray<number>, expected: ReadonlyArray<number>): number => {
  const freedom = expected.filter((one) => one > 0).length - 1
  if (freedom === 0) return 0
  const sum = counts.reduce((total, count, at) => {
    const mean = expected[at] ?? 0
    return mean === 0 ? total : total + (count - mean) ** 2 / mean
  }, 0)
  const spread = 2 / (9 * freedom)
  return ((sum / freedom) ** (1 / 3) - (1 - spread)) / Math.sqrt(spread)
}

const DRAWS = 3_000

/** How often each of some candidates is ranked first, of so many seeds. */
const firsts = (
  policy: RoutingPolicy,
  request: RoutingRequest,
  candidates: ReadonlyArray<Candidate>,
  dice: SampleMarket.Dice,
): ReadonlyArray<number> => {
  const counts = candidates.map(() => 0)
  const rows = new Map(candidates.map(({ instance }, row) => [instance.id, row]))
  for (let draw = 0; draw < DRAWS; draw++) {
    const [first] = policy.rank(request, candidates, SampleMarket.seed(dice)).ranked
    const row = first === undefined ? undefined : rows.get(first.instance)
    if (row !== undefined) counts[row] = (counts[row] ?? 0) + 1
  }
  return counts
}

const asked = ({ instance: { model } }: Candidate): RoutingRequest => ({ model, contextTokens: 100, tried: [] })

/** One that the policy ranks: an idle one of which nothing is known, or else the first of the sample markets. */
const rankedBy = (policy: RoutingPolicy): Candidate => {
  const isRanked = (one: Candidate): boolean => policy.rank(asked(one), [one], 1).ranked.length > 0
  const plain: Candidate = { instance: SampleMarket.instance({ name: "any" }), inFlight: 1 }
  let found = isRanked(plain) ? plain : undefined
  visitAll(({ candidates }) => {
    found ??= candidates.find(isRanked)
  })
  return found ?? assert.fail("it ranks nobody in any of the sample markets, so nothing is shown")
}

/** A machine for each, so that nothing but the id and the machine tells them apart. */
const twins = (count: number, like: Candidate): ReadonlyArray<Candidate> =>
  Array.from({ length: count }, (_, at) => ({
    ...like,
    instance: {
      ...like.instance,
      id: InstanceId.make(`ins_twin${at}`),
      deviceId: DeviceId.make(`dev_${at.toString(16).padStart(32, "0")}`),
      memberId: MemberId.make(`mem_${at}`),
    },
  }))

const drawsTwinsEvenly = (policy: RoutingPolicy): void => {
  const like = rankedBy(policy)
  for (const name of seeds.slice(0, 3)) {
    for (const count of [2, 5, 8]) {
      const counts = firsts(policy, asked(like), twins(count, like), SampleMarket.dice(`${name} ${count}`))
      const ranked = counts.reduce((sum, one) => sum + one, 0)
      assert.strictEqual(ranked, DRAWS, `seed "${name}", ${count} twins: so many were ranked`)
      const expected = counts.map(() => DRAWS / count)
      assert.isBelow(surprise(counts, expected), 4.5, `seed "${name}", ${count} twins: ${counts.join(", ")}`)
    }
  }
}

const half = (value: number): number => Math.floor(value / 2)

const cheaper = (candidate: Candidate): Candidate => {
  const { instance, rating } = candidate
  const price = instance.price.map((line) => ({ ...line, amount: (line.amount / (2n * line.per)) * line.per }))
  const offer = rating?.offer
  return {
    ...candidate,
    instance: { ...instance, price },
    ...(offer === undefined
      ? {}
      : {
          rating: {
            ...rating,
            offer: {
              ...offer,
              inputPerMillion: offer.inputPerMillion / 2,
              outputPerMillion: offer.outputPerMillion / 2,
            },
          },
        }),
  }
}

const lessLoaded = (candidate: Candidate): Candidate => {
  const { inFlight, rating } = candidate
  if (rating === undefined) return { ...candidate, inFlight: half(inFlight) }
  const { foreign, peersInFlight } = rating
  return {
    ...candidate,
    inFlight: half(inFlight),
    rating: {
      ...rating,
      ...(foreign === undefined ? {} : { foreign: half(foreign) }),
      ...(peersInFlight === undefined ? {} : { peersInFlight: half(peersInFlight) }),
    },
  }
}

const faster = (candidate: Candidate): Candidate => {
  const { measured, rating } = candidate
  const pace = rating?.pace
  return {
    ...candidate,
    ...(measured === undefined
      ? {}
      : {
          measured: {
            firstTokenMs: four(measured.firstTokenMs, half),
            tokensPerSecond: four(measured.tokensPerSecond, (rate) => rate * 2 + 1),
          },
        }),
    ...(pace === undefined
      ? {}
      : { rating: { ...rating, pace: { firstTokenMs: half(pace.firstTokenMs), tokenUs: half(pace.tokenUs) } } }),
  }
}

const four = ([a, b, c, d]: Measured["firstTokenMs"], of: (value: number) => number): Measured["firstTokenMs"] => [
  of(a),
  of(b),
  of(c),
  of(d),
]

const sounder = (candidate: Candidate): Candidate => {
  const { rating } = candidate
  if (rating === undefined) return candidate
  const { healthBps, offer, qualityBps } = rating
  return {
    ...candidate,
    rating: {
      ...rating,
      ...(healthBps === undefined ? {} : { healthBps: 10_000 }),
      ...(qualityBps === undefined ? {} : { qualityBps: 10_000 }),
      ...(offer === undefined
        ? {}
        : { offer: { ...offer, errorBps: half(offer.errorBps), limitedBps: half(offer.limitedBps) } }),
    },
  }
}

const improvements = { cheaper, "less loaded": lessLoaded, faster, sounder }

const neverPunishes = (policy: RoutingPolicy): void => {
  let improved = 0
  visitAll(({ request, seed, candidates, where }) => {
    const place = (of: Candidate, others: ReadonlyArray<Candidate>): number =>
      policy.rank(request, others, seed).ranked.findIndex(({ instance }) => instance === of.instance.id)
    const { ranked } = policy.rank(request, candidates, seed)
    // One of those ranked, which one by the seed.
    const at = Math.abs(seed) % Math.max(1, ranked.length)
    const chosen = candidates.find(({ instance }) => instance.id === ranked[at]?.instance)
    if (chosen === undefined) return
    // One improvement at a step: each comes a few hundred times.
    for (const [how, improve] of Object.entries(improvements).slice(Math.abs(seed) % 4, (Math.abs(seed) % 4) + 1)) {
      const better = improve(chosen)
      const now = place(
        better,
        candidates.map((one) => (one === chosen ? better : one)),
      )
      const said = `${where}, ${chosen.instance.id} ${how}: place ${at} before, ${now} now`
      assert.isTrue(now >= 0 && now <= at, said)
      improved++
    }
  })
  assert.isAbove(improved, 0, "it ranks nobody in any of the sample markets, so nothing is shown")
}

const sharesAsItSays = (policy: RoutingPolicy): void => {
  const { weights } = policy
  if (weights === undefined) return
  let proved = 0
  visitAll(({ request, seed, where, ...step }) => {
    // All bonded: a policy over a filter by bonds has enough to draw from.
    const candidates = step.candidates.map((one): Candidate => ({ ...one, rating: { ...one.rating, bonded: true } }))
    const ranked = new Set(policy.rank(request, candidates, seed).ranked.map(({ instance }) => instance))
    const able = candidates.filter(({ instance }) => ranked.has(instance.id))
    // A few markets are drawn from often, rather than many seldom.
    if (able.length < 3 || proved >= 12 || Math.abs(seed) % 7 !== 0) return
    proved++
    const given = weights(request, able)
    assert.lengthOf(given, able.length, where)
    const sum = given.reduce((total, weight) => total + weight, 0)
    const expected = given.map((weight) => (weight / sum) * DRAWS)
    const counts = firsts(policy, request, able, SampleMarket.dice(where))
    counts.forEach((count, row) => {
      if (expected[row] === 0) assert.strictEqual(count, 0, `${where}: one of no weight is ranked first`)
    })
    // Rare ones together: χ² needs a few of each.
    const isRare = expected.map((one) => one > 0 && one < 5)
    const all = (values: ReadonlyArray<number>): ReadonlyArray<number> => [
      ...values.filter((_, row) => isRare[row] === false),
      values.reduce((total, one, row) => total + (isRare[row] === true ? one : 0), 0),
    ]
    assert.isBelow(surprise(all(counts), all(expected)), 4.5, `${where}: ${counts.join()} of ${expected.join()}`)
  })
  assert.isAbove(proved, 0, "it ranks fewer than three in all of the sample markets, so nothing is shown")
}

/** Features that no filter looks at. */
const forPolicies = ["affinity", "inputTokens", "outputTokens", "owed"] as const

const without = <A extends object>(whole: A, keys: ReadonlyArray<string>): Partial<A> => {
  const left: Partial<A> = { ...whole }
  for (const key of keys) Reflect.deleteProperty(left, key)
  return left
}

const readsNoMore = (policy: RoutingPolicy): void => {
  const { reads } = policy
  if (reads === undefined) return
  const isRead = new Set<string>(reads)
  const features = forPolicies.filter((one) => !isRead.has(one))
  const parts = readableRating.filter((one) => !isRead.has(one))
  visitAll(({ request, seed, candidates, where }) => {
    const known = request.features === undefined ? undefined : without(request.features, features)
    const buyer = known?.buyer
    const less: RoutingRequest = {
      ...request,
      features: {
        ...known,
        // Filters read who the buyer is; its class is for policies.
        ...(buyer === undefined || isRead.has("buyer") ? {} : { buyer: { ...buyer, class: "standard" } }),
      },
    }
    const poorer = candidates.map((one): Candidate => ({
      ...one,
      rating: one.rating === undefined ? undefined : without(one.rating, parts),
    }))
    assert.strictEqual(said(policy.rank(less, poorer, seed)), said(policy.rank(request, candidates, seed)), where)
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
    test: "The order in which candidates are given does not change the ranking nor any reason.",
    proof: ignoresOrder,
  },
  {
    number: 5,
    test: "If there is a fast form, it chooses what the reference form ranks first, in the order that the buyer prefers, for every directory, request and seed.",
    proof: choosesTheSame,
  },
  {
    number: 6,
    test: "Where there are no candidates, nobody is ranked and nobody is left out.",
    proof: saysNothingOfNobody,
  },
  {
    number: 7,
    test: "Instances that differ in nothing but their id are ranked first equally often.",
    proof: drawsTwinsEvenly,
  },
  {
    number: 8,
    test: "An instance that gets cheaper, less loaded, faster or sounder, with all others as they were, is not ranked lower for the same seed.",
    proof: neverPunishes,
  },
  {
    number: 9,
    test: "A policy that says its weights ranks each first as often as its weight says.",
    proof: sharesAsItSays,
  },
  {
    number: 10,
    test: "A policy that says what it reads ranks the same where the rest is not known.",
    proof: readsNoMore,
  },
]

/** A policy is a value, so there is no layer to build. */
const port = (policy: RoutingPolicy): Conformance.Port<never> => ({
  name: "RoutingPolicy",
  guarantees: guarantees.map(({ proof, ...guarantee }) => ({ ...guarantee, proof: Effect.sync(() => proof(policy)) })),
  clock: "virtual",
})

/** What is not asked of a policy that says nothing of it. */
const notAsked = ({ prepare, reads, weights }: RoutingPolicy): ReadonlyArray<Conformance.Skip> => [
  ...(prepare === undefined ? [{ test: 5, reason: "not asked: it has no fast form" }] : []),
  ...(weights === undefined ? [{ test: 9, reason: "not asked: it says no weights" }] : []),
  ...(reads === undefined ? [{ test: 10, reason: "not asked: it does not say what it reads" }] : []),
]

/**
 * Proves a policy. A guarantee that a policy cannot keep is skipped with its reason, which is printed; so is one about what the
 * policy does not have: a fast form, weights, or what it reads.
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
export const suite = (name: string, policy: RoutingPolicy, { skip = [] }: Conformance.Options = {}): void => {
  const told = new Set(skip.map(({ test }) => test))
  const quiet = notAsked(policy).filter(({ test }) => !told.has(test))
  Conformance.suite(port(policy))(name, Layer.empty, { skip: [...skip, ...quiet] })
}

/**
 * Proves that the suite bites: on this policy the guarantee with this number must fail.
 *
 * @category suites
 * @since 0.1.0
 */
export const breaks = (name: string, policy: RoutingPolicy, number: number): void =>
  Conformance.breaks(port(policy))(name, Layer.empty, number)
