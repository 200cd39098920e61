/**
 * Whether the tools of the GPUs told everything, and nothing is wrong with a card.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Check, Subject, Verdict } from "./Check.ts"

const SOURCES = new Set(["nvidia-smi", "rocm-smi", "system_profiler"])

const verdict = ({ detected }: Subject): Verdict => {
  const { findings, hardware } = detected
  const wrong = findings.filter(({ source }) => SOURCES.has(source))
  const count = hardware.gpus.length
  const found = count === 1 ? "1 GPU" : `${count} GPUs`
  if (wrong.length > 0) {
    const fixes = new Set(wrong.flatMap(({ fix }) => (fix === undefined ? [] : [fix])))
    return {
      // A card that nothing drives stops nobody from serving with the processor.
      state: count === 0 && wrong.some(({ reason }) => reason !== "Missing") ? "failed" : "warned",
      detail: [...(count === 0 ? [] : [`${found} can be used.`]), ...wrong.map(({ detail }) => detail)].join(" "),
      fix: fixes.size === 0 ? undefined : [...fixes].join(" "),
    }
  }
  return count === 0
    ? { state: "skipped", detail: "No GPU was found; models run on the processor." }
    : {
        state: "passed",
        detail: count === 1 ? `${found}, and nothing is wrong with it.` : `${found}, and nothing is wrong with them.`,
      }
}

/**
 * The check.
 *
 * @category checks
 * @since 0.1.0
 */
export const check: Check = { name: "GPU", run: (subject) => Effect.succeed(verdict(subject)) }
