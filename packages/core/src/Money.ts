/**
 * Amounts of money: a `bigint` in an asset's smallest unit, together with the asset. Never a `number`.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { AssetCode, type Asset } from "./Asset.ts"

/** The most that a store can hold: 78 digits, enough for the whole of any 256-bit asset. */
const MAX = 10n ** 78n - 1n

/**
 * An amount in an asset's smallest unit: a `bigint` in memory, a decimal string on a wire. At most 78 digits.
 *
 * @category models
 * @since 0.1.0
 */
export const Amount = Schema.BigIntFromString.pipe(
  Schema.check(Schema.isBetweenBigInt({ minimum: -MAX, maximum: MAX })),
)
/** @since 0.1.0 */
export type Amount = bigint

/**
 * An amount that is zero or more.
 *
 * @category models
 * @since 0.1.0
 */
export const NonNegativeAmount = Amount.pipe(Schema.check(Schema.isGreaterThanOrEqualToBigInt(0n)))

/**
 * An amount together with the code of its asset.
 *
 * @category models
 * @since 0.1.0
 */
export const Money = Schema.Struct({ asset: AssetCode, amount: Amount })
/** @since 0.1.0 */
export type Money = typeof Money.Type

/**
 * Writes an amount as a plain decimal, without exponent and without trailing zeros.
 *
 * **Example** (Reading a balance)
 *
 * ```ts
 * import { Asset, Money } from "@guildhall/core"
 *
 * Money.format(1_500_000_000_000n, Asset.USD) // => "1.5"
 * Money.format(-1n, Asset.USD) // => "-0.000000000001"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const format = (amount: bigint, asset: Asset): string => {
  const negative = amount < 0n
  const digits = (negative ? -amount : amount).toString().padStart(asset.scale + 1, "0")
  const whole = digits.slice(0, digits.length - asset.scale)
  const fraction = digits.slice(digits.length - asset.scale).replace(/0+$/, "")
  return `${negative ? "-" : ""}${whole}${fraction === "" ? "" : `.${fraction}`}`
}

/**
 * Reads a plain decimal (`"12.50"`) into an amount. Refuses what the asset's scale cannot hold exactly:
 * there is no rounding on the way in.
 *
 * **Example** (Reading a price)
 *
 * ```ts
 * import { Asset, Money } from "@guildhall/core"
 * import { Result } from "effect"
 *
 * Money.parse("0.25", Asset.USD) // => Result.succeed(250_000_000_000n)
 * Result.isFailure(Money.parse("0.0000000000001", Asset.USD)) // => true
 * ```
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse = (text: string, asset: Asset): Result.Result<bigint, string> => {
  const match = /^(-?)(\d{1,60})(?:\.(\d{1,60}))?$/.exec(text)
  if (match === null) {
    return Result.fail(`"${text}" is not a decimal amount. Write digits with at most one point, such as "12.50".`)
  }
  const [, sign, whole = "0", fraction = ""] = match
  if (fraction.replace(/0+$/, "").length > asset.scale) {
    return Result.fail(
      `"${text}" is finer than ${asset.code} can hold. Give at most ${asset.scale} digits after the point.`,
    )
  }
  const units = BigInt(whole + fraction.slice(0, asset.scale).padEnd(asset.scale, "0"))
  return Result.succeed(sign === "-" ? -units : units)
}
