/**
 * An audit: every decision of an export is made again by the pure policy, on the log as it was published, and what the
 * receipts say of both is checked. Nothing but the file and the policy is needed.
 *
 * @since 0.1.0
 */
import type * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import type { InstanceId } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { RequestId } from "@guildhall/core/Request"
import { type Contents, type Decided, type Head, subjectOf } from "./AuditFile.ts"
import type { Directory } from "./Directory.ts"
import * as Explain from "./Explain.ts"
import * as LogReplay from "./LogReplay.ts"
import * as Promised from "./Promised.ts"
import type { RoutingPolicy } from "./RoutingPolicy.ts"
import * as RoutingProof from "./RoutingProof.ts"

/**
 * A choice that the policy does not make: for an attempt (from 1) of a request, the instance that was chosen and the one that
 * should have been, each null for none, and why.
 *
 * @category models
 * @since 0.1.0
 */
export interface Difference {
  readonly request: RequestId
  readonly attempt: number
  readonly replica: string
  readonly version: number
  readonly chosen: InstanceId | null
  readonly expected: InstanceId | null
  readonly because: string
}

/**
 * A receipt whose proof does not hold: the decision, or whose it is, is another than it was made for, or the log does not lead to it.
 *
 * @category models
 * @since 0.1.0
 */
export interface BrokenProof {
  readonly request: RequestId
  readonly of: "decision" | "log"
}

/**
 * What an audit found. Lists hold at most {@link LISTED_MAX} items; `counts` has all of them.
 *
 * - `attempts` were made again; `differing` of them came out otherwise.
 * - `beyondLog` and `otherPolicy` could not be: the log does not reach, or it was a policy that is not here.
 * - `proved` receipts hold in full; `brokenProofs` do not; `beyondProof` begin or end where the log has nothing; `unproved`
 *   requests have none (refused before anything was held, recovered after a crash, or of an earlier release).
 * - `isFileAltered` says that the file does not fit the digest in its last line, which finds accidents: whoever writes a file can
 *   make it anew. `definitions` are those under which requests began, with how many did; `isHead` where the head names it.
 * - `guaranteed` says of each model how the share was kept that the policy promises to guaranteed tiers, where it does. That it was
 *   not is nothing wrong by itself: an instance that failed or was full takes no more.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly differences: ReadonlyArray<Difference>
  readonly proofs: ReadonlyArray<BrokenProof>
  readonly findings: ReadonlyArray<LogReplay.Finding>
  readonly otherPolicies: ReadonlyArray<string>
  readonly isFileAltered: boolean
  readonly definitions: ReadonlyArray<{
    readonly definition: string
    readonly decisions: number
    readonly isHead: boolean
  }>
  readonly guaranteed: ReadonlyArray<Promised.Promised & { readonly model: ModelId }>
  readonly counts: {
    readonly replicas: number
    readonly segments: number
    readonly decisions: number
    readonly attempts: number
    readonly differing: number
    readonly beyondLog: number
    readonly otherPolicy: number
    readonly proved: number
    readonly brokenProofs: number
    readonly beyondProof: number
    readonly unproved: number
    readonly altered: number
    readonly gaps: number
  }
}

/**
 * The most differences, broken proofs and findings that a report lists, of each.
 *
 * @category constants
 * @since 0.1.0
 */
export const LISTED_MAX = 1_000

/**
 * Whether nothing is wrong, and something was looked at. Gaps that the log itself tells, and the open end of a log that is
 * still being written, are not wrong: what was decided there is counted as not made again. Where that is everything, or where no
 * proof of all decisions holds, it is wrong: nothing was shown.
 *
 * @category rules
 * @since 0.1.0
 */
export const isSound = ({ counts, isFileAltered }: Report): boolean =>
  !isFileAltered &&
  counts.differing === 0 &&
  counts.brokenProofs === 0 &&
  counts.altered === 0 &&
  (counts.decisions === 0 || (counts.attempts > 0 && counts.proved > 0))

/** Reasons for which a request ends before anything is sent, whatever the router says. */
const UNSENT: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  "service_unavailable",
  "client_closed_request",
  "hold_expired",
  "insufficient_funds",
])

