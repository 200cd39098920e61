/**
 * Whether this machine's clock is near the market's: what it signs at another time is refused.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Check, Subject, Verdict } from "./Check.ts"

/** A market takes what is up to a minute old. */
const MAX_MS = 60_000
const WORTH_MENDING_MS = 10_000

const verdict = ({ market }: Subject): Verdict => {
  const aheadMs = market._tag === "Found" ? market.terms.clockAheadMs : undefined
  if (aheadMs === undefined) return { state: "skipped", detail: "No market told its time." }
  const seconds = Math.round(Math.abs(aheadMs) / 1000)
  if (seconds <= 1) return { state: "passed", detail: "As the market's." }
  const detail = `${seconds} s ${aheadMs > 0 ? "ahead of" : "behind"} the market's.`
  const isFar = Math.abs(aheadMs) > MAX_MS
  if (!isFar && Math.abs(aheadMs) <= WORTH_MENDING_MS) return { state: "passed", detail }
  return {
    state: isFar ? "failed" : "warned",
    detail,
    fix: "Let the system set its clock (on Linux: timedatectl set-ntp true).",
  }
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = { name: "Clock", run: (subject) => Effect.succeed(verdict(subject)) }
