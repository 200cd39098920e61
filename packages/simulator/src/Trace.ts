/**
 * The trace itself, read from its file's text: it is compared with the generator that was fitted to it, and can be replayed.
 * (Azure Public Dataset, CC-BY 4.0: P. Patel et al., "Splitwise: Efficient generative LLM inference using phase splitting",
 * ISCA 2024. The file is not part of this package.)
 *
 * @since 0.1.0
 */
import type { Request } from "./Request.ts"
import * as Traffic from "./Traffic.ts"

/**
 * One request of a trace: milliseconds since the first one, and its tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface Row {
  readonly atMs: number
  readonly inputTokens: number
  readonly outputTokens: number
}

const LINE = /^\d{4}-\d\d-\d\d (\d\d):(\d\d):(\d\d(?:\.\d+)?),(\d+),(\d+)\s*$/
const DAY_MS = 86_400_000

/**
 * Reads `TIMESTAMP,ContextTokens,GeneratedTokens`, in order of time. A line that has another form is left out.
 *
 * **Example** (Two requests)
 *
 * ```ts
 * import { Trace } from "@guildhall/simulator"
 *
 * const text = "TIMESTAMP,ContextTokens,GeneratedTokens\n2020-01-01 00:00:01.5,10,20\n2020-01-01 00:00:02.0,30,40\n"
 * Trace.read(text).at(1) // => { atMs: 500, inputTokens: 30, outputTokens: 40 }
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = (text: string): ReadonlyArray<Row> => {
  const rows: Array<Row> = []
  for (const line of text.split("\n")) {
    const found = LINE.exec(line)
    if (found === null) continue
    const [hours = 0, minutes = 0, seconds = 0, inputTokens = 0, outputTokens = 0] = found.slice(1).map(Number)
    rows.push({ atMs: ((hours * 60 + minutes) * 60 + seconds) * 1_000, inputTokens, outputTokens })
  }
  const [first] = rows
  if (first === undefined) return []
  // A trace may run past midnight.
  const since = rows.map((row) => ({ ...row, atMs: (row.atMs - first.atMs + DAY_MS) % DAY_MS }))
  return since.sort((a, b) => a.atMs - b.atMs)
}

/**
 * The trace as requests, so many times as fast as it was.
 *
 * @category constructors
 * @since 0.1.0
 */
export const replay = (rows: ReadonlyArray<Row>, speed: number): ReadonlyArray<Request> =>
  rows.map(({ atMs, inputTokens, outputTokens }, id) => ({
    id,
    atMs: atMs / speed,
    // The trace does not say who asked.
    tenant: `tenant-${id % 50}`,
    work: { inputTokens, outputTokens, key: `conversation-${id}`, sharedTokens: 0, leavesTokens: 0 },
    outputGuess: Traffic.means.outputTokens,
  }))

/**
 * The distance of Kolmogorov and Smirnov between two samples: the most by which their shares differ, from 0 to 1.
 *
 * **Example** (The same, and nothing in common)
 *
 * ```ts
 * import { Trace } from "@guildhall/simulator"
 *
 * Trace.distance([1, 2, 3], [3, 1, 2]) // => 0
 * Trace.distance([1, 2], [3, 4]) // => 1
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const distance = (one: ReadonlyArray<number>, other: ReadonlyArray<number>): number => {
  const a = one.toSorted((x, y) => x - y)
  const b = other.toSorted((x, y) => x - y)
  let [i, j, most] = [0, 0, 0]
  while (i < a.length && j < b.length) {
    const value = Math.min(a[i] ?? Infinity, b[j] ?? Infinity)
    while (i < a.length && (a[i] ?? Infinity) <= value) i++
    while (j < b.length && (b[j] ?? Infinity) <= value) j++
    most = Math.max(most, Math.abs(i / a.length - j / b.length))
  }
  return most
}

/**
 * How far the generator is from a trace: distances of prompt lengths, answer lengths, and times between requests.
 *
 * @category models
 * @since 0.1.0
 */
export interface Fit {
  readonly input: number
  readonly output: number
  readonly gap: number
}

/**
 * Each distance of the fit stays below this.
 *
 * @category constants
 * @since 0.1.0
 */
export const distanceMax = 0.05

const gaps = (times: ReadonlyArray<number>): ReadonlyArray<number> =>
  times.slice(1).map((atMs, before) => atMs - (times[before] ?? 0))

/**
 * Compares as many generated requests as the trace has with it.
 *
 * @category rules
 * @since 0.1.0
 */
export const fit = (rows: ReadonlyArray<Row>, seed: string): Fit => {
  const generated = Traffic.single({ seed, speed: 1, count: rows.length })
  return {
    input: distance(
      rows.map(({ inputTokens }) => inputTokens),
      generated.map(({ work }) => work.inputTokens),
    ),
    output: distance(
      rows.map(({ outputTokens }) => outputTokens),
      generated.map(({ work }) => work.outputTokens),
    ),
    gap: distance(gaps(rows.map(({ atMs }) => atMs)), gaps(generated.map(({ atMs }) => atMs))),
  }
}
