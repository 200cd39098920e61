/**
 * What a unit of work costs: one line for each unit, in the smallest unit of the market's price asset.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { NonNegativeAmount } from "./Money.ts"
import { type Usage, UsageUnit } from "./Usage.ts"

/**
 * One line of a sheet: `amount` for every `per` units. `amount` must be a multiple of `per`, so that one unit
 * has an exact integer price and a charge never needs rounding.
 *
 * @category models
 * @since 0.1.0
 */
export const PriceLine = Schema.Struct({
  unit: UsageUnit,
  amount: NonNegativeAmount,
  per: Schema.BigIntFromString.pipe(Schema.check(Schema.isGreaterThanOrEqualToBigInt(1n))),
}).pipe(
  Schema.check(
    Schema.makeFilter((line) =>
      line.amount % line.per === 0n
        ? undefined
        : "the price of one unit is not a whole number of the asset's smallest unit. Use a coarser price.",
    ),
  ),
)
/** @since 0.1.0 */
export type PriceLine = typeof PriceLine.Type

/**
 * A price sheet. A unit without a line costs nothing, but for `cachedInputToken`, which then costs what an
 * `inputToken` does.
 *
 * @category models
 * @since 0.1.0
 */
export const PriceSheet = Schema.Array(PriceLine).pipe(
  Schema.check(
    Schema.makeFilter((sheet) =>
      new Set(sheet.map((line) => line.unit)).size === sheet.length
        ? undefined
        : "a unit has two prices. Give each unit one line.",
    ),
  ),
)
/** @since 0.1.0 */
export type PriceSheet = typeof PriceSheet.Type

const unitPrice = (sheet: PriceSheet, unit: UsageUnit): bigint | undefined => {
  const line = sheet.find((line) => line.unit === unit)
  return line === undefined ? undefined : line.amount / line.per
}

/**
 * The exact price of some usage, in the smallest unit of the price asset.
 *
 * **Example** (One dollar for a million tokens in, two out)
 *
 * ```ts
 * import { PriceSheet } from "@guildhall/core"
 *
 * const sheet = PriceSheet.perMillionCents({ input: 100n, output: 200n })
 * PriceSheet.cost(sheet, { inputToken: 10, outputToken: 5 }) // => 20_000_000n
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const cost = (sheet: PriceSheet, usage: Usage): bigint => {
  let total = 0n
  for (const unit of UsageUnit.literals) {
    const count = usage[unit]
    if (count === undefined || count === 0) continue
    const price = unitPrice(sheet, unit) ?? (unit === "cachedInputToken" ? unitPrice(sheet, "inputToken") : undefined)
    if (price !== undefined) total += price * BigInt(count)
  }
  return total
}

/** One cent in USD of scale 12. @category constants @since 0.1.0 */
export const CENT = 10_000_000_000n

/**
 * A sheet from whole US cents for a million tokens, the way providers state prices. USD has scale 12, so one
 * cent for a million tokens is exactly 10,000 units a token.
 *
 * @category constructors
 * @since 0.1.0
 */
export const perMillionCents = (prices: { readonly input: bigint; readonly output: bigint }): PriceSheet => [
  { unit: "inputToken", amount: prices.input * CENT, per: 1_000_000n },
  { unit: "outputToken", amount: prices.output * CENT, per: 1_000_000n },
]

/**
 * A sheet as JSON, the way it is hashed and signed: amounts as decimal strings. A ticket names a sheet by SHA-256, in
 * hexadecimal, of the canonical bytes of this.
 *
 * **Example** (A sheet on a wire)
 *
 * ```ts
 * import { PriceSheet } from "@guildhall/core"
 *
 * PriceSheet.json([{ unit: "request", amount: 5n, per: 1n }]) // => [{ unit: "request", amount: "5", per: "1" }]
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const json = (
  sheet: PriceSheet,
): ReadonlyArray<{ readonly unit: UsageUnit; readonly amount: string; readonly per: string }> =>
  sheet.map(({ unit, amount, per }) => ({ unit, amount: amount.toString(), per: per.toString() }))
