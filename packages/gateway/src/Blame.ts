/**
 * Whose fault it is how an attempt ended: the provider's, which counts against its instance, or somebody else's, which says
 * nothing of it.
 *
 * @since 0.1.0
 */
import type { ReasonCode } from "@guildhall/core/Reason"
import type { Outcome } from "@guildhall/routing/Health"
import type { Ending } from "./internal/Exchange.ts"

/**
 * The reasons that are the provider's failure, and `limited` for those by which it says that it has too much to do. Every
 * other reason is neutral: the buyer's fault, the market's own outage, another instance that was faster.
 *
 * @category constants
 * @since 0.1.0
 */
export const blamed: Partial<Record<ReasonCode, "failed" | "limited">> = {
  provider_unreachable: "failed",
  provider_error: "failed",
  provider_invalid_response: "failed",
  provider_closed_early: "failed",
  provider_connect_timeout: "failed",
  provider_headers_timeout: "failed",
  provider_token_timeout: "failed",
  provider_stalled: "failed",
  provider_too_slow: "failed",
  provider_busy: "limited",
}

/**
 * The reasons that come of how an instance is reached, before it has anything of the request: whatever the request is, they
 * are not its fault. Any other failure may be, until another instance has served the same request.
 *
 * @category constants
 * @since 0.1.0
 */
export const unasked: ReadonlySet<ReasonCode> = new Set<ReasonCode>([
  "provider_unreachable",
  "provider_connect_timeout",
])

/**
 * What an attempt's end says of the instance. `earlier` are the reasons for which earlier attempts of the same request
 * failed.
 *
 * - An error that another provider gave for the same request as well is neutral: it may be the request that breaks them. If
 *   a third one then serves it, it was theirs after all, and is told of again (see `Health.Asker`).
 * - That the whole request took too long is the fault of the first that was asked, if it had sent nothing by then.
 *
 * **Example** (The provider's, the buyer's, and the market's)
 *
 * ```ts
 * import type { Reason } from "@guildhall/core"
 * import { Blame } from "@guildhall/gateway"
 *
 * const failed = (reason: Reason.ReasonCode) => Blame.of({ _tag: "Failed", reason, retry: false }, [])
 * failed("provider_stalled") // => "failed"
 * failed("provider_busy") // => "limited"
 * failed("invalid_request") // => "neutral"
 * failed("service_unavailable") // => "neutral"
 * Blame.of({ _tag: "Completed" }, []) // => "succeeded"
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const of = (ending: Ending, earlier: ReadonlyArray<ReasonCode>): Outcome["kind"] => {
  switch (ending._tag) {
    case "Completed":
      return "succeeded"
    case "Aborted":
      return "neutral"
    case "Truncated":
      return blamed[ending.reason] ?? "neutral"
    case "Failed": {
      const { reason } = ending
      if (reason === "request_timeout") return earlier.length === 0 ? "failed" : "neutral"
      if (reason === "provider_error" && earlier.includes("provider_error")) return "neutral"
      return blamed[reason] ?? "neutral"
    }
  }
}
