/** Figures as a person reads them. */
import { formatUnits } from "viem/utils"
import type { Found } from "../../Token.ts"

const UNITS = [
  ["d", 86_400],
  ["h", 3_600],
  ["min", 60],
  ["s", 1],
] as const

/** `7 d`, `1 d 12 h`, `0 s`. */
export const duration = (seconds: number): string => {
  let left = seconds
  const parts = UNITS.flatMap(([unit, size]) => {
    const count = Math.floor(left / size)
    left -= count * size
    return count === 0 ? [] : [`${count} ${unit}`]
  })
  return parts.length === 0 ? "0 s" : parts.join(" ")
}

/** Its two largest units: `6 d 23 h`. */
export const about = (seconds: number): string => duration(seconds).split(" ").slice(0, 4).join(" ")

/** `12.5 %` of 1,250 basis points. */
export const share = (bps: number): string => `${bps / 100} %`

/** `1,000,000` */
export const grouped = (text: string): string => {
  const [whole = "", fraction] = text.split(".")
  const parted = whole.replace(/\B(?=(\d{3})+$)/g, ",")
  return fraction === undefined ? parted : `${parted}.${fraction}`
}

/** `1,234.5 USDC` */
export const amount = (units: bigint, { decimals, symbol }: Pick<Found, "decimals" | "symbol">): string =>
  `${grouped(formatUnits(units, decimals))} ${symbol}`

/** The coin, with six digits that count. */
export const coin = (wei: bigint, { decimals, symbol }: { readonly decimals: number; readonly symbol: string }) => {
  const text = formatUnits(wei, decimals)
  const shown = Number(text).toPrecision(6)
  return `${grouped(/e/.test(shown) ? text : shown.includes(".") ? shown.replace(/\.?0+$/, "") : shown)} ${symbol}`
}

/** `0.0062 gwei` */
export const gwei = (wei: bigint): string => `${formatUnits(wei, 9)} gwei`

/** Rows in columns, all but the last one padded. */
export const table = (rows: ReadonlyArray<ReadonlyArray<string>>, indent = "  "): ReadonlyArray<string> => {
  const columns = Math.max(...rows.map((row) => row.length))
  const widths = Array.from({ length: columns }, (_, at) => Math.max(...rows.map((row) => (row[at] ?? "").length)))
  return rows.map((row) => `${indent}${row.map((text, at) => text.padEnd(widths[at] ?? 0)).join("  ")}`.trimEnd())
}
