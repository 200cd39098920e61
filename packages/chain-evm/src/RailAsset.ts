/**
 * An asset of the books as a token of a chain: how an amount of one is an amount of the other, to the last unit.
 *
 * @since 0.1.0
 */
import type { Address } from "@guildhall/chain/Address"
import type { Asset } from "@guildhall/core/Asset"

/**
 * The asset, the token that stands for it, and how many decimal places the token has.
 *
 * @category models
 * @since 0.1.0
 */
export interface RailAsset {
  readonly asset: Asset
  readonly token: Address
  readonly decimals: number
}

/**
 * The token's units of an amount in the asset's smallest unit; undefined where the amount is finer than the token can carry.
 *
 * **Example** (Dollars of twelve places as a token of six)
 *
 * ```ts
 * import { Address } from "@guildhall/chain"
 * import { RailAsset } from "@guildhall/chain-evm"
 * import { Asset } from "@guildhall/core"
 *
 * const usdc = { asset: Asset.USD, token: Address.ZERO, decimals: 6 }
 * RailAsset.toUnits(usdc, 2_500_000_000_000n) // => 2500000n
 * RailAsset.toUnits(usdc, 1n) // => undefined
 * RailAsset.toAmount(usdc, 2_500_000n) // => 2500000000000n
 * ```
 *
 * @category conversions
 * @since 0.1.0
 */
export const toUnits = ({ asset, decimals }: RailAsset, amount: bigint): bigint | undefined => {
  if (decimals >= asset.scale) return amount * 10n ** BigInt(decimals - asset.scale)
  const unit = 10n ** BigInt(asset.scale - decimals)
  return amount % unit === 0n ? amount / unit : undefined
}

/**
 * The amount in the asset's smallest unit of a token's units, rounded down where the asset is coarser than the token.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toAmount = ({ asset, decimals }: RailAsset, units: bigint): bigint =>
  decimals >= asset.scale
    ? units / 10n ** BigInt(decimals - asset.scale)
    : units * 10n ** BigInt(asset.scale - decimals)
