/**
 * A routing decision, computed again: the directory as it was, rebuilt from the journal's segments, and the policy's
 * reference form run on it. Nothing but the log, the decision and the policy is needed, so an auditor can do the same.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { ReasonCode } from "@guildhall/core/Reason"
import { type InstanceId, isAttested } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import type { DirectorySegment } from "@guildhall/journal/Journal"
import type { RoutingDecision } from "@guildhall/journal/JournalEntry"
import { Directory } from "./Directory.ts"
import * as DirectoryLog from "./DirectoryLog.ts"
import * as DirectoryText from "./DirectoryText.ts"
import { closest, ofAll } from "./Filter.ts"
import * as Preferred from "./Preferred.ts"
import type { Ranking, RoutingPolicy, RoutingRequest } from "./RoutingPolicy.ts"

/**
 * The explanation of a decision: what each attempt's ranking was, computed again from the directory's log as it stood
 * when the attempt was made. An attempt without an instance is one for which none was left. `model` is the one that took the
 * place of the one that was asked for, where one did, and `passed` are the models that had nobody left. `unattested` are the
 * instances in its ranking that no device key stands behind.
 *
 * @category models
 * @since 0.1.0
 */
export interface Explanation {
  readonly policy: string
  readonly version: number
  readonly seed: number
  readonly attempts: ReadonlyArray<{
    readonly chosen: InstanceId | null
    readonly model: ModelId | null
    readonly reason: ReasonCode | null
    readonly ranking: Ranking
    readonly passed: ReadonlyArray<{ readonly model: ModelId; readonly ranking: Ranking }>
    readonly unattested: ReadonlyArray<InstanceId>
  }>
}

/**
 * Why a decision cannot be explained.
 *
 * - `Gap`: the log does not reach the version; the journal was away, or the process died before it wrote it.
 * - `UnknownPolicy`: it was made under a policy that this router does not have.
 * - `Altered`: a segment does not fit its hash, or the one before it, or cannot be read.
 *
 * @category errors
 * @since 0.1.0
 */
export class ExplainError extends Schema.TaggedError<ExplainError>()("ExplainError", {
  reason: Schema.Literals(["Gap", "UnknownPolicy", "Altered"]),
  detail: Schema.String,
}) {
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    switch (this.reason) {
      case "Gap":
        return `The decision cannot be explained: the directory's log is incomplete. ${this.detail}`
      case "UnknownPolicy":
        return `The decision cannot be explained: ${this.detail} Add it to the router's former policies.`
      case "Altered":
        return `The decision cannot be explained: the directory's log was altered. ${this.detail} Compare it with a backup.`
    }
  }
}

const altered = (detail: string) => new ExplainError({ reason: "Altered", detail })

/**
 * Rebuilds a directory at a version from segments as `Journal.directory.upTo` gives them, checking every hash and
 * every link of the chain.
 *
 * @category rules
 * @since 0.1.0
 */
export const rebuild = Effect.fnUntraced(function* (segments: ReadonlyArray<DirectorySegment>, version: number) {
  const directory = new Directory()
  let before: DirectorySegment | undefined
  for (const segment of segments) {
    const name = `The ${segment.kind} after version ${segment.version} of ${segment.replica}`
    const parsed = DirectoryLog.parse(segment)
    if (parsed === undefined) return yield* altered(`${name} cannot be read.`)
    if ((yield* DirectoryLog.hashOf(segment)) !== segment.hash) return yield* altered(`${name} does not fit its hash.`)
    if (before !== undefined && parsed.previous !== before.hash && segment.version === before.toVersion) {
      return yield* altered(`${name} does not follow the segment before it.`)
    }
    if (segment.kind === "changes" && segment.version > directory.version) break
    before = segment
    const read =
      segment.kind === "snapshot"
        ? DirectoryText.restore(directory, segment.version, parsed.text)
        : DirectoryText.replay(directory, parsed.text, version)
    if (Result.isFailure(read)) return yield* altered(`${name}: ${read.failure}`)
  }
  if (directory.version !== version) {
    const detail = `It reaches version ${directory.version}, and the decision was made at ${version}.`
    return yield* new ExplainError({ reason: "Gap", detail })
  }
  return directory
})

