/**
 * The line that shows how far a download is. Pure: what was seen goes in, text comes out.
 *
 * @since 0.1.0
 */
import { printable } from "@guildhall/core/CommandFailure"
import * as HumanText from "./HumanText.ts"

/**
 * How fast it goes: `bytesPerSecond` over the last seconds, or undefined before that can be said.
 *
 * @category models
 * @since 0.1.0
 */
export interface Speed {
  readonly atMs: number
  readonly bytes: number
  readonly bytesPerSecond: number | undefined
}

/** A rate over less is a matter of chance, and one over more tells of the past. */
const WINDOW_MS = 1_000
const MEMORY = 0.7

/**
 * The speed after another look. What went before counts less and less.
 *
 * @category combinators
 * @since 0.1.0
 */
export const measure = (before: Speed | undefined, bytes: number, atMs: number): Speed => {
  if (before === undefined || bytes < before.bytes) return { atMs, bytes, bytesPerSecond: undefined }
  const passedMs = atMs - before.atMs
  if (passedMs < WINDOW_MS) return before
  const now = ((bytes - before.bytes) * 1000) / passedMs
  const bytesPerSecond = before.bytesPerSecond === undefined ? now : before.bytesPerSecond * MEMORY + now * (1 - MEMORY)
  return { atMs, bytes, bytesPerSecond }
}

/**
 * What is shown.
 *
 * @category models
 * @since 0.1.0
 */
export interface Seen {
  readonly file: string
  readonly bytes: number
  readonly total: number
  readonly bytesPerSecond: number | undefined
}

/** The rate, and the time that is left. */
const pace = ({ bytes, bytesPerSecond, total }: Seen): string =>
  bytesPerSecond === undefined || bytesPerSecond <= 0 || bytes >= total
    ? ""
    : `  ${HumanText.bytes(bytesPerSecond)}/s  ${HumanText.seconds((total - bytes) / bytesPerSecond)}`

/** A hundred only where nothing is missing. */
const percent = ({ bytes, total }: Seen): number => (total === 0 ? 100 : Math.floor((bytes * 100) / total))

/**
 * The line without a bar, for logs.
 *
 * **Example** (Half of it)
 *
 * ```ts
 * import { ProgressLine } from "@guildhall/agent/models"
 *
 * ProgressLine.plain({ file: "m.gguf", bytes: 5e8, total: 1e9, bytesPerSecond: 1e8 }) // => "m.gguf  50 %  500 MB of 1.00 GB  100 MB/s  5 s left"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const plain = (seen: Seen): string =>
  `${printable(seen.file)}  ${percent(seen)} %  ${HumanText.bytes(seen.bytes)} of ${HumanText.bytes(seen.total)}${pace(seen)}${pace(seen) === "" ? "" : " left"}`

const MOST_NAME = 32
const MOST_BAR = 30
/** What the rate and the time left may take, so that the bar does not jump when they come. */
const RATE_COLUMNS = 23
const SIZES_COLUMNS = 18

/** The end of a name tells files apart. */
const short = (name: string, most: number): string =>
  name.length <= most ? name : `…${name.slice(name.length - most + 1)}`

/**
 * The line with a bar, which fits into so many columns.
 *
 * **Example** (A terminal of eighty columns)
 *
 * ```ts
 * import { ProgressLine } from "@guildhall/agent/models"
 *
 * ProgressLine.bar({ file: "m.gguf", bytes: 5e8, total: 1e9, bytesPerSecond: 1e8 }, 80) // => "m.gguf   50 % ▕███████████           ▏ 500 MB of 1.00 GB  100 MB/s  5 s"
 * ```
 *
 * @category formatting
 * @since 0.1.0
 */
export const bar = (seen: Seen, columns: number): string => {
  const name = short(printable(seen.file), Math.min(MOST_NAME, Math.max(8, Math.floor(columns / 4))))
  const head = `${name}  ${String(percent(seen)).padStart(3)} % `
  const tail = ` ${HumanText.bytes(seen.bytes)} of ${HumanText.bytes(seen.total)}${pace(seen)}`
  // A line as wide as the terminal would wrap in some.
  const room = Math.min(MOST_BAR, columns - 1 - head.length - SIZES_COLUMNS - RATE_COLUMNS - 2)
  if (room < 5) return `${head}${tail}`.slice(0, Math.max(1, columns - 1))
  const full = seen.total === 0 ? room : Math.floor((seen.bytes * room) / seen.total)
  return `${head}▕${"█".repeat(full)}${" ".repeat(room - full)}▏${tail}`
}
