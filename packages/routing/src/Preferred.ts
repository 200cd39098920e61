/**
 * A policy's ranking in the order that a buyer asked for. What a buyer rules out is left out by filters; what it would
 * rather have moves to the front, and the policy decides among equals.
 *
 * @since 0.1.0
 */
import type { Bounds, ProviderPreferences } from "@guildhall/core/ProviderPreferences"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { InstanceId } from "@guildhall/core/Instance"
import { isNamed } from "./filters/Only.ts"
import * as Price from "./internal/Price.ts"
import type { Candidate, Ranking, RoutingPolicy, RoutingRequest } from "./RoutingPolicy.ts"

const PERCENTILES = ["p50", "p75", "p90", "p99"] as const

/** Whether every bound is kept. What was not measured keeps none. */
const keeps = (
  bounds: Bounds | undefined,
  measured: ReadonlyArray<number> | undefined,
  isKept: (measured: number, bound: number) => boolean,
): boolean =>
  bounds === undefined ||
  PERCENTILES.every((percentile, at) => {
    const bound = bounds[percentile]
    const value = measured?.[at]
    return bound === undefined || (value !== undefined && isKept(value, bound))
  })

const prices = new WeakMap<PriceSheet.PriceSheet, number>()

/** As a number: two prices that differ by less than a part in 10^15 are as good as equal. Computed once for a sheet. */
const priceOf = (sheet: PriceSheet.PriceSheet): number => {
  const known = prices.get(sheet)
  if (known !== undefined) return known
  const price = Number(PriceSheet.cost(sheet, MILLION))
  prices.set(sheet, price)
  return price
}

/** Where a candidate stands before the policy is asked: the smaller, the earlier. */
interface Standing {
  readonly named: number
  readonly demoted: number
  readonly sorted: number
}

const MILLION = { inputToken: 1_000_000, outputToken: 1_000_000, image: 1_000, request: 1_000 }

const standingOf = ({ instance, measured }: Candidate, wanted: ProviderPreferences): Standing => {
  const { latencyMaxMs, order, sort, throughputMin } = wanted
  const place = order?.findIndex((name) => isNamed(name, instance)) ?? -1
  const isFast =
    keeps(throughputMin, measured?.tokensPerSecond, (value, bound) => value >= bound) &&
    keeps(latencyMaxMs, measured?.firstTokenMs, (value, bound) => value <= bound)
  const [waitMs = Infinity] = measured?.firstTokenMs ?? []
  const [rate = 0] = measured?.tokensPerSecond ?? []
  const sorted =
    sort === "price" ? priceOf(instance.price) : sort === "latency" ? waitMs : sort === "throughput" ? -rate : 0
  return { named: place === -1 ? Infinity : place, demoted: isFast ? 0 : 1, sorted }
}

const difference = (a: number, b: number): number => (a === b ? 0 : a < b ? -1 : 1)

/** What it is sorted by, as people read it. A price is that of a million tokens in and as many out. */
const measure = (sort: NonNullable<ProviderPreferences["sort"]>, sorted: number): string => {
  switch (sort) {
    case "price":
      return `price ${Price.said(sorted)}`
    case "latency":
      return sorted === Infinity ? "latency not measured" : `latency ${sorted} ms`
    case "throughput":
      return sorted === 0 ? "throughput not measured" : `throughput ${-sorted} tokens/s`
  }
}

const because = ({ named, demoted, sorted }: Standing, { sort }: ProviderPreferences, policy: string): string =>
  [
    named === Infinity ? [] : [`named ${named + 1}.`],
    demoted === 0 ? [] : ["slower than asked for"],
    sort === undefined ? [] : [measure(sort, sorted)],
    [policy],
  ]
    .flat()
    .join(", ")

/** An entry of a ranking where the buyer would rather have it. Its reason is written when it is read. */
class Preferred {
  readonly instance: InstanceId
  readonly #entry: Ranking["ranked"][number]
  readonly #standing: Standing
  readonly #preferences: ProviderPreferences

  constructor(entry: Ranking["ranked"][number], standing: Standing, preferences: ProviderPreferences) {
    this.instance = entry.instance
    this.#entry = entry
    this.#standing = standing
    this.#preferences = preferences
  }
  get standing(): Standing {
    return this.#standing
  }
  get because(): string {
    return because(this.#standing, this.#preferences, this.#entry.because)
  }
  toJSON() {
    return { instance: this.instance, because: this.because }
  }
}

/** By name, then by what is missed, then by what is sorted by. */
const compare = (a: Standing, b: Standing): number =>
  difference(a.named, b.named) || difference(a.demoted, b.demoted) || difference(a.sorted, b.sorted)

/**
 * Ranks by a policy and, where the buyer has preferences, by those first. Pure, like the policy.
 *
 * @category rules
 * @since 0.1.0
 */
export const rank = (
  policy: RoutingPolicy,
  request: RoutingRequest,
  candidates: ReadonlyArray<Candidate>,
  seed: number,
): Ranking => {
  const ranking = policy.rank(request, candidates, seed)
  const { preferences } = request
  if (preferences === undefined || !reorders(preferences)) return ranking
  const byId = new Map<InstanceId, Candidate>()
  for (const candidate of candidates) byId.set(candidate.instance.id, candidate)
  const standings: Array<Preferred> = []
  for (const entry of ranking.ranked) {
    const candidate = byId.get(entry.instance)
    if (candidate === undefined) continue
    standings.push(new Preferred(entry, standingOf(candidate, preferences), preferences))
  }
  // Sorting keeps the policy's order among equals.
  return { ranked: standings.sort((a, b) => compare(a.standing, b.standing)), excluded: ranking.excluded }
}

/**
 * Whether preferences change the order, and not only who may serve.
 *
 * @category rules
 * @since 0.1.0
 */
export const reorders = ({ latencyMaxMs, order, sort, throughputMin }: ProviderPreferences): boolean =>
  order !== undefined || sort !== undefined || throughputMin !== undefined || latencyMaxMs !== undefined
