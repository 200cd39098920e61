/**
 * Why a provider was not routed to: over many requests, what became of its instances at each, and which one change would have
 * won the most of them, found by running the pure policy again with that change.
 *
 * @since 0.1.0
 */
import type { DeviceId } from "@guildhall/core/Device"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { MemberId } from "@guildhall/core/Member"
import type { ModelId } from "@guildhall/core/Model"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { RoutingDecision } from "@guildhall/journal/JournalEntry"
import type { Directory } from "./Directory.ts"
import * as Explain from "./Explain.ts"
import { closest } from "./Filter.ts"
import { type Lever, levers } from "./internal/Levers.ts"
import * as Preferred from "./Preferred.ts"
import * as Promised from "./Promised.ts"
import type { Candidate, Ranking, RoutingPolicy, RoutingRequest } from "./RoutingPolicy.ts"

/**
 * Whose instances are meant: those that fit all that is given.
 *
 * @category models
 * @since 0.1.0
 */
export interface Target {
  readonly member?: MemberId | undefined
  readonly device?: DeviceId | undefined
  readonly instance?: InstanceId | undefined
}

/**
 * A change that could have been made, for one request at a time; nothing else is changed, at this provider or another.
 *
 * - `online`: it is. `price`: that of the instance that was ranked first. `concurrency`: twice as much.
 * - `health`: no failures of late. `speed`: that of the first. `declarations`: it understands, and stands where, the request asks.
 * - `context`: as long as needed. `stake`, `quality`: as the first's. `age`: no longer new. `confidential`: it is.
 *
 * @category models
 * @since 0.1.0
 */
export type Change = keyof typeof levers

/**
 * The changes, in the order in which equals are told.
 *
 * @category constants
 * @since 0.1.0
 */
export const changes: ReadonlyArray<Change> = [
  "online",
  "price",
  "concurrency",
  "health",
  "speed",
  "declarations",
  "context",
  "stake",
  "quality",
  "age",
  "confidential",
]

/**
 * What became of the requests of the models that the provider serves.
 *
 * - `requests` is the sum of `served` (at any attempt), `outranked`, `excluded` and `absent` (no instance was listed).
 * - `reasons`: for `excluded`, how often each code; of several instances, the one that came closest counts.
 * - `terms`: for `outranked`, the first words in which its reason differs from the first's, with figures as `n`; `example` are
 *   both reasons in full, at one such request, and `rank` is where it stood.
 * - `guaranteed`: for a provider of a guaranteed tier, under a policy that promises such tiers a share: how that was kept, of the
 *   requests that its own could take.
 * - `changes`: how many of the `tried` requests each change would have won, most first, none left out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly requests: number
  readonly served: number
  readonly outranked: number
  readonly excluded: number
  readonly absent: number
  readonly reasons: ReadonlyArray<{ readonly code: ReasonCode; readonly count: number }>
  readonly terms: ReadonlyArray<{
    readonly term: string
    readonly count: number
    readonly example: { readonly rank: number; readonly mine: string; readonly first: string }
  }>
  readonly guaranteed?: Promised.Promised
  readonly tried: number
  readonly changes: ReadonlyArray<{ readonly change: Change; readonly wins: number }>
}

/** So many candidates are ranked with changes at most, all requests together; what comes later is counted, and not tried. */
const RANKED_MAX = 1_000_000
/** Terms are words of a policy. More of them than this are none. */
const TERMS_MAX = 50

const fits = ({ device, instance, member }: Target, one: Instance): boolean =>
  (member === undefined || one.memberId === member) &&
  (device === undefined || one.deviceId === device) &&
  (instance === undefined || one.id === instance)

const words = (phrase: string): string => phrase.replace(/-?\d[\d.]*(?:e[+-]?\d+)?/g, "n")

/** The first part of a reason that is said of both, and differently; or the whole where they have no such part. */
const termOf = (mine: string, first: string): string => {
  const others = first.split(", ")
  const at = mine.split(", ").findIndex((part, index) => part !== others[index])
  return words(mine.split(", ")[at] ?? mine)
}

interface Term {
  count: number
  readonly example: Report["terms"][number]["example"]
}

const countUp = <K>(counts: Map<K, number>, key: K): void => void counts.set(key, (counts.get(key) ?? 0) + 1)

const ranked = (policy: RoutingPolicy, request: RoutingRequest, candidates: ReadonlyArray<Candidate>, seed: number) =>
  Preferred.rank(policy, request, candidates, seed)

/** What a provider's requests come to, model by model until it is known which models it serves. */
class Tally {
  readonly absent = new Map<ModelId, number>()
  readonly models = new Set<ModelId>()
  readonly reasons = new Map<ReasonCode, number>()
  readonly terms = new Map<string, Term>()
  readonly wins = new Map<Change, number>()
  served = 0
  outranked = 0
  excluded = 0
  tried = 0
  rankedCount = 0
  readonly promised = Promised.make()
}

