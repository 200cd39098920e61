/**
 * What a device may earn, from what devices like it earned: the middle and the range of what came in for a device and day. Where
 * too few providers stand behind the figures, there are none, for they would tell what somebody earns.
 *
 * @since 0.1.0
 */

/**
 * What a device earned on a whole day on which it was on the market, in the smallest unit of the asset; nothing is as good an
 * answer as any other. `uptimeBps` is the part of the day that it was online, where that is known.
 *
 * @category models
 * @since 0.1.0
 */
export interface DeviceDay {
  readonly provider: string
  readonly device: string
  readonly day: number
  readonly earned: bigint
  readonly tokens: number
  readonly uptimeBps?: number | undefined
}

/**
 * `providersMin`: figures rest on so many providers or are not told. `shareMaxBps`: and on no single one for more than this part
 * of the days. `edgeMin`: so many providers stand at each end of the range or beyond it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings {
  readonly providersMin: number
  readonly shareMaxBps: number
  readonly edgeMin: number
}

/**
 * Five providers, none of them for more than half: of fewer, each could find out what the other earns by taking away its own, and
 * of one that is most of the figures everybody could. Three at each end: where one alone earns the most, the end would be its income.
 *
 * @category constants
 * @since 0.1.0
 */
export const usual: Settings = { providersMin: 5, shareMaxBps: 5_000, edgeMin: 3 }

/**
 * The middle, what a tenth of the days did not reach or did just reach, and what a tenth exceeded; nearer to the middle where too
 * few providers stand at an end.
 *
 * @category models
 * @since 0.1.0
 */
export interface Range {
  readonly low: bigint
  readonly median: bigint
  readonly high: bigint
}

/**
 * An estimate for a device and day. Amounts have two significant digits. `uptimeBps` is the middle of the days of which it is
 * known. `perMillion`: what a million tokens earned, all days together.
 *
 * @category models
 * @since 0.1.0
 */
export type Estimate =
  | { readonly _tag: "TooFew"; readonly why: "providers" | "share" }
  | {
      readonly _tag: "Known"
      readonly range: Range
      readonly perMillion: bigint | undefined
      readonly uptimeBps: number | undefined
      readonly providers: number
      readonly devices: number
      readonly deviceDays: number
    }

const less = (a: bigint, b: bigint): bigint => (a < b ? a : b)
const greater = (a: bigint, b: bigint): bigint => (a > b ? a : b)
const compare = (a: bigint, b: bigint): number => (a < b ? -1 : a > b ? 1 : 0)

/** The value that a part of the sorted ones, in basis points, does not exceed. */
const at = <A>(sorted: ReadonlyArray<A>, bps: number): A | undefined =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil((sorted.length * bps) / 10_000) - 1))]

/** The first amount, from one end of the days, at which or before which so many providers stand. */
const edge = (fromEnd: ReadonlyArray<DeviceDay>, providers: number): bigint => {
  const passed = new Set<string>()
  return fromEnd.find(({ provider }) => passed.add(provider).size >= providers)?.earned ?? 0n
}

/**
 * An amount with two significant digits, the nearest; halves away from zero.
 *
 * **Example** (No more than is known)
 *
 * ```ts
 * import { Estimate } from "@guildhall/core/rules"
 *
 * Estimate.rounded(123_456n) // => 120000n
 * Estimate.rounded(99n) // => 99n
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const rounded = (amount: bigint): bigint => {
  const size = amount < 0n ? -amount : amount
  const unit = 10n ** BigInt(Math.max(0, size.toString().length - 2))
  const near = ((size + unit / 2n) / unit) * unit
  return amount < 0n ? -near : near
}

/**
 * Makes the estimate of some device-days.
 *
 * **Example** (Too few to tell)
 *
 * ```ts
 * import { Estimate } from "@guildhall/core/rules"
 *
 * const days = ["mem_a", "mem_b"].map((provider) => ({ provider, device: provider, day: 1, earned: 5n, tokens: 9 }))
 * Estimate.of(days, Estimate.usual) // => { _tag: "TooFew", why: "providers" }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const of = (days: ReadonlyArray<DeviceDay>, settings: Settings): Estimate => {
  const byProvider = Map.groupBy(days, ({ provider }) => provider)
  if (byProvider.size < Math.max(1, settings.providersMin)) return { _tag: "TooFew", why: "providers" }
  const most = Math.max(...[...byProvider.values()].map(({ length }) => length))
  if (most * 10_000 > days.length * settings.shareMaxBps) return { _tag: "TooFew", why: "share" }
  const inOrder = days.toSorted((a, b) => compare(a.earned, b.earned))
  const sorted = inOrder.map(({ earned }) => earned)
  const quantile = (bps: number): bigint => at(sorted, bps) ?? 0n
  const median = quantile(5_000)
  const low = greater(quantile(1_000), edge(inOrder, settings.edgeMin))
  const high = less(quantile(9_000), edge(inOrder.toReversed(), settings.edgeMin))
  // Two or three have nearly all of the days, at one end.
  if (low > median || high < median) return { _tag: "TooFew", why: "share" }
  const uptimes = days.flatMap(({ uptimeBps }) => uptimeBps ?? []).toSorted((a, b) => a - b)
  const tokens = days.reduce((sum, day) => sum + day.tokens, 0)
  const earned = sorted.reduce((sum, one) => sum + one, 0n)
  return {
    _tag: "Known",
    range: { low: rounded(low), median: rounded(median), high: rounded(high) },
    perMillion: tokens > 0 ? rounded((earned * 1_000_000n) / BigInt(tokens)) : undefined,
    uptimeBps: at(uptimes, 5_000),
    providers: byProvider.size,
    devices: new Set(days.map(({ device }) => device)).size,
    deviceDays: days.length,
  }
}

/**
 * The same range for another uptime than the one that was seen, as if earnings grew with the time online; undefined where none
 * was seen.
 *
 * @category rules
 * @since 0.1.0
 */
export const atUptime = (range: Range, seenBps: number | undefined, uptimeBps: number): Range | undefined => {
  if (seenBps === undefined || seenBps <= 0) return undefined
  const scaled = (amount: bigint): bigint => rounded((amount * BigInt(uptimeBps)) / BigInt(seenBps))
  return { low: scaled(range.low), median: scaled(range.median), high: scaled(range.high) }
}
