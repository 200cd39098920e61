import type { PriceSheet } from "@guildhall/core/PriceSheet"

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

const known = new WeakMap<PriceSheet, UnitPrices>()

/** Computed once for a sheet. */
export const ofUnits = (sheet: PriceSheet): UnitPrices => {
  const found = known.get(sheet)
  if (found !== undefined) return found
  const of = (unit: PriceSheet[number]["unit"]): number | undefined => {
    const line = sheet.find((one) => one.unit === unit)
    return line === undefined ? undefined : Number(line.amount) / Number(line.per)
  }
  const input = of("inputToken") ?? 0
  const prices = {
    input,
    cached: of("cachedInputToken") ?? input,
    output: of("outputToken") ?? 0,
    request: of("request") ?? 0,
  }
  known.set(sheet, prices)
  return prices
}

/** What one request with so many tokens costs, in the smallest unit of the price's asset. */
export const ofTokens = (sheet: PriceSheet, inputTokens: number, outputTokens: number): number => {
  const { input, output, request } = ofUnits(sheet)
  return input * inputTokens + output * outputTokens + request
}