/**
 * Makes the count for one policy and one provider. `add` takes a decision with the directory as it stood at the first attempt
 * (or at the decision's version, where there was none); `report` says what it all came to.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (target: Target) => {
  const tally = new Tally()

  const tryChanges = (
    policy: RoutingPolicy,
    request: RoutingRequest,
    candidates: ReadonlyArray<Candidate>,
    mine: ReadonlySet<InstanceId>,
    ranking: Ranking,
    seed: number,
  ): void => {
    const cost = candidates.length * changes.length
    if (tally.rankedCount + cost > RANKED_MAX) return
    tally.rankedCount += cost
    tally.tried++
    const best = ranking.ranked[0]?.instance
    const first = candidates.find(({ instance }) => instance.id === best)
    const changed = (lever: Lever) =>
      candidates.map((one) => (mine.has(one.instance.id) ? lever(one, first, request) : one))
    for (const change of changes) {
      const winner = ranked(policy, request, changed(levers[change]), seed).ranked[0]?.instance
      if (winner !== undefined && mine.has(winner)) countUp(tally.wins, change)
    }
  }

  const lose = (ranking: Ranking, mine: ReadonlySet<InstanceId>): void => {
    const rank = ranking.ranked.findIndex(({ instance }) => mine.has(instance))
    const [own, first] = [ranking.ranked[rank], ranking.ranked[0]]
    if (own === undefined || first === undefined) {
      tally.excluded++
      const code = closest(ranking.excluded.flatMap(({ code, instance }) => (mine.has(instance) ? [code] : [])))
      if (code !== undefined) countUp(tally.reasons, code)
      return
    }
    tally.outranked++
    const term = termOf(own.because, first.because)
    const known = tally.terms.get(term)
    if (known !== undefined) known.count++
    else if (tally.terms.size < TERMS_MAX) {
      tally.terms.set(term, { count: 1, example: { rank: rank + 1, mine: own.because, first: first.because } })
    }
  }

  /** Whom a request could go to, and which of them are the provider's. */
  const at = (directory: Directory, request: RoutingRequest) => {
    const candidates = directory.candidates(request.model)
    const mine = new Set(candidates.flatMap(({ instance }) => (fits(target, instance) ? [instance.id] : [])))
    return { request, candidates, mine }
  }

  const add = (policy: RoutingPolicy, directory: Directory, decision: RoutingDecision): void => {
    const first = Explain.requestOf(decision, 0)
    if (first === undefined) return
    let found = at(directory, first)
    // Where another model took the place of the provider's, it was at its own that it was not routed to.
    for (const model of Explain.passedOver(decision, 0) ?? []) {
      const request = found.mine.size === 0 ? Explain.requestOf(decision, 0, model) : undefined
      if (request !== undefined) found = at(directory, request)
    }
    const { candidates, mine, request } = found
    if (mine.size === 0) return countUp(tally.absent, first.model)
    tally.models.add(request.model)
    const isOwn = (id: InstanceId): boolean => mine.has(id)
    const chosen = decision.attempts[0]?.instance
    const seen = { policy, request, candidates, chosen, isOwn }
    if (decision.attempts.some(({ instance }) => mine.has(instance))) {
      tally.served++
      return tally.promised.add({ ...seen, ranking: undefined })
    }
    const ranking = ranked(policy, request, candidates, decision.seed)
    tally.promised.add({ ...seen, ranking })
    lose(ranking, mine)
    tryChanges(policy, request, candidates, mine, ranking, decision.seed)
  }

  const report = (): Report => {
    const { excluded, outranked, served, tried } = tally
    const guaranteed = tally.promised.report()
    const absent = [...tally.models].reduce((sum, model) => sum + (tally.absent.get(model) ?? 0), 0)
    return {
      requests: served + outranked + excluded + absent,
      served,
      outranked,
      excluded,
      absent,
      reasons: [...tally.reasons].map(([code, count]) => ({ code, count })).sort((a, b) => b.count - a.count),
      terms: [...tally.terms].map(([term, rest]) => ({ term, ...rest })).sort((a, b) => b.count - a.count),
      ...(guaranteed === undefined ? {} : { guaranteed }),
      tried,
      changes: changes.map((change) => ({ change, wins: tally.wins.get(change) ?? 0 })).sort((a, b) => b.wins - a.wins),
    }
  }

  return { add, report } as const
}

/**
 * {@link make} for decisions whose directories are at hand: a pure function.
 *
 * @category rules
 * @since 0.1.0
 */
export const whyNot = (
  policy: RoutingPolicy,
  target: Target,
  seen: Iterable<{ readonly decision: RoutingDecision; readonly directory: Directory }>,
): Report => {
  const { add, report } = make(target)
  for (const { decision, directory } of seen) add(policy, directory, decision)
  return report()
}
