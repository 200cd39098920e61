/**
 * Money as the control lane shows it: exact for programs, and readable for people.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { type Asset, AssetCode } from "@guildhall/core/Asset"
import * as Money from "@guildhall/core/Money"

/**
 * An amount in the asset's smallest unit (a decimal string on the wire), and the same as a decimal of whole ones.
 *
 * @category models
 * @since 0.1.0
 */
export const DisplayMoney = Schema.Struct({
  asset: AssetCode,
  amount: Money.Amount,
  formatted: Schema.String,
})
/** @since 0.1.0 */
export type DisplayMoney = typeof DisplayMoney.Type

/**
 * Shows an amount.
 *
 * **Example** (A dollar and a half)
 *
 * ```ts
 * import { Asset } from "@guildhall/core"
 * import { DisplayMoney } from "@guildhall/protocol/api"
 *
 * DisplayMoney.of(1_500_000_000_000n, Asset.USD).formatted // => "1.5"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const of = (amount: bigint, asset: Asset): DisplayMoney => ({
  asset: asset.code,
  amount,
  formatted: Money.format(amount, asset),
})
