/**
 * The markets that policies are compared in. All are drawn from a seed.
 *
 * @since 0.1.0
 */
import type { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import * as Chance from "./Chance.ts"
import * as Oracle from "./Oracle.ts"
import * as Provider from "./Provider.ts"
import type { Objective, Request } from "./Request.ts"
import * as Score from "./Score.ts"
import * as Simulation from "./Simulation.ts"
import * as Traffic from "./Traffic.ts"

/**
 * A market, and what is asked of it. What comes before `fromMs` does not count, since directories begin empty.
 *
 * @category models
 * @since 0.1.0
 */
export interface Scenario {
  readonly seed: string
  readonly pool: Provider.Pool
  readonly requests: ReadonlyArray<Request>
  readonly objective: Objective
  readonly gateways: number
  readonly faults: ReadonlyArray<Simulation.Fault>
  readonly fromMs: number
}

/**
 * What most scenarios want of an answer: the first token after two seconds, and 17 tokens a second at least.
 *
 * @category constants
 * @since 0.1.0
 */
export const objective: Objective = { firstTokenMs: 2_000, tokenMs: 60 }

const FROM_MS = 30_000

/** How many requests a second a pool can serve, of so many tokens each. */
const capacity = ({ engines }: Provider.Pool, inputTokens: number, outputTokens: number): number =>
  engines.reduce((sum, spec) => sum + Provider.requestsPerSecond(spec, inputTokens, outputTokens), 0)

/**
 * How many times as fast as in the trace requests come so that, at the trace's mean rate, they ask for this part of what
 * a pool can do.
 *
 * @category rules
 * @since 0.1.0
 */
export const speedOf = (pool: Provider.Pool, load: number): number =>
  (load * capacity(pool, Traffic.means.inputTokens, Traffic.means.outputTokens)) / Traffic.means.requestsPerSecond

/**
 * Twelve machines of three kinds and two gateways, for as long as it takes to serve the trace's number of requests. One
 * machine restarts, one is slow for a while. `requests` takes the place of what is generated, such as a trace.
 *
 * @category constructors
 * @since 0.1.0
 */
export const market = (options: {
  readonly seed: string
  readonly load: number
  readonly count: number
  readonly requests?: ((speed: number) => ReadonlyArray<Request>) | undefined
}): Scenario => {
  const { count, load, seed } = options
  const pool = Provider.mixed(Chance.make(`pool of ${seed}`), 12)
  const speed = speedOf(pool, load)
  const requests = options.requests?.(speed) ?? Traffic.single({ seed, speed, count })
  const endMs = requests.at(-1)?.atMs ?? 0
  const faults: ReadonlyArray<Simulation.Fault> = [
    { atMs: 0.3 * endMs, engine: 4, health: "down" },
    { atMs: 0.3 * endMs + 60_000, engine: 4, health: "well" },
    { atMs: 0.6 * endMs, engine: 7, health: "well", speed: 0.3 },
    { atMs: 0.6 * endMs + 60_000, engine: 7, health: "well" },
  ]
  return { seed, pool, requests, objective, gateways: 2, faults, fromMs: FROM_MS }
}

/** Of the tokens of all prefixes, each of the twelve caches holds a sixth. */
const CACHE_TOKENS = 100_000

/**
 * Twelve equal machines with caches, two gateways, and prompts that begin with one of 150 prefixes of 4,000 tokens on average.
 * From the middle on, half of all requests begin with one and the same.
 *
 * @category constructors
 * @since 0.1.0
 */
export const prefixes = ({
  count,
  hotShare = 0.5,
  load,
  seed,
}: {
  readonly seed: string
  readonly load: number
  readonly count: number
  readonly hotShare?: number
}): Scenario => {
  const pool = Provider.equal(12, CACHE_TOKENS)
  // Half of a prefix is taken as computed anew: between all of it, without affinity, and nothing.
  const perSecond = load * capacity(pool, 2_600, 106)
  const speed = perSecond / Traffic.means.requestsPerSecond
  const popular = { prefixes: 150, exponent: 0.9, hotFrom: 0.5, hotShare }
  const requests = Traffic.prefixed({ seed, speed, count, ...popular })
  return { seed, pool, requests, objective, gateways: 2, faults: [], fromMs: FROM_MS }
}

/**
 * The engines that misbehave in {@link faulty}, in its order of kinds.
 *
 * @category constants
 * @since 0.1.0
 */
export const faultyEngines = { down: 1, silent: 4, failing: 7, lying: 10 } as const

/**
 * When they begin.
 *
 * @category constants
 * @since 0.1.0
 */
export const faultsAtMs = 90_000

/**
 * The market at two fifths of what it can do, where four of twelve machines go wrong in the same moment: one is down, one takes requests and is
 * silent, one answers each with an error while its heartbeats go on, and one becomes ten times as slow and says that it
 * is idle.
 *
 * @category constructors
 * @since 0.1.0
 */
export const faulty = ({ seed }: { readonly seed: string }): Scenario => {
  const { engines, providers } = Provider.mixed(Chance.make(`pool of ${seed}`), 12)
  const { down, failing, lying, silent } = faultyEngines
  const pool = {
    engines,
    providers: providers.map((provider) =>
      provider.engine === lying ? { ...provider, says: { running: 0, queued: 0 } } : provider,
    ),
  }
  const speed = speedOf(pool, 0.4)
  const count = Math.round(180 * speed * Traffic.means.requestsPerSecond)
  return {
    seed,
    pool,
    requests: Traffic.single({ seed, speed, count }),
    objective,
    gateways: 2,
    faults: [
      { atMs: faultsAtMs, engine: down, health: "down" },
      { atMs: faultsAtMs, engine: silent, health: "silent" },
      { atMs: faultsAtMs, engine: failing, health: "failing" },
      { atMs: faultsAtMs, engine: lying, health: "well", speed: 0.1 },
    ],
    fromMs: FROM_MS,
  }
}

/**
 * A run and its score.
 *
 * @category models
 * @since 0.1.0
 */
export interface Result {
  readonly run: Simulation.Run
  readonly score: Score.Score
}

/**
 * Runs a scenario under a policy, or under an oracle.
 *
 * @category constructors
 * @since 0.1.0
 */
export const simulate = (scenario: Scenario, policy: RoutingPolicy | Oracle.Oracle): Result => {
  const run = Simulation.run({ ...scenario, policy })
  return { run, score: Score.of(run, scenario.pool, scenario.objective, scenario.fromMs) }
}

/** The bounds of waiting that the oracle chooses among in hindsight. */
const WAITS_MS = [50, 100, 200, 400, 800, 1_600]

/**
 * What an oracle makes of a scenario under each bound of waiting, from the shortest on.
 *
 * @category constructors
 * @since 0.1.0
 */
export const oracles = (scenario: Scenario): ReadonlyArray<Result> =>
  WAITS_MS.flatMap((waitMs) => {
    const hasCaches = scenario.pool.engines.some(({ cacheTokens }) => cacheTokens > 0)
    return (hasCaches ? [false, true] : [false]).map((clings) => simulate(scenario, Oracle.waiting(waitMs, clings)))
  })

/**
 * The one with the least loss: what regret is counted from.
 *
 * @category rules
 * @since 0.1.0
 */
export const best = (results: ReadonlyArray<Result>): Result | undefined =>
  results.reduce<Result | undefined>(
    (least, each) => (least === undefined || each.score.loss < least.score.loss ? each : least),
    undefined,
  )
