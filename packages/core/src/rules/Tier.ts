/**
 * What stake is worth: the tier of an account, which multiplies its earnings and says where it stands in routing. A tier counts
 * stake that was there for a while, so a deposit of the moment earns nothing.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { NonNegativeAmount } from "../Money.ts"
import { TierPriority } from "../Rating.ts"

/**
 * A tier: from how much aged stake on it holds, what it multiplies earnings by (10,000 is once), and its place in routing.
 *
 * @category models
 * @since 0.1.0
 */
export const Tier = Schema.Struct({
  minStake: NonNegativeAmount,
  multiplierBps: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 4_294_967_295 }))),
  priority: TierPriority,
})
/** @since 0.1.0 */
export type Tier = typeof Tier.Type

/** The most tiers of a market. @category constants @since 0.1.0 */
export const TIERS_MAX = 16

/**
 * The tiers of a market, from 0 stake on, each with more than the one before.
 *
 * @category models
 * @since 0.1.0
 */
export const Tiers = Schema.NonEmptyArray(Tier).pipe(
  Schema.check(
    Schema.makeFilter((tiers) => {
      if (tiers.length > TIERS_MAX) return `there are ${tiers.length} tiers. Name at most ${TIERS_MAX}.`
      if (tiers[0].minStake !== 0n) return "the first tier does not begin at 0. Who stakes nothing has a tier as well."
      const isRising = tiers.every((tier, at) => at === 0 || tier.minStake > (tiers[at - 1]?.minStake ?? 0n))
      return isRising ? undefined : "a tier asks no more than the one before. Order them by their stake."
    }),
  ),
)
/** @since 0.1.0 */
export type Tiers = typeof Tiers.Type

/**
 * The part of a stake that counts: what is active now and was active then. `then` is the minimum time ago.
 *
 * @category rules
 * @since 0.1.0
 */
export const aged = (activeNow: bigint, activeThen: bigint): bigint => (activeThen < activeNow ? activeThen : activeNow)

/**
 * The last of the tiers that an aged stake reaches, with its number from 0. Undefined only where there are no tiers, or the first
 * one asks for more.
 *
 * **Example** (Four tiers)
 *
 * ```ts
 * import { Tier } from "@guildhall/core/rules"
 *
 * const tiers = [
 *   { minStake: 0n, multiplierBps: 10_000 },
 *   { minStake: 1_000n, multiplierBps: 12_500 },
 *   { minStake: 10_000n, multiplierBps: 15_000 },
 * ]
 * Tier.of(tiers, 9_999n)?.tier.multiplierBps // => 12500
 * Tier.of(tiers, 10_000n)?.index // => 2
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const of = <T extends { readonly minStake: bigint }>(
  tiers: ReadonlyArray<T>,
  agedStake: bigint,
): { readonly index: number; readonly tier: T } | undefined => {
  const index = tiers.findLastIndex((tier) => tier.minStake <= agedStake)
  const tier = tiers[index]
  return tier === undefined ? undefined : { index, tier }
}

/**
 * What a tier adds to an amount that was earned: its surplus over once, rounded down, and never less than nothing. It is paid from
 * a boost pool; the share of the revenue is not touched.
 *
 * @category rules
 * @since 0.1.0
 */
export const surplus = (earned: bigint, multiplierBps: number): bigint =>
  multiplierBps <= 10_000 ? 0n : (earned * BigInt(multiplierBps - 10_000)) / 10_000n
