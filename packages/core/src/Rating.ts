/**
 * What the market has found out about an instance, beside what the instance declared: its health, its load, what its
 * owner has staked. The router hears of it by the event `InstanceRated`, so a policy needs no clock and no database.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * A share in basis points: 10,000 is all of it.
 *
 * @category models
 * @since 0.1.0
 */
export const Bps = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 10_000 })))

const Count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 })))

/**
 * Whether an instance is left alone after failures.
 *
 * - `closed`: it is routed to as usual.
 * - `parked`: it failed too often of late and gets nothing until its time is over.
 * - `probing`: its time is over, and it gets one request at a time until one succeeds.
 * - `ejected`: it does far worse than the others of its model and is tried again later.
 *
 * @category models
 * @since 0.1.0
 */
export const Breaker = Schema.Literals(["closed", "parked", "probing", "ejected"])
/** @since 0.1.0 */
export type Breaker = typeof Breaker.Type

/**
 * How a tier stands in routing, from last to first: `overflow` gets what the others cannot take, `normal` and `preferred`
 * share by weight (`preferred` comes first for premium buyers), `guaranteed` is offered a fixed share of the requests.
 *
 * @category models
 * @since 0.1.0
 */
export const TierPriority = Schema.Literals(["overflow", "normal", "preferred", "guaranteed"])
/** @since 0.1.0 */
export type TierPriority = typeof TierPriority.Type

const Tier = Schema.Struct({ priority: TierPriority, weightBps: Count })

/**
 * What is known of an instance. Each part may be absent: then nothing is known, and the instance counts as usual.
 *
 * - `breaker`: absent counts as `closed`.
 * - `healthBps`: the share of successes among its outcomes of the last 14 days that were not neutral.
 * - `rampBps`: the part of its declared concurrency that a new instance may use by now.
 * - `inFlightMax`: how many requests at a time it was seen to take before it said that it has too many.
 * - `tier`: what its owner's stake is worth in routing; `weightBps` may be above 10,000.
 * - `bonded`: whether an active bond stands for it, or none is asked of it yet (`MarketChain.isEligible`). `confidential`: whether it runs attested, where its operator cannot look.
 * - `qualityBps`: how clean its record of probes and attestations is.
 * - `foreign`: requests on it, or waiting there, that are not this market's: what it last said of its load, less what the
 *   market's gateways had on it then.
 * - `peersInFlight`: what the other gateways of the market have in flight on it, or what is kept free for them there while
 *   requests wait at several gateways.
 * - `pace`: its time to the first token and for each further one, moving averages that rise at once and fall slowly.
 * - `offer`: what it really cost and how it behaved in the last half hour: `inputPerMillion` and `outputPerMillion` in the
 *   smallest unit of the price's asset for a million tokens, with what its cache saved taken off; `errorBps` of its
 *   requests failed, `limitedBps` were refused as too many; `weight` is its share among the instances of its model, as an
 *   integer, computed off the request's path.
 *
 * @category models
 * @since 0.1.0
 */
export const Rating = Schema.Struct({
  breaker: Schema.optionalKey(Breaker),
  healthBps: Schema.optionalKey(Bps),
  rampBps: Schema.optionalKey(Bps),
  inFlightMax: Schema.optionalKey(Count),
  tier: Schema.optionalKey(Tier),
  bonded: Schema.optionalKey(Schema.Boolean),
  confidential: Schema.optionalKey(Schema.Boolean),
  qualityBps: Schema.optionalKey(Bps),
  foreign: Schema.optionalKey(Count),
  peersInFlight: Schema.optionalKey(Count),
  pace: Schema.optionalKey(Schema.Struct({ firstTokenMs: Count, tokenUs: Count })),
  offer: Schema.optionalKey(
    Schema.Struct({
      inputPerMillion: Schema.Finite,
      outputPerMillion: Schema.Finite,
      errorBps: Bps,
      limitedBps: Bps,
      weight: Count,
    }),
  ),
})
/** @since 0.1.0 */
export type Rating = typeof Rating.Type

/**
 * What is new of an instance: the parts that changed. A tier that is null is known no longer.
 *
 * @category models
 * @since 0.1.0
 */
export const News = Schema.Struct({ ...Rating.fields, tier: Schema.optionalKey(Schema.NullOr(Tier)) })
/** @since 0.1.0 */
export type News = typeof News.Type

/**
 * Joins what is new to what was known: a part that is present takes the place of the former one, and one that is null takes it away.
 *
 * **Example** (It was parked, and its load is told)
 *
 * ```ts
 * import { Rating } from "@guildhall/core"
 *
 * Rating.join({ breaker: "parked" }, { peersInFlight: 2 }) // => { breaker: "parked", peersInFlight: 2 }
 * Rating.join({ breaker: "parked" }, { breaker: "closed" }) // => { breaker: "closed" }
 * Rating.join({ bonded: true, tier: { priority: "preferred", weightBps: 15_000 } }, { tier: null }) // => { bonded: true }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const join = (known: Rating | undefined, news: News): Rating => {
  const { tier, ...rest } = { ...known, ...news }
  return tier === undefined || tier === null ? rest : { ...rest, tier }
}
