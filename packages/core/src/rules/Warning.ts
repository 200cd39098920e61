/**
 * What a provider is told before anything is taken from it, and when it counts as told: nothing is taken before a warning was
 * delivered and the time of grace after that is over.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The ways to a provider.
 *
 * - `beat`: with the answer of a heartbeat of one of its devices. Its next beat, which is signed and carries the nonce of that
 *   answer, says that it came.
 * - `webhook`: a call of the provider's own URL, which answered 2xx.
 * - `email`: a message that the mail service took.
 *
 * @category models
 * @since 0.1.0
 */
export const Way = Schema.Literals(["beat", "webhook", "email"])
/** @since 0.1.0 */
export type Way = typeof Way.Type

/**
 * What a warning is about.
 *
 * - `silent`: an instance has not beaten for long and is about to leave the market.
 * - `offline`: an instance was taken out of routing.
 * - `entry_failed`: an instance did not pass the checks of the market.
 * - `penalty`: something is about to be taken, for a reason that the warning names.
 *
 * @category models
 * @since 0.1.0
 */
export const Topic = Schema.Literals(["silent", "offline", "entry_failed", "penalty"])
/** @since 0.1.0 */
export type Topic = typeof Topic.Type

/**
 * The first delivery of a warning: when, by which way. Later ones change nothing.
 *
 * @category models
 * @since 0.1.0
 */
export const Delivery = Schema.Struct({ atMs: Schema.Int, way: Way })
/** @since 0.1.0 */
export type Delivery = typeof Delivery.Type

/**
 * When something may be taken at the earliest, in milliseconds since 1970. Undefined while the warning is not delivered: then
 * never. A time of grace that is none counts as one that never ends.
 *
 * **Example** (A day of grace)
 *
 * ```ts
 * import { Warning } from "@guildhall/core/rules"
 *
 * Warning.penaltyFromMs({ atMs: 1_000, way: "beat" }, 86_400_000) // => 86401000
 * Warning.penaltyFromMs(undefined, 86_400_000) // => undefined
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const penaltyFromMs = (delivery: Delivery | undefined, graceMs: number): number | undefined =>
  delivery === undefined || !(graceMs >= 0 && Number.isFinite(graceMs)) ? undefined : delivery.atMs + graceMs

/**
 * Whether something may be taken now for what was warned of.
 *
 * **Example** (Not before, and not without)
 *
 * ```ts
 * import { Warning } from "@guildhall/core/rules"
 *
 * const delivery = { atMs: 1_000, way: "webhook" as const }
 * Warning.mayPenalise(delivery, 500, 1_499) // => false
 * Warning.mayPenalise(delivery, 500, 1_500) // => true
 * Warning.mayPenalise(undefined, 0, 1_500) // => false
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const mayPenalise = (delivery: Delivery | undefined, graceMs: number, nowMs: number): boolean => {
  const fromMs = penaltyFromMs(delivery, graceMs)
  return fromMs !== undefined && nowMs >= fromMs
}
