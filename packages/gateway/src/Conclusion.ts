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
 * A conclusion. `delivered` says whether anything of an answer went to the buyer; `bills` what can be charged: the answer,
 * the prompt alone (a buyer left while a provider was at work for them), or nothing. `refusal` is what a buyer is told who
 * got nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Conclusion {
  readonly outcome: Outcome
  readonly reason: Reason.ReasonCode | undefined
  readonly delivered: boolean
  readonly bills: "answer" | "prompt" | "nothing"
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
      return { outcome: "completed", reason: undefined, delivered: true, bills: "answer", refusal: undefined }
    case "Truncated":
      return { outcome: "truncated", reason: ending.reason, delivered: true, bills: "answer", refusal: undefined }
    case "Aborted": {
      const delivered = routed.firstByteAtMs !== undefined
      const bills = delivered ? "answer" : relayed?.sent === true ? "prompt" : "nothing"
      const outcome = bills === "nothing" ? "failed" : "aborted"
      return { outcome, reason: "client_closed_request", delivered, bills, refusal: undefined }
    }
    case "Failed": {
      const { detail, param, raw, reason } = ending
      const headers = retryHeaders(routed)
      const refusal = new Refusal({ code: reason, detail, param, raw, headers })
      return { outcome: "failed", reason, delivered: false, bills: "nothing", refusal }
    }
  }
}

/** When to come again. Where the market can afford no more attempts, clients must not add theirs. */
const retryHeaders = ({ busyS, retryMs }: Pick<Routed, "busyS" | "retryMs">): Readonly<Record<string, string>> => {
  const spentS = retryMs === undefined ? undefined : Math.max(1, Math.ceil(retryMs / 1_000))
  if (spentS === undefined && busyS === undefined) return {}
  return {
    "retry-after": String(Math.max(spentS ?? 0, busyS ?? 0)),
    "x-should-retry": String(spentS === undefined),
  }
}
