/**
 * Whether the machine fits a class of the market.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as DeviceClass from "@guildhall/core/rules/DeviceClass"
import type { Check, Subject, Verdict } from "./Check.ts"

const verdict = ({ classes, classification, market }: Subject): Verdict => {
  const where = market._tag === "Found" ? `on the market ${market.terms.name}` : "by the usual classes"
  if (classification.class !== undefined) {
    const { name } = classification.class
    const { belowGib, fromGib = 0 } = DeviceClass.range(name, classes) ?? {}
    const upTo = belowGib === undefined ? " and more" : ` to below ${belowGib}`
    const takes = fromGib === 0 ? "asks for no GPU" : `takes GPUs of ${fromGib} GiB${upTo}`
    return { state: "passed", detail: `${name}, ${where}; it ${takes}.` }
  }
  // The one with the fewest things missing; of several, the smallest.
  const [nearest] = classification.misses.toSorted((a, b) => a.reasons.length - b.reasons.length)
  return {
    state: "failed",
    detail: `None, ${where}. Nearest is ${nearest?.name}, which ${nearest?.reasons.join(", and ")}.`,
    fix: "Add what is missing, or join a market that takes smaller machines.",
  }
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = { name: "Class", run: (subject) => Effect.succeed(verdict(subject)) }
