/**
 * How much of what it declared a new instance may use: a part at first, and all of it after some days.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { BasisPoints } from "./Split.ts"

/**
 * From `fromBps` of what was declared to all of it over `forMs` milliseconds, in a straight line.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  forMs: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 31_536_000_000 }))),
  fromBps: BasisPoints,
})
/** @since 0.1.0 */
export type Settings = typeof Settings.Type

/**
 * The part that an instance of this age may use, in basis points. An age that cannot be is none.
 *
 * **Example** (A week from a fifth)
 *
 * ```ts
 * import { RampUp } from "@guildhall/core/rules"
 *
 * const settings = { forMs: 7 * 86_400_000, fromBps: 2_000 }
 * RampUp.share(settings, 0) // => 2000
 * RampUp.share(settings, 3.5 * 86_400_000) // => 6000
 * RampUp.share(settings, 7 * 86_400_000) // => 10000
 * RampUp.share(settings, Number.NaN) // => 2000
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const share = ({ forMs, fromBps }: Settings, ageMs: number): number => {
  const age = ageMs > 0 ? Math.min(ageMs, forMs) : 0
  return fromBps + Math.floor(((10_000 - fromBps) * age) / forMs)
}
