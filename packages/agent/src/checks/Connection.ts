/**
 * How fast the machine hears the market, where that was measured.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Check, Subject, Verdict } from "./Check.ts"

const verdict = ({ classes, detected }: Subject): Verdict => {
  const problem = detected.findings.find(({ source }) => source === "speed")
  if (problem !== undefined) return { state: "warned", detail: problem.detail }
  const downKbps = detected.hardware.bandwidth?.downKbps
  if (downKbps === undefined && classes.some(({ requires }) => requires?.downKbps !== undefined)) {
    return {
      state: "warned",
      detail: "Not measured, and a class of this market asks for it.",
      fix: "Measure it with --speed.",
    }
  }
  return downKbps === undefined
    ? { state: "skipped", detail: "Not measured; measure it with --market and --speed." }
    : { state: "passed", detail: `At least ${(downKbps / 1000).toFixed(1)} Mbit/s from the market.` }
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = { name: "Connection", run: (subject) => Effect.succeed(verdict(subject)) }
