/**
 * One thing that an endpoint must do before buyers' requests go to it. A further check is a file in `checks/`, a line in `Checks`
 * and a name in `EntryVerification.CheckName`.
 *
 * @since 0.1.0
 */
import type * as Effect from "effect/Effect"
import type { CheckName, Settings, Verdict } from "@guildhall/core/EntryVerification"
import { type Instance, isAttested } from "@guildhall/core/Instance"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { EndpointProbe } from "./EndpointProbe.ts"

/**
 * What is checked: an instance, by what the market asks. `point` is the name, in the market's settings, of the place from which
 * it is asked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Subject {
  readonly instance: Instance
  readonly settings: Settings
  readonly point?: string | undefined
}

/**
 * A check. It never fails: what it cannot find out is its verdict.
 *
 * @category models
 * @since 0.1.0
 */
export interface Check {
  readonly name: CheckName
  readonly run: (subject: Subject) => Effect.Effect<Verdict, never, EndpointProbe>
}

/** What is as it should be. @category verdicts @since 0.1.0 */
export const passed = (detail: string, fix?: string): Verdict => ({
  state: "passed",
  detail,
  ...(fix === undefined ? {} : { fix }),
})

/** What is not as it should be. @category verdicts @since 0.1.0 */
export const failed = (code: ReasonCode, detail: string, fix: string): Verdict => ({
  state: "failed",
  code,
  detail,
  fix,
})

/** What should have been looked at and could not be. @category verdicts @since 0.1.0 */
export const notChecked = (detail: string, fix: string, code: ReasonCode = "entry_not_checked"): Verdict => ({
  state: "not_checked",
  code,
  detail,
  fix,
})

/** What there is nothing of. @category verdicts @since 0.1.0 */
export const doesNotApply = (detail: string): Verdict => ({ state: "does_not_apply", detail })

/**
 * Whether it is a worker of AI Horde, which asks for jobs with an API key alone. Its protocol has no streams, and no count of
 * tokens, so what would be measured by these cannot be.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isHordeWorker = (instance: Pick<Instance, "reach" | "devicePublicKey">): boolean =>
  instance.reach._tag === "Pull" && !isAttested(instance)
