/**
 * What the end of a request's attempts means: what is billed, what the buyer is told, and how the receipt names it.
 *
 * @since 0.1.0
 */
import type * as Reason from "@guildhall/core/Reason"
import type { Outcome } from "@guildhall/core/Receipt"
import type { Routed } from "./Route.ts"
import { Refusal } from "./Refusal.ts"

/**
 * A conclusion. `delivered` says whether anything went to the buyer, and so whether anything can be charged; `refusal`
 * is what a buyer is told who got nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Conclusion {
  readonly outcome: Outcome
  readonly reason: Reason.ReasonCode | undefined
  readonly delivered: boolean
  readonly refusal: Refusal | undefined
}

/**
 * Draws the conclusion. Pure.
 *
 * @category rules
 * @since 0.1.0
 */
export const of = (routed: Routed): Conclusion => {
  const { ending, relayed } = routed
  switch (ending._tag) {
    case "Completed":
      return { outcome: "completed", reason: undefined, delivered: true, refusal: undefined }
    case "Truncated":
      return { outcome: "truncated", reason: ending.reason, delivered: true, refusal: undefined }
    case "Aborted": {
      const delivered = relayed?.tally.firstByteAtMs !== undefined
      const outcome = delivered ? "aborted" : "failed"
      return { outcome, reason: "client_closed_request", delivered, refusal: undefined }
    }
    case "Failed": {
      const refusal = new Refusal({ code: ending.reason, raw: ending.raw })
      return { outcome: "failed", reason: ending.reason, delivered: false, refusal }
    }
  }
}
