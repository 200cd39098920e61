/**
 * How much work a request took, counted in units that a price sheet can name.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The units that can be counted and priced.
 *
 * @category models
 * @since 0.1.0
 */
export const UsageUnit = Schema.Literals([
  "inputToken",
  "cachedInputToken",
  "outputToken",
  "image",
  "audioSecond",
  "request",
  "deviceHour",
])
/** @since 0.1.0 */
export type UsageUnit = typeof UsageUnit.Type

const Count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000_000 })))

/**
 * Counts by unit; a unit that is absent counts zero. `inputToken` does not include `cachedInputToken`.
 *
 * @category models
 * @since 0.1.0
 */
export const Usage = Schema.Struct({
  inputToken: Schema.optionalKey(Count),
  cachedInputToken: Schema.optionalKey(Count),
  outputToken: Schema.optionalKey(Count),
  image: Schema.optionalKey(Count),
  audioSecond: Schema.optionalKey(Count),
  request: Schema.optionalKey(Count),
  deviceHour: Schema.optionalKey(Count),
})
/** @since 0.1.0 */
export type Usage = typeof Usage.Type
