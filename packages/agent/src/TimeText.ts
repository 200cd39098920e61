/**
 * Times and durations as people write and read them on a command line.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as HumanText from "./models/HumanText.ts"

const UNITS_MS: Readonly<Record<string, number>> = { s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 }

/**
 * Reads a duration such as `90s`, `30m`, `2h`, `1d` or `1h30m`, in milliseconds; undefined where it is none.
 *
 * **Example** (An hour and a half)
 *
 * ```ts
 * import { TimeText } from "@guildhall/agent"
 *
 * TimeText.duration("1h30m") // => 5_400_000
 * TimeText.duration("soon") // => undefined
 * ```
 *
 * @category parsing
 * @since 0.1.0
 */
export const duration = (text: string): number | undefined => {
  if (!/^(?:\d{1,6}[smhd])+$/.test(text)) return undefined
  return [...text.matchAll(/(\d+)([smhd])/g)].reduce(
    (sum, [, count = "0", unit = ""]) => sum + Number(count) * (UNITS_MS[unit] ?? 0),
    0,
  )
}

/**
 * Reads a time: `now`, `+2h` from now, or one such as `2026-12-01T08:00Z`, in milliseconds since 1970; undefined where it is none. A time
 * without a zone is this machine's own.
 *
 * **Example** (In two hours)
 *
 * ```ts
 * import { TimeText } from "@guildhall/agent"
 *
 * TimeText.instant("+2h", 1_000) // => 7_201_000
 * TimeText.instant("1970-01-01T00:00:05Z", 1_000) // => 5_000
 * ```
 *
 * @category parsing
 * @since 0.1.0
 */
export const instant = (text: string, nowMs: number): number | undefined => {
  if (text === "now") return nowMs
  if (text.startsWith("+")) {
    const afterMs = duration(text.slice(1))
    return afterMs === undefined ? undefined : nowMs + afterMs
  }
  if (!/^\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2})?(?:\.\d{1,3})?(?:Z|[+-]\d{2}:\d{2})?)?$/.test(text))
    return undefined
  const ms = Date.parse(text.replace(" ", "T"))
  return Number.isNaN(ms) ? undefined : ms
}

/**
 * A time to the minute, in UTC, such as `2026-12-01 08:00 UTC`.
 *
 * @category formatting
 * @since 0.1.0
 */
export const minute = (ms: number): string => {
  const iso = DateTime.formatIso(DateTime.makeUnsafe(ms))
  return `${iso.slice(0, 10)} ${iso.slice(11, 16)} UTC`
}

/**
 * How long something has lasted, or lasts.
 *
 * @category formatting
 * @since 0.1.0
 */
export const span = (ms: number): string => HumanText.seconds(ms / 1_000)
