/**
 * How large a thing usually is (an answer of a key and model, the wait for an instance's first token), learned in constant
 * memory for each name.
 *
 * @since 0.1.0
 */

/** Buckets grow by a quarter, so a quantile is off by less than that. */
const GROWTH = 1.25
const BUCKETS = 96
/** Before so many samples, nothing is said. */
const SAMPLES_MIN = 20
/** Old samples count half after so many new ones, roughly. */
const HALF_LIFE = 500
const SERIES_MAX = 20_000

/** Counts in units that a newer sample has more of, so that the older ones need not be touched to count less. */
interface Series {
  readonly counts: Float64Array
  total: number
  /** How many units a sample has now. */
  unit: number
}

/** Before numbers get too large to add ones to, the unit is one again. */
const UNIT_MAX = 1e9

const bucketOf = (value: number): number =>
  Math.min(BUCKETS - 1, Math.max(0, Math.ceil(Math.log(Math.max(1, value)) / Math.log(GROWTH))))

const DECAY = 0.5 ** (1 / HALF_LIFE)

const rebase = (series: Series): void => {
  const { counts, unit } = series
  for (let at = 0; at < BUCKETS; at++) counts[at] = (counts[at] ?? 0) / unit
  series.total /= unit
  series.unit = 1
}

/**
 * A memory of sizes of at least 1. `learn` takes in one sample; `quantile` answers a size, at most a quarter too large, that
 * this share of the samples does not exceed, or undefined where too few were seen. What was not used for longest is
 * forgotten first.
 *
 * **Example** (Nineteen short answers and a long one, again and again)
 *
 * ```ts
 * import { Quantiles } from "@guildhall/gateway"
 *
 * const lengths = Quantiles.make()
 * for (let answer = 0; answer < 100; answer++) lengths.learn("key model", answer % 20 === 0 ? 4_000 : 100)
 * const p50 = lengths.quantile("key model", 0.5) ?? 0
 * const p99 = lengths.quantile("key model", 0.99) ?? 0
 * const isPlausible = p50 >= 100 && p50 < 125 && p99 >= 4_000 && p99 < 5_000
 * isPlausible // => true
 * lengths.quantile("another", 0.5) // => undefined
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = () => {
  const all = new Map<string, Series>()

  const find = (name: string): Series | undefined => {
    const series = all.get(name)
    if (series === undefined) return undefined
    // The last one used stands last, once somebody may have to go.
    if (all.size > SERIES_MAX / 2) {
      all.delete(name)
      all.set(name, series)
    }
    return series
  }

  const begin = (name: string): Series => {
    const [oldest] = all.keys()
    if (all.size >= SERIES_MAX && oldest !== undefined) all.delete(oldest)
    const series = { counts: new Float64Array(BUCKETS), total: 0, unit: 1 }
    all.set(name, series)
    return series
  }

  return {
    learn: (name: string, value: number): void => {
      const series = find(name) ?? begin(name)
      series.unit /= DECAY
      if (series.unit > UNIT_MAX) rebase(series)
      const bucket = bucketOf(value)
      series.counts[bucket] = (series.counts[bucket] ?? 0) + series.unit
      series.total += series.unit
    },
    quantile: (name: string, share: number): number | undefined => {
      const series = find(name)
      if (series === undefined || series.total < SAMPLES_MIN * DECAY ** SAMPLES_MIN * series.unit) return undefined
      let seen = 0
      for (let at = 0; at < BUCKETS; at++) {
        seen += series.counts[at] ?? 0
        if (seen >= share * series.total) return Math.ceil(GROWTH ** at)
      }
      return undefined
    },
  } as const
}
