/**
 * The instance is not left alone after failures, or it is its turn to show that it is well again.
 *
 * @since 0.1.0
 */
import type { ReasonCode } from "@guildhall/core/Reason"
import type { Filter } from "../Filter.ts"
import type { Candidate } from "../RoutingPolicy.ts"

/**
 * What the filter says of a candidate, whatever is asked: `parked`, `ejected`, or `probing` while the one request that it
 * may have is under way.
 *
 * @category rules
 * @since 0.1.0
 */
export const standing = ({ inFlight, rating }: Candidate): ReasonCode | undefined => {
  const breaker = rating?.breaker
  if (breaker === undefined || breaker === "closed") return undefined
  return breaker !== "probing" || inFlight > 0 ? breaker : undefined
}

/** @category filters @since 0.1.0 */
export const breaker: Filter = (_, candidate) => standing(candidate)
