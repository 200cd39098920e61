import { assert, describe, it } from "@effect/vitest"
import * as Parts from "@guildhall/core/Parts"
import * as policies from "@guildhall/routing/policies"
import { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import { Effect } from "effect"
import * as Baselines from "../src/baselines/index.ts"
import type { EngineSpec } from "../src/Engine.ts"
import * as Provider from "../src/Provider.ts"
import * as Scenario from "../src/Scenario.ts"
import * as Score from "../src/Score.ts"
import * as Simulation from "../src/Simulation.ts"
import * as Traffic from "../src/Traffic.ts"

const parts = Parts.make(Object.values(policies).map(({ part }) => part))
const own = parts.names(RoutingPolicy).map((use) => Effect.runSync(parts.resolve(RoutingPolicy, { use })))
const named = (use: string): RoutingPolicy => Effect.runSync(parts.resolve(RoutingPolicy, { use }))
const all: ReadonlyArray<RoutingPolicy> = [
  ...own,
  Baselines.RandomChoice.randomChoice,
  Baselines.RoundRobin.roundRobin,
  Baselines.LeastConnections.leastConnections,
  Baselines.PowerOfTwo.powerOfTwo,
]

const engine: EngineSpec = {
  prefillTokensPerSecond: 10_000,
  tokenMs: 12,
  tokenMsPerPeer: 0.6,
  batchMax: 16,
  queueMax: 4,
  cacheTokens: 0,
}
const perSecond = Provider.requestsPerSecond(engine, Traffic.means.inputTokens, Traffic.means.outputTokens)
const ENGINES = 8
const COUNT = 2_000
const engines = Array.from({ length: ENGINES }, () => engine)
const honest = (at: number, outputCents = 48): Provider.Provider =>
  Provider.make({ name: `honest-${at}`, engine: at, concurrency: 16, inputCents: 12, outputCents })
const eight = engines.map((_, at) => honest(at))

interface Attack extends Partial<Simulation.Options> {
  readonly load?: number
}

const attack = (policy: RoutingPolicy, pool: Provider.Pool, { load = 0.5, ...options }: Attack = {}) => {
  const speed = (load * ENGINES * perSecond) / Traffic.means.requestsPerSecond
  const requests = Traffic.single({ seed: "adversary", speed, count: COUNT })
  const { objective } = Scenario
  const run = Simulation.run({ seed: "adversary", pool, requests, policy, objective, gateways: 2, ...options })
  const sent = run.sent.map(({ length }) => length)
  const total = sent.reduce((sum, each) => sum + each, 0)
  const shareOf = (isIts: (at: number) => boolean): number =>
    sent.reduce((sum, each, at) => sum + (isIts(at) ? each : 0), 0) / total
  return { score: Score.of(run, pool, objective), shareOf }
}

describe("adversaries", () => {
  it("undercutting by one cent wins a little, and does not fill one machine while others idle", () => {
    const pool = { engines, providers: eight.map((each, at) => (at === 0 ? honest(0, 47) : each)) }
    for (const policy of all) {
      const { score, shareOf } = attack(policy, pool)
      // Only one that looks at nothing but the price gives it all that it can take.
      if (policy.name !== "LowestPrice")
        assert.isBelow(
          shareOf((at) => at === 0),
          1.5 / ENGINES,
          policy.name,
        )
      assert.isAbove(score.goodput, 0.99, policy.name)
    }
  })

  it("one machine under 50 names draws more than one name would from who counts names, and less from who counts refusals", () => {
    const sybils = Array.from({ length: 50 }, (_, at) =>
      Provider.make({ name: `sybil-${at}`, engine: 7, concurrency: 16, inputCents: 12, outputCents: 48 }),
    )
    const pool = { engines, providers: [...eight.slice(0, 7), ...sybils] }
    const isSybil = (at: number): boolean => at >= 7
    const naive = attack(Baselines.RandomChoice.randomChoice, pool)
    const adjusted = attack(named("AdjustedPrice"), pool)
    assert.isAbove(naive.shareOf(isSybil), 0.5, "what the attack gains where nobody looks")
    assert.isBelow(adjusted.shareOf(isSybil), 0.8 * naive.shareOf(isSybil))
    assert.isAbove(adjusted.score.goodput, naive.score.goodput)
    const { failed, refused, served } = naive.score
    assert.strictEqual(served + failed + refused, COUNT)
  })

  it("heartbeats without service gain next to nothing, even at half the price", () => {
    const pool = { engines, providers: eight.map((each, at) => (at === 0 ? honest(0, 24) : each)) }
    for (const health of ["silent", "failing"] as const) {
      for (const policy of all) {
        const { score, shareOf } = attack(policy, pool, { faults: [{ atMs: 0, engine: 0, health }] })
        assert.isBelow(
          shareOf((at) => at === 0),
          0.25 / ENGINES,
          `${policy.name}, ${health}`,
        )
        assert.isAbove(score.goodput, 0.97, `${policy.name}, ${health}`)
      }
    }
  })

  it("an instance that is fast on probes only gains nothing by them", () => {
    const slow = { ...engine, prefillTokensPerSecond: 1_000, tokenMs: 60 }
    const pool = (probeSpeed: number): Provider.Pool => ({
      engines: engines.map((each, at) => (at === 0 ? slow : each)),
      providers: eight.map((each, at) => (at === 0 ? { ...each, probeSpeed } : each)),
    })
    for (const policy of all) {
      const [plain, cheating] = [1, 50].map((probeSpeed) => attack(policy, pool(probeSpeed), { probeMs: 2_000 }))
      const [before = 0, after = 1] = [plain, cheating].map((each) => each?.shareOf((at) => at === 0))
      assert.isAtMost(after, before + 0.005, policy.name)
      assert.isBelow(after, 0.75 / ENGINES, policy.name)
    }
  })

  it("four gateways that learn of each other five times a second load all machines alike", () => {
    const pool = { engines, providers: eight }
    for (const [name, tolerance] of [
      ["LeastLoaded", 0.1],
      ["PeakEwma", 0.15],
      ["AdjustedPrice", 0.25],
    ] as const) {
      const [one, four] = [1, 4].map((gateways) => attack(named(name), pool, { gateways, load: 0.7 }))
      for (let at = 0; at < ENGINES; at++) {
        assert.approximately(
          (four?.shareOf((each) => each === at) ?? 0) * ENGINES,
          1,
          tolerance,
          `${name}, machine ${at}`,
        )
      }
      const slowest = (each: typeof one): number => each?.score.firstTokenP99Ms ?? Number.NaN
      assert.isBelow(slowest(four), 1.5 * slowest(one), name)
      assert.isAbove(four?.score.goodput ?? 0, 0.99, name)
    }
  })
})

describe("engines gone wrong", () => {
  it("get less than their share from every policy, two seconds after", () => {
    const scenario = Scenario.faulty({ seed: "gone wrong" })
    const from = Scenario.faultsAtMs + 2_000
    for (const policy of [...all, Baselines.LatencyEwma.latencyEwma]) {
      const { run } = Scenario.simulate(scenario, policy)
      for (const [kind, at] of Object.entries(Scenario.faultyEngines)) {
        const share = Score.shareSent(run, scenario.pool, at, from, from + 60_000)
        assert.isBelow(share, 0.75, `${policy.name}, ${kind}`)
      }
    }
  })
})
