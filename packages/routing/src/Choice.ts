/**
 * Who serves a request, as a gateway needs to know it: the one that the policy puts first or, where nobody is left, why, and
 * whether it is worth waiting.
 *
 * @since 0.1.0
 */
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { Directory } from "./Directory.ts"
import { closest, exclude, ofAll } from "./Filter.ts"
import * as Preferred from "./Preferred.ts"
import type { RoutingPolicy, RoutingRequest } from "./RoutingPolicy.ts"

/**
 * A choice, or why there is none. `reason` is the one to show the buyer: of the reasons for which candidates were left
 * out, the one closest to success (in the order of `Filter.standard`), said of all of them: `no_capacity` where one is
 * full, draining or offline, `context_too_long`, `already_tried`, or `model_not_found` where none was ever offered.
 * `isFull` says that one would serve if it had less to do, so that it is worth waiting; `retryMs`, where some are left alone
 * after failures, how long the first of them still will be.
 *
 * @category models
 * @since 0.1.0
 */
export type Choice =
  | { readonly _tag: "Chosen"; readonly instance: Instance; readonly version: number; readonly seed: number }
  | NoneLeft

/**
 * Nobody is left; see {@link Choice}.
 *
 * @category models
 * @since 0.1.0
 */
export interface NoneLeft {
  readonly _tag: "NoneLeft"
  readonly reason: ReasonCode
  readonly isFull: boolean
  readonly retryMs: number | undefined
  readonly version: number
  readonly seed: number
}

const LEFT_ALONE: ReadonlySet<ReasonCode> = new Set(["parked", "ejected"])

/**
 * Makes what chooses by a policy on a directory. `leftAloneMs` says for how long an instance is left alone, where it is.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  directory: Directory,
  policy: RoutingPolicy,
  leftAloneMs: (id: InstanceId) => number | undefined,
) => {
  const fast = policy.prepare?.(directory)
  const best = (request: RoutingRequest, seed: number): InstanceId | undefined =>
    fast === undefined
      ? Preferred.rank(policy, request, directory.candidates(request.model), seed).ranked[0]?.instance
      : fast.choose(request, seed)

  const whyNot = (request: RoutingRequest, seed: number): Pick<NoneLeft, "reason" | "isFull" | "retryMs"> => {
    if (!directory.offered.has(request.model)) return { reason: "model_not_found", isFull: false, retryMs: undefined }
    const candidates = directory.candidates(request.model)
    const unfit = candidates.flatMap((candidate) => {
      const code = exclude(request, candidate)
      return code === undefined ? [] : [{ instance: candidate.instance.id, code }]
    })
    // The policy has reasons of its own, which only its reference form can tell.
    const excluded = unfit.length === candidates.length ? unfit : policy.rank(request, candidates, seed).excluded
    const codes = excluded.map(({ code }) => code)
    const waits = excluded.flatMap(({ code, instance }) => (LEFT_ALONE.has(code) ? (leftAloneMs(instance) ?? []) : []))
    return {
      reason: ofAll(closest(codes)),
      isFull: codes.includes("concurrency_full") || codes.includes("probing"),
      retryMs: waits.length === 0 ? undefined : Math.min(...waits),
    }
  }

  const choose = (request: RoutingRequest, seed: number): Choice => {
    const { version } = directory
    const id = best(request, seed)
    const instance = id === undefined ? undefined : directory.candidate(id)?.instance
    return instance === undefined
      ? { _tag: "NoneLeft", ...whyNot(request, seed), version, seed }
      : { _tag: "Chosen", instance, version, seed }
  }

  return { choose, hasRoom: (request: RoutingRequest, seed: number) => best(request, seed) !== undefined }
}
