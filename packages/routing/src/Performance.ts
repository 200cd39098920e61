/**
 * How fast instances were of late, by percentile over the last five minutes, in constant memory for each.
 *
 * @since 0.1.0
 */
import type { Measured } from "@guildhall/core/DirectoryEvent"
import type { InstanceId } from "@guildhall/core/Instance"

/** Buckets grow by an eighth, so a percentile is off by less than that. */
const GROWTH = 1.125
const BUCKETS = 112
/** The last five minutes are five windows of a minute, and the one that has begun. */
const WINDOW_MS = 60_000
const WINDOWS = 6
/** What is said of an instance is said again after so long at the earliest. */
const SAID_MS = 10_000
/** Of fewer answers, nothing is said. */
const SAMPLES_MIN = 5
const SHARES = [0.5, 0.75, 0.9, 0.99] as const

const bucketOf = (value: number): number =>
  Math.min(BUCKETS - 1, Math.max(0, Math.ceil(Math.log(Math.max(1, value)) / Math.log(GROWTH))))

/** Counts of one size, by window. */
class Sizes {
  readonly #windows = Array.from({ length: WINDOWS }, () => ({ at: -1, counts: new Uint16Array(BUCKETS) }))

  add(value: number, window: number): void {
    const slot = this.#windows[window % WINDOWS]
    if (slot === undefined) return
    if (slot.at !== window) {
      slot.at = window
      slot.counts.fill(0)
    }
    const bucket = bucketOf(value)
    slot.counts[bucket] = Math.min(65_535, (slot.counts[bucket] ?? 0) + 1)
  }

  /** For each share the size that so many samples do not exceed, or do not fall below. */
  percentiles(window: number, falling: boolean): Measured["firstTokenMs"] | undefined {
    const sums = new Float64Array(BUCKETS)
    let total = 0
    for (const { at, counts } of this.#windows) {
      // A window of the future is of a clock that went back since.
      if (at <= window - WINDOWS || at > window) continue
      for (const [bucket, count] of counts.entries()) {
        sums[bucket] = (sums[bucket] ?? 0) + count
        total += count
      }
    }
    if (total < SAMPLES_MIN) return undefined
    const sizeAt = (share: number): number => {
      let seen = 0
      for (let step = 0; step < BUCKETS; step++) {
        const bucket = falling ? BUCKETS - 1 - step : step
        seen += sums[bucket] ?? 0
        if (seen >= share * total) return Math.round(GROWTH ** (falling ? Math.max(0, bucket - 1) : bucket))
      }
      return 1
    }
    return [sizeAt(SHARES[0]), sizeAt(SHARES[1]), sizeAt(SHARES[2]), sizeAt(SHARES[3])]
  }
}

/**
 * One answer: how long its first token took, and how fast tokens came after it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answered {
  readonly firstTokenMs: number
  readonly tokensPerSecond: number
}

interface Known {
  readonly wait: Sizes
  readonly rate: Sizes
  window: number
  saidAtMs: number | undefined
}

/**
 * The measurements of one replica. `observe` takes in an answer and, every few seconds, answers what can be said of the
 * instance by now.
 *
 * @category models
 * @since 0.1.0
 */
export class Performance {
  readonly #instances = new Map<InstanceId, Known>()

  observe(id: InstanceId, { firstTokenMs, tokensPerSecond }: Answered, nowMs: number): Measured | undefined {
    let known = this.#instances.get(id)
    if (known === undefined) {
      known = { wait: new Sizes(), rate: new Sizes(), window: 0, saidAtMs: undefined }
      this.#instances.set(id, known)
    }
    const window = Math.floor(nowMs / WINDOW_MS)
    known.window = window
    known.wait.add(firstTokenMs, window)
    known.rate.add(tokensPerSecond, window)
    const sinceMs = nowMs - (known.saidAtMs ?? -Infinity)
    if (sinceMs >= 0 && sinceMs < SAID_MS) return undefined
    const waits = known.wait.percentiles(window, false)
    const rates = known.rate.percentiles(window, true)
    if (waits === undefined || rates === undefined) return undefined
    known.saidAtMs = nowMs
    return { firstTokenMs: waits, tokensPerSecond: rates }
  }

  /** Forgets the instances of which nothing was heard for five minutes, and answers those of which something was said. */
  expire(nowMs: number): ReadonlyArray<InstanceId> {
    const window = Math.floor(nowMs / WINDOW_MS)
    const said: Array<InstanceId> = []
    for (const [id, known] of this.#instances) {
      if (window - known.window < WINDOWS) continue
      this.#instances.delete(id)
      if (known.saidAtMs !== undefined) said.push(id)
    }
    return said
  }

  forget(id: InstanceId): void {
    this.#instances.delete(id)
  }
}
