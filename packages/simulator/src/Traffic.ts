/**
 * Who asks, when, and for how much: a generator whose parameters are fitted to the Azure LLM inference trace of 2023, its
 * conversation part (19,366 requests of one hour of a chat service).
 *
 * Lengths are drawn from the trace's quantiles, straight on a logarithmic scale between them. Prompt and answer are drawn
 * each on its own: their rank correlation in the trace is 0.07. Arrivals are a Poisson process whose rate changes every
 * five minutes as it did in that hour. What is not in the trace, conversations and tenants, is drawn by Zipf's law.
 *
 * @since 0.1.0
 */
import * as Chance from "./Chance.ts"
import type { Request } from "./Request.ts"

/**
 * A distribution by its quantiles: `[share, value]`, rising.
 *
 * @category models
 * @since 0.1.0
 */
export type Quantiles = ReadonlyArray<readonly [share: number, value: number]>

/**
 * Tokens of a prompt.
 *
 * @category constants
 * @since 0.1.0
 */
export const inputTokens: Quantiles = [
  [0, 2],
  [0.01, 29],
  [0.05, 181],
  [0.1, 207],
  [0.15, 372],
  [0.2, 387],
  [0.25, 396],
  [0.3, 403],
  [0.35, 414],
  [0.4, 703],
  [0.45, 984],
  [0.5, 1020],
  [0.55, 1045],
  [0.6, 1071],
  [0.65, 1097],
  [0.7, 1130],
  [0.75, 1189],
  [0.8, 1315],
  [0.85, 1877],
  [0.9, 2735],
  [0.95, 4083],
  [0.99, 4142],
  [0.999, 6212],
  [1, 14050],
]

/**
 * Tokens of an answer.
 *
 * @category constants
 * @since 0.1.0
 */
export const outputTokens: Quantiles = [
  [0, 7],
  [0.01, 16],
  [0.05, 41],
  [0.1, 54],
  [0.15, 67],
  [0.2, 77],
  [0.25, 85],
  [0.3, 91],
  [0.35, 96],
  [0.4, 103],
  [0.45, 113],
  [0.5, 129],
  [0.55, 151],
  [0.6, 177],
  [0.65, 217],
  [0.7, 384],
  [0.75, 395],
  [0.8, 400],
  [0.85, 411],
  [0.9, 424],
  [0.95, 451],
  [0.99, 601],
  [0.999, 954],
  [1, 1000],
]

/**
 * Requests a second in each twelfth of the hour.
 *
 * @category constants
 * @since 0.1.0
 */
export const ratesPerSecond: ReadonlyArray<number> = [
  4.82, 4.74, 5.19, 5.2, 6.28, 7.46, 7.43, 6.13, 5.67, 4.75, 4.32, 3.81,
]

/**
 * The means of the trace, in tokens.
 *
 * @category constants
 * @since 0.1.0
 */
export const means = { inputTokens: 1_155, outputTokens: 211, requestsPerSecond: 5.53 } as const

/**
 * The value of a share, straight on a logarithmic scale between two knots.
 *
 * **Example** (The median prompt)
 *
 * ```ts
 * import { Traffic } from "@guildhall/simulator"
 *
 * Math.round(Traffic.quantile(Traffic.inputTokens, 0.5)) // => 1020
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const quantile = (quantiles: Quantiles, share: number): number => {
  let [low, high] = [0, quantiles.length - 1]
  while (high - low > 1) {
    const middle = (low + high) >> 1
    if ((quantiles[middle]?.[0] ?? 1) <= share) low = middle
    else high = middle
  }
  const [from = 0, least = 1] = quantiles[low] ?? []
  const [to = 1, most = least] = quantiles[high] ?? []
  const part = to === from ? 0 : Math.min(1, Math.max(0, (share - from) / (to - from)))
  return least * (most / least) ** part
}

/**
 * What to generate. `speed` is how many times as fast the hour passes; `count` requests at most.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly seed: string
  readonly speed: number
  readonly count: number
}

const TENANTS = 50
const SLOT_MS = 300_000

/** When requests come: at a rate that changes with the hour, and after the hour begins again. */
const arrivals = (chance: Chance.Chance, { count, speed }: Options): Array<number> => {
  const times: Array<number> = []
  // In the trace's own time, one request a second on average has an exponential wait of one: stretched by the rate.
  for (let hourMs = 0; times.length < count;) {
    let left = chance.exponential(1)
    for (;;) {
      const slot = Math.floor(hourMs / SLOT_MS)
      const perMs = (ratesPerSecond[slot % ratesPerSecond.length] ?? 1) / 1_000
      const inSlot = (slot + 1) * SLOT_MS - hourMs
      if (left <= inSlot * perMs) {
        hourMs += left / perMs
        break
      }
      left -= inSlot * perMs
      hourMs = (slot + 1) * SLOT_MS
    }
    times.push(hourMs / speed)
  }
  return times
}

/**
 * Single requests, each with a prompt of its own.
 *
 * @category constructors
 * @since 0.1.0
 */
export const single = (options: Options): ReadonlyArray<Request> => {
  const chance = Chance.make(`traffic of ${options.seed}`)
  const tenantOf = Chance.zipf(TENANTS, 1)
  return arrivals(Chance.make(`arrivals of ${options.seed}`), options).map((atMs, id) => ({
    id,
    atMs,
    tenant: `tenant-${tenantOf(chance)}`,
    work: {
      inputTokens: Math.max(1, Math.round(quantile(inputTokens, chance.next()))),
      outputTokens: Math.max(1, Math.round(quantile(outputTokens, chance.next()))),
      key: `conversation-${id}`,
      sharedTokens: 0,
      leavesTokens: 0,
    },
    outputGuess: means.outputTokens,
  }))
}

/**
 * How prompts begin alike. There are `prefixes` of 2,000 to 6,000 tokens, popular by Zipf's law with this exponent; what
 * follows in a prompt, and the answer, are a half of what the trace has. From `hotFrom` on, a share of all requests
 * (`hotShare`) begins with one and the same prefix, which nobody used before.
 *
 * @category models
 * @since 0.1.0
 */
export interface Prefixes {
  readonly prefixes: number
  readonly exponent: number
  readonly hotFrom: number
  readonly hotShare: number
}

/**
 * Requests whose prompts begin alike. `hotFrom` is a part of the requests, from 0 to 1.
 *
 * @category constructors
 * @since 0.1.0
 */
export const prefixed = (options: Options & Prefixes): ReadonlyArray<Request> => {
  const chance = Chance.make(`traffic of ${options.seed}`)
  const prefixOf = Chance.zipf(options.prefixes, options.exponent)
  const lengths = Array.from({ length: options.prefixes + 1 }, () => 2_000 + chance.below(4_001))
  const times = arrivals(Chance.make(`arrivals of ${options.seed}`), options)
  return times.map((atMs, id) => {
    const isHot = id >= options.hotFrom * times.length && chance.next() < options.hotShare
    const prefix = isHot ? options.prefixes : prefixOf(chance)
    const sharedTokens = lengths[prefix] ?? 2_000
    const own = quantile(inputTokens, chance.next()) / 2
    return {
      id,
      atMs,
      tenant: `tenant-${prefix}`,
      work: {
        inputTokens: sharedTokens + Math.max(1, Math.round(own)),
        outputTokens: Math.max(1, Math.round(quantile(outputTokens, chance.next()) / 2)),
        key: `prefix-${prefix}`,
        sharedTokens,
        leavesTokens: sharedTokens,
      },
      outputGuess: Math.round(means.outputTokens / 2),
    }
  })
}
