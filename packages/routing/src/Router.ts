/**
 * The live directory and the policy over it. Synchronous, in memory: a choice costs microseconds.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { DirectoryEvent } from "@guildhall/core/DirectoryEvent"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { JournalError } from "@guildhall/journal/Journal"
import type { RoutingDecision } from "@guildhall/journal/JournalEntry"
import type { Ranking, RoutingRequest } from "./RoutingPolicy.ts"

/**
 * A choice, or why there is none. `reason` is the one to show the buyer: of the reasons for which candidates were left
 * out, the one closest to success.
 *
 * @category models
 * @since 0.1.0
 */
export type Choice =
  | { readonly _tag: "Chosen"; readonly instance: Instance; readonly version: number; readonly seed: number }
  | { readonly _tag: "NoneLeft"; readonly reason: ReasonCode; readonly version: number; readonly seed: number }

/**
 * The explanation of a decision: what each attempt's ranking was, computed again from the directory's log.
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
    readonly reason: ReasonCode | null
    readonly ranking: Ranking
  }>
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class Router extends Context.Service<
  Router,
  {
    /** This gateway's name in the directory's log. */
    readonly replica: string
    /** The name and version of the policy, such as `LeastLoaded@1`. */
    readonly policy: string
    /** Takes in one change. Every change is one entry of the log. */
    readonly apply: (event: DirectoryEvent) => void
    /** Chooses an instance for a request. Does not count it as dispatched: `apply(DispatchStarted)` does. */
    readonly choose: (request: RoutingRequest, seed: number) => Choice
    /** The instances of one model, or of all, whatever their state. */
    readonly instances: (model?: ModelId) => ReadonlyArray<Instance>
    /** Computes a decision again from the log in the journal, attempt by attempt. */
    readonly explain: (decision: RoutingDecision) => Effect.Effect<Explanation, JournalError>
    /** Writes what the log has gained to the journal; called by a loop, and once at the end. */
    readonly flush: Effect.Effect<void, JournalError>
  }
>()("@guildhall/routing/Router") {}
