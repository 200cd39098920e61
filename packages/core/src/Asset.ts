/**
 * What an amount is counted in: a code and the number of decimal places of its smallest unit.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The short upper-case name of an asset, such as `USD` or `USDC`.
 *
 * @category models
 * @since 0.1.0
 */
export const AssetCode = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[A-Z][A-Z0-9.]{1,15}$/)),
  Schema.brand("AssetCode"),
)
/** @since 0.1.0 */
export type AssetCode = typeof AssetCode.Type

/**
 * An asset: its code and its scale. An amount of `1n` in an asset of scale 12 is 10⁻¹² of one whole.
 *
 * @category models
 * @since 0.1.0
 */
export const Asset = Schema.Struct({
  code: AssetCode,
  scale: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 36 }))),
})
/** @since 0.1.0 */
export type Asset = typeof Asset.Type

/**
 * United States dollars, counted in 10⁻¹² so that a token at any price in cents per million is an exact
 * integer and nothing is rounded before money leaves the market.
 *
 * @category constants
 * @since 0.1.0
 */
export const USD: Asset = { code: AssetCode.make("USD"), scale: 12 }
