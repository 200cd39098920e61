/**
 * What the verdicts of an instance's checks come to.
 *
 * @since 0.1.0
 */
import type { CheckName, Outcome } from "@guildhall/core/EntryVerification"
import * as Reason from "@guildhall/core/Reason"

/**
 * The conclusion. `pending` lists the checks that have no verdict yet, `failures` what stands in the way. `isRetryable` says
 * whether all of that may go away by itself. `isAttested` where the device's key was found to stand behind the endpoint.
 *
 * @category models
 * @since 0.1.0
 */
export interface Conclusion {
  readonly state: "pending" | "passed" | "failed"
  readonly pending: ReadonlyArray<CheckName>
  readonly failures: ReadonlyArray<Outcome>
  readonly isRetryable: boolean
  readonly isAttested: boolean
}

/**
 * Concludes from what is known so far. Of a check with several outcomes the last one counts; outcomes of checks that the market
 * does not ask for do not. What was not checked is no pass.
 *
 * **Example** (One passed, one is still to be made)
 *
 * ```ts
 * import { Conclusion } from "@guildhall/verification/endpoint"
 *
 * const found = Conclusion.of(["reach", "tls"], [{ check: "reach", state: "passed", detail: "It answers.", atMs: 0 }])
 * found.state // => "pending"
 * found.pending // => ["tls"]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const of = (checks: ReadonlyArray<CheckName>, outcomes: ReadonlyArray<Outcome>): Conclusion => {
  const last = new Map(outcomes.map((outcome) => [outcome.check, outcome]))
  const found = checks.flatMap((check) => last.get(check) ?? [])
  const pending = checks.filter((check) => !last.has(check))
  const failures = found.filter(({ state }) => state === "failed" || state === "not_checked")
  return {
    // All are made although one failed: whoever mends one wants to know of the others too.
    state: pending.length > 0 ? "pending" : failures.length > 0 ? "failed" : "passed",
    pending,
    failures,
    isRetryable: failures.every(({ code }) => code !== undefined && Reason.describe(code).isRetryable),
    isAttested: last.get("device_key")?.state === "passed",
  }
}