/** The difference of one attempt, if there is one. An attempt without an instance says that none was left. */
const differenceOf = (
  policy: RoutingPolicy,
  directory: Directory,
  decided: Decided,
  at: number,
): Difference | undefined => {
  const { decision, id: request, reason } = decided
  const chosen = decision.attempts[at]?.instance ?? null
  const version = decision.attempts[at]?.version ?? decision.version
  const { excluded, ranked } = Explain.rankingOf(policy, directory, decision, at)
  const differs = (expected: InstanceId | null, because: string): Difference => {
    const { replica } = decision
    return { request, attempt: at + 1, replica, version, chosen, expected, because }
  }
  if (chosen === null && reason !== null && UNSENT.has(reason)) return undefined
  const passed = Explain.passedOver(decision, at)
  if (passed === undefined) return differs(null, "its model was not asked for")
  for (const model of passed) {
    const free = Explain.rankingOf(policy, directory, decision, at, model).ranked[0]
    if (free === undefined) continue
    if (chosen === null) return differs(free.instance, `it was free to serve in its model's place: ${free.because}`)
    return differs(free.instance, `its model, ${model}, comes first, and it was free to serve: ${free.because}`)
  }
  const [best] = ranked
  const expected = best?.instance ?? null
  if (expected === chosen) return undefined
  if (chosen === null) return differs(expected, `it was free to serve: ${best?.because ?? ""}`)
  const rank = ranked.findIndex(({ instance }) => instance === chosen)
  const code = excluded.find(({ instance }) => instance === chosen)?.code
  const instead = best === undefined ? "none was left" : `the first is there for: ${best.because}`
  if (rank > 0) return differs(expected, `it is number ${rank + 1}, for: ${ranked[rank]?.because ?? ""}; ${instead}`)
  return differs(
    expected,
    `${code === undefined ? "it was no instance of the model" : `it was left out: ${code}`}; ${instead}`,
  )
}

/** Collects what is found. */
class Tally {
  readonly differences: Array<Difference> = []
  readonly proofs: Array<BrokenProof> = []
  readonly findings: Array<LogReplay.Finding> = []
  readonly otherPolicies = new Set<string>()
  readonly promised = new Map<ModelId, ReturnType<typeof Promised.make>>()
  readonly counts = {
    attempts: 0,
    differing: 0,
    beyondLog: 0,
    otherPolicy: 0,
    proved: 0,
    brokenProofs: 0,
    beyondProof: 0,
    unproved: 0,
    altered: 0,
    gaps: 0,
  }

  differs(difference: Difference): void {
    this.counts.differing++
    if (this.differences.length < LISTED_MAX) this.differences.push(difference)
  }

  promises(model: ModelId, seen: Promised.Seen): void {
    const known = this.promised.get(model)
    const count = known ?? Promised.make()
    if (known === undefined) this.promised.set(model, count)
    count.add(seen)
  }

  breaks(proof: BrokenProof): void {
    this.counts.brokenProofs++
    if (this.proofs.length < LISTED_MAX) this.proofs.push(proof)
  }

  finds(finding: LogReplay.Finding): void {
    if (finding.kind === "Gap") this.counts.gaps++
    else this.counts.altered++
    if (this.findings.length < LISTED_MAX) this.findings.push(finding)
  }
}

/** Takes in what a decision was at its first attempt, for what is promised: at its model, and at those that had nobody left. */
const countPromised = (policy: RoutingPolicy, directory: Directory, decided: Decided, tally: Tally): void => {
  const { decision, reason } = decided
  const chosen = decision.attempts[0]?.instance
  if (policy.guaranteedPercent === undefined) return
  if (chosen === undefined && reason !== null && UNSENT.has(reason)) return
  for (const model of [undefined, ...(Explain.passedOver(decision, 0) ?? [])]) {
    const request = Explain.requestOf(decision, 0, model)
    if (request === undefined) continue
    const candidates = directory.candidates(request.model)
    const ranking = Explain.rankingOf(policy, directory, decision, 0, model)
    tally.promises(request.model, {
      policy,
      request,
      candidates,
      ranking,
      chosen: model === undefined ? chosen : undefined,
    })
  }
}

