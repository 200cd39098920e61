/**
 * What stake earns: a yearly part of it, from money that was funded for that and from nothing else. Figures are scaled by
 * {@link SCALE}, and nothing is rounded until somebody claims.
 *
 * @since 0.1.0
 */

/** By how much figures are scaled. @category constants @since 0.1.0 */
export const SCALE = 10n ** 27n

const YEAR_S = 31_536_000n

/**
 * What one unit of stake earns in a second, scaled, rounded down once and for all.
 *
 * @category rules
 * @since 0.1.0
 */
export const rate = (apyBps: number): bigint => (BigInt(apyBps) * SCALE) / (10_000n * YEAR_S)

/**
 * The stream that stake earns from. `index` is what one unit of stake earned since the beginning and `stream` what nobody has
 * earned yet, both scaled.
 *
 * @category models
 * @since 0.1.0
 */
export interface Accrual {
  readonly index: bigint
  readonly stream: bigint
}

/**
 * Goes on for some seconds in which so much was active. Where the stream holds less than all would earn, they share what there is,
 * and what does not divide stays in it.
 *
 * **Example** (Five percent of 100 in a year, and only 3 in the stream)
 *
 * ```ts
 * import { Apy } from "@guildhall/core/rules"
 *
 * const before = { index: 0n, stream: 3n * Apy.SCALE }
 * const after = Apy.accrue(before, { rate: Apy.rate(500), totalActive: 100n, elapsedS: 31_536_000 })
 * Apy.whole(Apy.earned(100n, after.index, before.index)) // => 3n
 * after.stream // => 0n
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const accrue = (
  { index, stream }: Accrual,
  options: { readonly rate: bigint; readonly totalActive: bigint; readonly elapsedS: number },
): Accrual => {
  if (options.totalActive === 0n) return { index, stream }
  const wanted = options.rate * BigInt(options.elapsedS)
  const growth = wanted * options.totalActive > stream ? stream / options.totalActive : wanted
  return { index: index + growth, stream: stream - growth * options.totalActive }
}

/** What a stake earned between two values of the index, scaled. @category rules @since 0.1.0 */
export const earned = (active: bigint, indexNow: bigint, indexThen: bigint): bigint => active * (indexNow - indexThen)

/** The whole units of a scaled figure: what a claim pays. The rest stays. @category rules @since 0.1.0 */
export const whole = (scaled: bigint): bigint => scaled / SCALE
