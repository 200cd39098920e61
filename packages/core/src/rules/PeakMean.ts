/**
 * A moving average that rises at once and falls slowly: what was slow a moment ago is not trusted again at the first good
 * answer.
 *
 * @since 0.1.0
 */

/**
 * The mean after a sample that came `sinceMs` after the one before. A sample above the mean becomes the mean; one below
 * draws it down, the more the longer ago the last one was, by the time constant `fallMs`. What is no number changes nothing.
 *
 * **Example** (A peak, and its end)
 *
 * ```ts
 * import { PeakMean } from "@guildhall/core/rules"
 *
 * PeakMean.next(100, 900, 1_000, 10_000) // => 900
 * Math.round(PeakMean.next(900, 100, 1_000, 10_000)) // => 824
 * PeakMean.next(undefined, 100, 0, 10_000) // => 100
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const next = (mean: number | undefined, sample: number, sinceMs: number, fallMs: number): number => {
  if (!Number.isFinite(sample) || sample < 0) return mean ?? 0
  if (mean === undefined || sample >= mean) return sample
  const kept = Math.exp(-Math.max(0, sinceMs) / fallMs)
  return Number.isFinite(kept) ? mean * kept + sample * (1 - kept) : mean
}