const isModel = Schema.is(ModelId)

/** A buyer may name a model that cannot exist; no instance serves it. */
const modelOf = ({ model }: RoutingDecision): ModelId | undefined => (isModel(model) ? model : undefined)

/**
 * The models that had nobody left at one attempt of a decision, the number `at` from 0: those that come before the attempt's
 * own, and where there was no attempt, all others than the first. `undefined` where the attempt's model is none that was asked
 * for. Decisions of earlier releases do not tell what was, and give none.
 *
 * @category rules
 * @since 0.1.0
 */
export const passedOver = (decision: RoutingDecision, at: number): ReadonlyArray<ModelId> | undefined => {
  const { attempts, fallbacks, model } = decision
  if (fallbacks === undefined) return []
  const attempt = attempts[at]
  if (attempt === undefined) return fallbacks.filter(isModel)
  const models = [model, ...fallbacks]
  const own = models.indexOf(attempt.model ?? model)
  return own === -1 ? undefined : models.slice(0, own).filter(isModel)
}

/**
 * What the router was asked for one attempt of a decision: the number `at`, from 0, of its model or another that was asked for.
 * `undefined` where the buyer named a model that cannot exist.
 *
 * @category rules
 * @since 0.1.0
 */
export const requestOf = (
  decision: RoutingDecision,
  at: number,
  model: ModelId | undefined = decision.attempts[at]?.model ?? modelOf(decision),
): RoutingRequest | undefined => {
  const { attempts, contextTokens, endpoint, features, preferences } = decision
  const tried = attempts.slice(0, at).map(({ instance }) => instance)
  return model === undefined ? undefined : { model, contextTokens, tried, endpoint, preferences, features }
}

/**
 * Computes the ranking of one attempt of a decision, on the directory as it stood then; at its model, or another one that was
 * asked for.
 *
 * @category rules
 * @since 0.1.0
 */
export const rankingOf = (
  policy: RoutingPolicy,
  directory: Directory,
  decision: RoutingDecision,
  at: number,
  model?: ModelId,
): Ranking => {
  const request = requestOf(decision, at, model)
  if (request === undefined) return { ranked: [], excluded: [] }
  return Preferred.rank(policy, request, directory.candidates(request.model), decision.seed)
}

/** The instances of a ranking that no device key stands behind. */
const unattestedIn = (directory: Directory, { excluded, ranked }: Ranking): ReadonlyArray<InstanceId> =>
  [...ranked, ...excluded].flatMap(({ instance: id }) => {
    const candidate = directory.candidate(id)
    return candidate === undefined || isAttested(candidate.instance) ? [] : [id]
  })

/**
 * Computes a decision's rankings. `directories` are the directory as it stood at each attempt, in their order; for a
 * decision without attempts, as it stood at the decision's version.
 *
 * @category rules
 * @since 0.1.0
 */
export const recompute = (
  policy: RoutingPolicy,
  directories: readonly [Directory, ...Array<Directory>],
  decision: RoutingDecision,
): Explanation => {
  const [first] = directories
  const passed = (directory: Directory, at: number) =>
    (passedOver(decision, at) ?? []).map((model) => {
      return { model, ranking: rankingOf(policy, directory, decision, at, model) }
    })
  const attempts: Array<Explanation["attempts"][number]> = decision.attempts.map((attempt, at) => {
    const directory = directories[at] ?? first
    const ranking = rankingOf(policy, directory, decision, at)
    return {
      chosen: attempt.instance,
      model: attempt.model ?? null,
      reason: attempt.reason ?? null,
      ranking,
      passed: passed(directory, at),
      unattested: unattestedIn(directory, ranking),
    }
  })
  if (attempts.length === 0) {
    const ranking = rankingOf(policy, first, decision, 0)
    const model = modelOf(decision)
    const known = model !== undefined && first.offered.has(model)
    const reason = known ? ofAll(closest(ranking.excluded.map(({ code }) => code))) : "model_not_found"
    const unattested = unattestedIn(first, ranking)
    attempts.push({ chosen: null, model: null, reason, ranking, passed: passed(first, 0), unattested })
  }
  return { policy: decision.policy, version: decision.version, seed: decision.seed, attempts }
}
