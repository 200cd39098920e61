/**
 * How well a run went.
 *
 * @since 0.1.0
 */
import * as PriceSheet from "@guildhall/core/PriceSheet"
import { type Pool, requestsPerSecond } from "./Provider.ts"
import { type Ended, isGood, type Objective } from "./Request.ts"
import type { Run } from "./Simulation.ts"
import * as Traffic from "./Traffic.ts"

/**
 * The scores.
 *
 * - `costPerMillion`: what was paid in all, in cents, for a million tokens of answers.
 * - `firstTokenP50Ms`, `firstTokenP99Ms`: of what was served, counted from the buyer's question.
 * - `goodput`: the part of all requests that was served within the objective.
 * - `hits`: the part of the tokens that caches could have held which they did hold.
 * - `fairness`: Jain's index over what providers earned for what they can do; 1 is equal, 1/n is all to one.
 * - `tenantFairness`: the same over the tenants' goodput.
 * - `loss`: what was paid, and for each request that missed the objective what the dearest instance would have asked for it,
 *   in cents: as if it had to be bought again. What {@link regret} compares.
 *
 * @category models
 * @since 0.1.0
 */
export interface Score {
  readonly costPerMillion: number
  readonly firstTokenP50Ms: number
  readonly firstTokenP99Ms: number
  readonly goodput: number
  readonly hits: number
  readonly fairness: number
  readonly tenantFairness: number
  readonly loss: number
  readonly served: number
  readonly failed: number
  readonly refused: number
}

/**
 * Jain's index of fairness: (Σx)² / (n·Σx²).
 *
 * **Example** (All alike, and all to one)
 *
 * ```ts
 * import { Score } from "@guildhall/simulator"
 *
 * Score.jain([3, 3, 3]) // => 1
 * Score.jain([4, 0, 0, 0]) // => 0.25
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const jain = (values: ReadonlyArray<number>): number => {
  const sum = values.reduce((total, value) => total + value, 0)
  const squares = values.reduce((total, value) => total + value * value, 0)
  return squares === 0 ? 1 : (sum * sum) / (values.length * squares)
}

/**
 * The value that a share of the sample does not exceed.
 *
 * @category rules
 * @since 0.1.0
 */
export const percentile = (sorted: ReadonlyArray<number>, share: number): number =>
  sorted[Math.min(sorted.length - 1, Math.max(0, Math.ceil(share * sorted.length) - 1))] ?? Number.NaN

const toCents = (cost: bigint): number => Number(cost) / Number(PriceSheet.CENT)

const usageOf = ({ cachedTokens, request: { work } }: Ended) => ({
  inputToken: work.inputTokens - cachedTokens,
  cachedInputToken: cachedTokens,
  outputToken: work.outputTokens,
})

/** What each provider earned for each request a second that it can do; machines under several names count once for each. */
const earned = (pool: Pool, revenue: ReadonlyArray<number>): ReadonlyArray<number> =>
  pool.providers.map(({ engine }, at) => {
    const spec = pool.engines[engine]
    const { inputTokens, outputTokens } = Traffic.means
    return spec === undefined ? 0 : (revenue[at] ?? 0) / requestsPerSecond(spec, inputTokens, outputTokens)
  })

/**
 * Scores a run: of the requests that came from `fromMs` on, so that a start with empty directories does not count.
 *
 * @category rules
 * @since 0.1.0
 */
export const of = (run: Run, pool: Pool, objective: Objective, fromMs = 0): Score => {
  const ended = run.ended.filter(({ request }) => request.atMs >= fromMs)
  const served = ended.filter(({ outcome }) => outcome === "served")
  const firstTokens = served.map(({ firstTokenMs }) => firstTokenMs).sort((a, b) => a - b)
  const revenue = pool.providers.map(() => 0)
  const tenants = new Map<string, { all: number; good: number }>()
  const sums = { cost: 0, fine: 0, tokens: 0, good: 0, shared: 0, cached: 0 }
  for (const one of ended) {
    const { outcome, provider, request } = one
    const tenant = tenants.get(request.tenant) ?? { all: 0, good: 0 }
    tenants.set(request.tenant, tenant)
    tenant.all++
    if (isGood(one, objective)) {
      tenant.good++
      sums.good++
    } else sums.fine += dearest(pool, one)
    if (outcome !== "served") continue
    const sheet = pool.providers[provider]?.instance.price ?? []
    const cost = toCents(PriceSheet.cost(sheet, usageOf(one)))
    revenue[provider] = (revenue[provider] ?? 0) + cost
    sums.cost += cost
    sums.tokens += request.work.outputTokens
    sums.shared += request.work.sharedTokens
    sums.cached += one.cachedTokens
  }
  const count = (wanted: Ended["outcome"]): number => ended.filter(({ outcome }) => outcome === wanted).length
  return {
    costPerMillion: (sums.cost * 1_000_000) / Math.max(1, sums.tokens),
    firstTokenP50Ms: percentile(firstTokens, 0.5),
    firstTokenP99Ms: percentile(firstTokens, 0.99),
    goodput: sums.good / Math.max(1, ended.length),
    hits: sums.cached / Math.max(1, sums.shared),
    fairness: jain(earned(pool, revenue)),
    tenantFairness: jain([...tenants.values()].map(({ all, good }) => good / all)),
    loss: sums.cost + sums.fine,
    served: served.length,
    failed: count("failed"),
    refused: count("refused"),
  }
}

const dearest = (pool: Pool, { request: { work } }: Ended): number => {
  const usage = { inputToken: work.inputTokens, outputToken: work.outputTokens }
  return pool.providers.reduce((most, { instance }) => {
    const cost = toCents(PriceSheet.cost(instance.price, usage))
    return cost > most ? cost : most
  }, 0)
}

/**
 * By how much a loss is above the oracle's: 0.05 is five hundredths.
 *
 * @category rules
 * @since 0.1.0
 */
export const regret = (score: Score, oracle: Score): number => score.loss / oracle.loss - 1

/**
 * Of the requests sent in a span of time, how many went to an engine, against its share: 1 is as many as its part of the
 * pool's declared concurrency.
 *
 * @category rules
 * @since 0.1.0
 */
export const shareSent = (run: Run, pool: Pool, engine: number, fromMs: number, toMs: number): number => {
  let [all, its, declared, itsDeclared] = [0, 0, 0, 0]
  for (const [at, { engine: own, instance }] of pool.providers.entries()) {
    const count = (run.sent[at] ?? []).filter((atMs) => atMs >= fromMs && atMs < toMs).length
    all += count
    declared += instance.concurrency
    if (own !== engine) continue
    its += count
    itsDeclared += instance.concurrency
  }
  return all === 0 ? 0 : its / all / (itsDeclared / declared)
}
