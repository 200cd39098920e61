import { USD } from "@guildhall/core/Asset"
import type { PriceSheet } from "@guildhall/core/PriceSheet"

/** No exponents, and as many digits as tell two prices of a market apart. */
const decimal = new Intl.NumberFormat("en-US", { maximumSignificantDigits: 9, useGrouping: false })
/** Prices are in an asset of this scale, whatever it is called: a definition is refused otherwise. */
const WHOLE = 10 ** USD.scale

/**
 * Prices of one unit as numbers: two that differ by less than a part in 10^15 are as good as equal. What a cache saves nothing
 * of costs as much as other input.
 */
export interface UnitPrices {
  readonly input: number
  readonly cached: number
  readonly output: number
  readonly request: number
}

/** A sheet's prices, and what was asked for after it: a ranking asks for the same sheets one after the other. */
interface Known {
  readonly sheet: PriceSheet
  readonly prices: UnitPrices
  next: Known | undefined
}

const known = new WeakMap<PriceSheet, Known>()
let last: Known | undefined

/** Computed once for a sheet, and mostly found where it was the last time: a look into a map of many sheets takes longer. */
export const ofUnits = (sheet: PriceSheet): UnitPrices => {
  const next = last?.next
  if (next?.sheet === sheet) {
    last = next
    return next.prices
  }
  let found = known.get(sheet)
  if (found === undefined) {
    found = { sheet, prices: compute(sheet), next: undefined }
    known.set(sheet, found)
  }
  if (last !== undefined) last.next = found
  last = found
  return found.prices
}

const compute = (sheet: PriceSheet): UnitPrices => {
  const of = (unit: PriceSheet[number]["unit"]): number | undefined => {
    const line = sheet.find((one) => one.unit === unit)
    return line === undefined ? undefined : Number(line.amount) / Number(line.per)
  }
  const input = of("inputToken") ?? 0
  return {
    input,
    cached: of("cachedInputToken") ?? input,
    output: of("outputToken") ?? 0,
    request: of("request") ?? 0,
  }
}

/** What one request with so many tokens costs, in the smallest unit of the price's asset. */
export const ofTokens = (sheet: PriceSheet, inputTokens: number, outputTokens: number): number => {
  const { input, output, request } = ofUnits(sheet)
  return input * inputTokens + output * outputTokens + request
}

/** A price in whole ones of its asset, as people write it: `0.4`. */
export const said = (price: number): string => decimal.format(price / WHOLE)

/** What so many tokens cost, as people compare it: `1.2 per million tokens`; what one request costs, where it has none. */
export const saidOf = (price: number, tokens: number): string =>
  tokens === 0 ? `${said(price)} per request` : `${said((price / tokens) * 1_000_000)} per million tokens`
