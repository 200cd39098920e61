/**
 * Sizes, times and tables as a person reads them.
 *
 * @since 0.1.0
 */
import { printable } from "@guildhall/core/CommandFailure"

const UNITS = ["B", "kB", "MB", "GB", "TB"] as const

/**
 * A number of bytes with a decimal unit, as the hub's pages and disks count.
 *
 * **Example** (Three digits at most)
 *
 * ```ts
 * import { HumanText } from "@guildhall/agent/models"
 *
 * HumanText.bytes(4_920_739_232) // => "4.92 GB"
 * HumanText.bytes(532) // => "532 B"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const bytes = (count: number): string => {
  let value = count
  let at = 0
  // What would be rounded up to 1000 takes the next unit.
  while (value >= 999.5 && at < UNITS.length - 1) {
    value /= 1000
    at++
  }
  const digits = at === 0 || value >= 99.95 ? 0 : value >= 9.995 ? 1 : 2
  return `${value.toFixed(digits)} ${UNITS[at] ?? "B"}`
}

/**
 * A duration in the two largest units that matter.
 *
 * **Example** (Minutes and hours)
 *
 * ```ts
 * import { HumanText } from "@guildhall/agent/models"
 *
 * HumanText.seconds(7) // => "7 s"
 * HumanText.seconds(125) // => "2 min 5 s"
 * HumanText.seconds(7_500) // => "2 h 5 min"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const seconds = (count: number): string => {
  const whole = Math.max(0, Math.round(count))
  if (whole < 60) return `${whole} s`
  if (whole < 3600) return `${Math.floor(whole / 60)} min ${whole % 60} s`
  if (whole < 360_000) return `${Math.floor(whole / 3600)} h ${Math.floor((whole % 3600) / 60)} min`
  return `${Math.floor(whole / 86_400)} days`
}

/**
 * A count, shortened: downloads need no more than three digits.
 *
 * @category formatting
 * @since 0.1.0
 */
export const count = (number: number): string =>
  number < 1000 ? String(number) : number < 999_500 ? `${Math.round(number / 1000)}k` : `${(number / 1e6).toFixed(1)}M`

/**
 * Rows with aligned columns; columns whose index is in `right` are aligned to the right. What came from elsewhere cannot move the
 * cursor.
 *
 * @category formatting
 * @since 0.1.0
 */
export const table = (
  rows: ReadonlyArray<ReadonlyArray<string>>,
  right: ReadonlyArray<number> = [],
): ReadonlyArray<string> => {
  const shown = rows.map((row) => row.map((cell) => printable(cell)))
  const widths: Array<number> = []
  for (const row of shown) row.forEach((cell, at) => (widths[at] = Math.max(widths[at] ?? 0, cell.length)))
  return shown.map((row) =>
    row
      .map((cell, at) => (right.includes(at) ? cell.padStart(widths[at] ?? 0) : cell.padEnd(widths[at] ?? 0)))
      .join("  ")
      .trimEnd(),
  )
}
