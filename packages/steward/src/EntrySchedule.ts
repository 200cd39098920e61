/**
 * When the checks of an instance are made again: sooner and then ever later after failures, and at times that nobody can
 * foretell while it passes. Pure.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import type { InstanceId } from "@guildhall/core/Instance"
import type { Conclusion } from "@guildhall/verification/endpoint/Conclusion"

const FIRST_MS = 5_000
/** What does not go away by itself is looked at less often; a change of the endpoint or the terms is looked at at once. */
const FIRST_LASTING_MS = 60_000
const LONGEST_MS = 3_600_000
/** So often an instance that had passed is asked again before it is taken out for what may go away by itself. */
const DOUBTS = 2

/**
 * What is known of an instance when its run ends. `attempt` counts the failures in a row before it; `wasPassed` that it had
 * passed when the run began.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ended {
  readonly instanceId: InstanceId
  readonly run: number
  readonly attempt: number
  readonly wasPassed: boolean
  readonly conclusion: Pick<Conclusion, "state" | "isRetryable">
}

/** A number from 0 up to 1 for this run of this instance: who does not know the seed cannot foretell it. */
const chance = (seed: string, instanceId: InstanceId, run: number): number =>
  createHash("sha256").update(`${seed}\n${instanceId}\n${run}`).digest().readUInt32BE(0) / 2 ** 32

/**
 * What follows from a run: the state that it leaves the instance in, and in how many milliseconds it is checked again. `recheckMs`
 * is the mean; a passed one is checked again after half of it to one and a half.
 *
 * **Example** (A first failure that may go away)
 *
 * ```ts
 * import { Instance } from "@guildhall/core"
 * import { EntrySchedule } from "@guildhall/steward"
 *
 * const instanceId = Instance.InstanceId.make("ins_1")
 * const conclusion = { state: "failed", isRetryable: true } as const
 * const ended = { instanceId, run: 1, attempt: 0, wasPassed: false, conclusion }
 * EntrySchedule.next(ended, { seed: "s", recheckMs: 86_400_000 }) // => { state: "failed", nextMs: 5000 }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const next = (
  { attempt, conclusion, instanceId, run, wasPassed }: Ended,
  { recheckMs, seed }: { readonly seed: string; readonly recheckMs: number },
): { readonly state: "passed" | "failed"; readonly nextMs: number } => {
  if (conclusion.state === "passed") {
    return { state: "passed", nextMs: Math.round(recheckMs * (0.5 + chance(seed, instanceId, run))) }
  }
  const isDoubted = wasPassed && conclusion.isRetryable && attempt < DOUBTS
  const firstMs = conclusion.isRetryable ? FIRST_MS : FIRST_LASTING_MS
  return {
    state: isDoubted ? "passed" : "failed",
    nextMs: Math.min(firstMs * 2 ** Math.min(attempt, 30), LONGEST_MS),
  }
}
