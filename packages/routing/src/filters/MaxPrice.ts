/**
 * The instance asks no more than the buyer would pay. What it has no price for, it gives away.
 *
 * @since 0.1.0
 */
import type { ProviderPreferences } from "@guildhall/core/ProviderPreferences"
import type { PriceSheet } from "@guildhall/core/PriceSheet"
import type { Filter } from "../Filter.ts"

const MILLION = 1_000_000n

const isWithin = (sheet: PriceSheet, most: NonNullable<ProviderPreferences["maxPrice"]>): boolean =>
  sheet.every(({ amount, per, unit }) => {
    switch (unit) {
      case "inputToken":
      case "cachedInputToken":
        return most.inputTokens === undefined || amount * MILLION <= most.inputTokens * per
      case "outputToken":
        return most.outputTokens === undefined || amount * MILLION <= most.outputTokens * per
      case "request":
        return most.request === undefined || amount <= most.request * per
      case "image":
        return most.image === undefined || amount <= most.image * per
      default:
        return true
    }
  })

/** @category filters @since 0.1.0 */
export const maxPrice: Filter = ({ preferences }, { instance }) => {
  const most = preferences?.maxPrice
  return most === undefined || isWithin(instance.price, most) ? undefined : "price_too_high"
}
