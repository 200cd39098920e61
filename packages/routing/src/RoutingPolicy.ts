/**
 * PORT. Who serves a request: a pure ranking of candidates. No clock, no I/O, no hidden randomness: the same request,
 * candidates and seed give the same ranking, in the gateway, in a simulator and in an auditor's hands.
 *
 * Guarantees, each proved by `RoutingPolicyTest.suite`:
 *
 * 1. The same request, candidates and seed give the same ranking, and no argument is changed.
 * 2. Every candidate is either ranked or excluded with a reason code, never both and never neither.
 * 3. No candidate is ranked that serves another model or endpoint, is not online, is full, is too short, was tried before, or is not what the buyer asked for.
 * 4. The order in which candidates are given does not change the ranking nor any reason.
 * 5. If there is a fast form, it chooses what the reference form ranks first, in the order that the buyer prefers, for every directory, request and seed.
 * 6. Where there are no candidates, nobody is ranked and nobody is left out.
 * 7. Instances that differ in nothing but their id are ranked first equally often.
 * 8. An instance that gets cheaper, less loaded, faster or sounder, with all others as they were, is not ranked lower for the same seed.
 * 9. A policy that says its weights ranks each first as often as its weight says.
 * 10. A policy that says what it reads ranks the same where the rest is not known.
 *
 * @since 0.1.0
 */
import type { Measured } from "@guildhall/core/DirectoryEvent"
import type { Endpoint } from "@guildhall/core/Endpoint"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import * as Parts from "@guildhall/core/Parts"
import type { ProviderPreferences } from "@guildhall/core/ProviderPreferences"
import type { Rating } from "@guildhall/core/Rating"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { RoutingFeatures } from "@guildhall/core/RoutingFeatures"

/**
 * An instance with what the directory knows of it now; `inFlight` are this gateway's own requests. `measured` is absent
 * while too little was seen of it, `rating` while nothing is known.
 *
 * @category models
 * @since 0.1.0
 */
export interface Candidate {
  readonly instance: Instance
  readonly inFlight: number
  readonly measured?: Measured | undefined
  readonly rating?: Rating | undefined
}

/**
 * What the ranking needs to know of a request. `contextTokens` is an upper bound of prompt and answer together; `endpoint`
 * is how it came in, chat completions where it is absent. `preferences` are the buyer's own, where it has any; `features`
 * is what the market knows of the request.
 *
 * @category models
 * @since 0.1.0
 */
export interface RoutingRequest {
  readonly model: ModelId
  readonly contextTokens: number
  readonly tried: ReadonlyArray<InstanceId>
  readonly endpoint?: Endpoint | undefined
  readonly preferences?: ProviderPreferences | undefined
  readonly features?: RoutingFeatures | undefined
}

/**
 * The answer: the best first, each with why it stands there (a short phrase with figures), and the ones left out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ranking {
  readonly ranked: ReadonlyArray<{ readonly instance: InstanceId; readonly because: string }>
  readonly excluded: ReadonlyArray<{ readonly instance: InstanceId; readonly code: ReasonCode }>
}

/**
 * What a fast form needs from the directory: the candidates of a model, and to be told of every change.
 *
 * @category models
 * @since 0.1.0
 */
export interface DirectoryView {
  readonly candidates: (model: ModelId) => Iterable<Candidate>
  readonly candidate: (id: InstanceId) => Candidate | undefined
  readonly onChange: (listener: (id: InstanceId) => void) => void
}

/**
 * What is worked out only where a policy or a filter reads it: the features of a request, and the parts of an instance's rating
 * that change with nearly every request.
 *
 * @category models
 * @since 0.1.0
 */
export type Readable = keyof RoutingFeatures | (typeof readableRating)[number]

/** The parts of a rating that are worked out only where they are read. @category constants @since 0.1.0 */
export const readableRating = ["healthBps", "pace", "offer"] as const satisfies ReadonlyArray<keyof Rating>

/**
 * The port. `rank` is the reference; `prepare` may keep an index of a directory and answer the first choice only. A policy
 * that draws by weight may say which: `weights` gives, for candidates that all may serve, how often each is ranked first
 * compared with the others. `reads` is what it looks at of what must be worked out, all of it where it does not say: what nobody
 * reads is neither worked out nor kept.
 *
 * @category models
 * @since 0.1.0
 */
export interface RoutingPolicy {
  readonly name: string
  readonly version: number
  readonly rank: (request: RoutingRequest, candidates: ReadonlyArray<Candidate>, seed: number) => Ranking
  readonly prepare?: (directory: DirectoryView) => {
    readonly choose: (request: RoutingRequest, seed: number) => InstanceId | undefined
  }
  /** Which percentage of the requests that they could take it promises to instances of guaranteed tiers, where it does. */
  readonly guaranteedPercent?: number | undefined
  readonly weights?: (request: RoutingRequest, candidates: ReadonlyArray<Candidate>) => ReadonlyArray<number>
  readonly reads?: ReadonlyArray<Readable>
}

/**
 * The kind under which a market definition names a policy.
 *
 * @category parts
 * @since 0.1.0
 */
export const RoutingPolicy: Parts.Kind<RoutingPolicy> = Parts.kind("routing policy")
