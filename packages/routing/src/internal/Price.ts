import type { PriceSheet } from "@guildhall/core/PriceSheet"

/** Prices of one unit as numbers: two that differ by less than a part in 10^15 are as good as equal. */
interface Prices {
  readonly input: number
  readonly output: number
  readonly request: number
}

const known = new WeakMap<PriceSheet, Prices>()

/** Computed once for a sheet. */
const pricesOf = (sheet: PriceSheet): Prices => {
  const found = known.get(sheet)
  if (found !== undefined) return found
  const of = (unit: PriceSheet[number]["unit"]): number => {
    const line = sheet.find((one) => one.unit === unit)
    return line === undefined ? 0 : Number(line.amount / line.per)
  }
  const prices = { input: of("inputToken"), output: of("outputToken"), request: of("request") }
  known.set(sheet, prices)
  return prices
}

/** What one request with so many tokens costs, in the smallest unit of the price's asset. */
export const ofTokens = (sheet: PriceSheet, inputTokens: number, outputTokens: number): number => {
  const { input, output, request } = pricesOf(sheet)
  return input * inputTokens + output * outputTokens + request
}
