/**
 * What a market does about instances that fail, are new, or have enough to do: one rule each, and each may be left out.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Breaker from "./Breaker.ts"
import * as Ejection from "./Ejection.ts"
import * as HealthWindow from "./HealthWindow.ts"
import * as InFlightCap from "./InFlightCap.ts"
import * as RampUp from "./RampUp.ts"

/**
 * The settings. A rule that is left out does not hold in the market.
 *
 * - `breaker` leaves an instance alone for a while that failed some times.
 * - `rampUp` gives a new instance a part of what it declared at first.
 * - `window` keeps successes and failures of the last days, by which policies may tell the better of two.
 * - `ejection` leaves an instance alone that does far worse than the others of its model.
 * - `cap` learns how many requests at a time an instance takes from those that it refuses.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  breaker: Schema.optionalKey(Breaker.Settings),
  rampUp: Schema.optionalKey(RampUp.Settings),
  window: Schema.optionalKey(HealthWindow.Settings),
  ejection: Schema.optionalKey(Ejection.Settings),
  cap: Schema.optionalKey(InFlightCap.Settings),
})
/** @since 0.1.0 */
export type Settings = typeof Settings.Type
