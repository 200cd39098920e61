/**
 * How much of a bond an offence takes. Rates are in basis points of what was bonded when it happened; all of one period together
 * take at most a cap.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { BasisPoints } from "./Split.ts"

/**
 * What uptime below a mark costs. `standing` is what becomes of the instance beside it.
 *
 * @category models
 * @since 0.1.0
 */
export const UptimeStep = Schema.Struct({
  belowBps: BasisPoints,
  rateBps: BasisPoints,
  standing: Schema.Literals(["lower", "much_lower", "deregistered"]),
})
/** @since 0.1.0 */
export type UptimeStep = typeof UptimeStep.Type

/**
 * The steps of the reference market: below 95 % it costs 2 %, below 90 % 5 %, below 50 % 10 % and the place on the market.
 *
 * @category constants
 * @since 0.1.0
 */
export const UPTIME_STEPS: ReadonlyArray<UptimeStep> = [
  { belowBps: 9_500, rateBps: 200, standing: "lower" },
  { belowBps: 9_000, rateBps: 500, standing: "much_lower" },
  { belowBps: 5_000, rateBps: 1_000, standing: "deregistered" },
]

/**
 * The uptime of a period: seconds in which it was up, of those in which it was to be. Maintenance and the platform's own outages
 * count in neither.
 *
 * @category models
 * @since 0.1.0
 */
export interface Uptime {
  readonly upS: number
  readonly expectedS: number
}

/**
 * The one step that applies to a period: the most severe. A mark itself is not below it, and where nothing was expected nothing
 * was missed.
 *
 * **Example** (Exactly 95 % is enough)
 *
 * ```ts
 * import { Slashing } from "@guildhall/core/rules"
 *
 * Slashing.forUptime(Slashing.UPTIME_STEPS, { upS: 95, expectedS: 100 }) // => undefined
 * Slashing.forUptime(Slashing.UPTIME_STEPS, { upS: 949, expectedS: 1_000 })?.rateBps // => 200
 * Slashing.forUptime(Slashing.UPTIME_STEPS, { upS: 0, expectedS: 1_000 })?.standing // => "deregistered"
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const forUptime = (steps: ReadonlyArray<UptimeStep>, { expectedS, upS }: Uptime): UptimeStep | undefined => {
  // As integers: a quotient would round, and its edge would be somewhere else.
  const up = BigInt(upS) * 10_000n
  const applying = steps.filter((step) => up < BigInt(step.belowBps) * BigInt(expectedS))
  return applying.reduce<UptimeStep | undefined>(
    (worst, step) => (worst === undefined || step.rateBps > worst.rateBps ? step : worst),
    undefined,
  )
}

/** How bad a bad response was, from 1 to 5. @category models @since 0.1.0 */
export const Severity = Schema.Literals([1, 2, 3, 4, 5])
/** @since 0.1.0 */
export type Severity = typeof Severity.Type

/**
 * The rate of a bad response: severity 1 takes the least, 5 the most, the others lie evenly between, rounded down.
 *
 * **Example** (Five to ten percent)
 *
 * ```ts
 * import { Slashing } from "@guildhall/core/rules"
 *
 * Slashing.forSeverity(1) // => 500
 * Slashing.forSeverity(3) // => 750
 * Slashing.forSeverity(5) // => 1000
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const forSeverity = (
  severity: Severity,
  range: { readonly leastBps: number; readonly mostBps: number } = { leastBps: 500, mostBps: 1_000 },
): number => range.leastBps + Math.floor(((range.mostBps - range.leastBps) * (severity - 1)) / 4)

/**
 * What counts of a rate where the period's offences have used some of the cap.
 *
 * @category rules
 * @since 0.1.0
 */
export const withinCap = (rateBps: number, { capBps, usedBps }: Cap): number =>
  Math.max(0, Math.min(rateBps, capBps - usedBps))

/** The cap of a period, and what is used of it. @category models @since 0.1.0 */
export interface Cap {
  readonly capBps: number
  readonly usedBps: number
}

/**
 * What counts of all offences of a period under one cap: first that of uptime, then those of bad responses, in the order in which
 * they came.
 *
 * **Example** (Five percent for uptime, and three bad responses)
 *
 * ```ts
 * import { Slashing } from "@guildhall/core/rules"
 *
 * const offences = [
 *   { kind: "response", rateBps: 1_000 },
 *   { kind: "uptime", rateBps: 500 },
 *   { kind: "response", rateBps: 1_000 },
 * ] as const
 * Slashing.counted(offences, 2_000).map((offence) => offence.countedBps) // => [500, 1000, 500]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const counted = <O extends { readonly kind: "uptime" | "response"; readonly rateBps: number }>(
  offences: ReadonlyArray<O>,
  capBps: number,
): ReadonlyArray<O & { readonly countedBps: number }> => {
  const ordered = [
    ...offences.filter((offence) => offence.kind === "uptime"),
    ...offences.filter((offence) => offence.kind === "response"),
  ]
  let usedBps = 0
  return ordered.map((offence) => {
    const countedBps = withinCap(offence.rateBps, { capBps, usedBps })
    usedBps += countedBps
    return { ...offence, countedBps }
  })
}

/**
 * What a slash takes: the rate of what was bonded at the offence, rounded up, and at most what is left.
 *
 * **Example** (Rounded up)
 *
 * ```ts
 * import { Slashing } from "@guildhall/core/rules"
 *
 * Slashing.amount({ bondedThen: 501n, rateBps: 200, bondedNow: 501n }) // => 11n
 * Slashing.amount({ bondedThen: 501n, rateBps: 200, bondedNow: 4n }) // => 4n
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const amount = (options: {
  readonly bondedThen: bigint
  readonly rateBps: number
  readonly bondedNow: bigint
}): bigint => {
  const asked = (options.bondedThen * BigInt(options.rateBps) + 9_999n) / 10_000n
  return asked < options.bondedNow ? asked : options.bondedNow
}

/**
 * How what was taken is shared: the finder has its share, rounded down, and the insurance the rest. Without a finder the insurance
 * has all.
 *
 * @category rules
 * @since 0.1.0
 */
export const share = (
  taken: bigint,
  options: { readonly finderBps: number; readonly hasFinder: boolean },
): { readonly finder: bigint; readonly insurance: bigint } => {
  const finder = options.hasFinder ? (taken * BigInt(options.finderBps)) / 10_000n : 0n
  return { finder, insurance: taken - finder }
}