const visitsOf = (
  policies: ReadonlyMap<string, RoutingPolicy>,
  decided: Decided,
  tally: Tally,
): ReadonlyArray<LogReplay.Visit> => {
  const { decision } = decided
  const policy = policies.get(decision.policy)
  if (policy === undefined) {
    tally.counts.otherPolicy++
    tally.otherPolicies.add(decision.policy)
    return []
  }
  const versions = decision.attempts.length === 0 ? [decision] : decision.attempts
  return versions.map(({ version }, at) => ({
    version,
    see: (directory) => {
      if (directory === undefined) {
        tally.counts.beyondLog++
        return
      }
      tally.counts.attempts++
      if (at === 0) countPromised(policy, directory, decided, tally)
      const difference = differenceOf(policy, directory, decided, at)
      if (difference !== undefined) tally.differs(difference)
    },
  }))
}

const proofOf = (head: Head, decided: Decided, tally: Tally): ReadonlyArray<LogReplay.ProofSeen> => {
  const { decision, id: request, proof, salt } = decided
  if (proof === null && salt === null) {
    tally.counts.unproved++
    return []
  }
  const subject = subjectOf(head, decided)
  const isWhole = proof !== null && salt !== null && subject !== undefined
  if (!isWhole || !RoutingProof.covers(proof, decision, salt, subject)) {
    tally.breaks({ request, of: "decision" })
    return []
  }
  return [
    {
      proof,
      tell: (fits) => {
        if (fits === undefined) tally.counts.beyondProof++
        else if (fits) tally.counts.proved++
        else tally.breaks({ request, of: "log" })
      },
    },
  ]
}

const definitionsOf = (head: Head, decisions: ReadonlyArray<Decided>): Report["definitions"] => {
  const found = new Map<string, number>()
  for (const { definition } of decisions) {
    if (definition !== null) found.set(definition, (found.get(definition) ?? 0) + 1)
  }
  return [...found].map(([definition, count]) => ({
    definition,
    decisions: count,
    isHead: definition === head.definition,
  }))
}

const byReplica = (decisions: ReadonlyArray<Decided>): ReadonlyMap<string, ReadonlyArray<Decided>> => {
  const found = new Map<string, Array<Decided>>()
  for (const decided of decisions) {
    const others = found.get(decided.decision.replica)
    if (others === undefined) found.set(decided.decision.replica, [decided])
    else others.push(decided)
  }
  return found
}

/**
 * Audits an export with the policies of its head, by name (see `NamedPolicies.resolve`). `progress` is called after each segment with how many attempts were made
 * again so far.
 *
 * @category rules
 * @since 0.1.0
 */
export const run = Effect.fn("Audit.run")(function* (
  { decisions, head, isAltered, segments }: Contents,
  policies: ReadonlyMap<string, RoutingPolicy>,
  progress: (attempts: number) => Effect.Effect<void> = () => Effect.void,
): Effect.fn.Return<Report, never, Digest.Digest> {
  const tally = new Tally()
  const made = byReplica(decisions)
  const replicas = new Set([...segments.keys(), ...made.keys()])
  for (const replica of replicas) {
    const decided = made.get(replica) ?? []
    const findings = yield* LogReplay.walk(segments.get(replica) ?? [], {
      visits: decided.flatMap((one) => visitsOf(policies, one, tally)),
      proofs: decided.flatMap((one) => proofOf(head, one, tally)),
      progress: () => progress(tally.counts.attempts),
    })
    for (const finding of findings) tally.finds(finding)
  }
  let segmentCount = 0
  for (const list of segments.values()) segmentCount += list.length
  return {
    differences: tally.differences,
    proofs: tally.proofs,
    findings: tally.findings,
    otherPolicies: [...tally.otherPolicies],
    isFileAltered: isAltered,
    definitions: definitionsOf(head, decisions),
    guaranteed: [...tally.promised].flatMap(([model, count]) => {
      const found = count.report()
      return found === undefined ? [] : [{ model, ...found }]
    }),
    counts: { replicas: replicas.size, segments: segmentCount, decisions: decisions.length, ...tally.counts },
  }
})
