/**
 * Whether the market answers.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Check, Subject, Verdict } from "./Check.ts"

const verdict = ({ market }: Subject): Verdict => {
  if (market._tag === "None") return { state: "skipped", detail: "None was named; name one with --market." }
  return market._tag === "Away"
    ? { state: "failed", detail: market.error.detail }
    : { state: "passed", detail: `${market.terms.name} at ${market.url} answers in ${market.terms.roundTripMs} ms.` }
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = { name: "Market", run: (subject) => Effect.succeed(verdict(subject)) }
