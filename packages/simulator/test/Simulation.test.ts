import { assert, describe, it } from "@effect/vitest"
import { LeastLoaded } from "@guildhall/routing/policies"
import * as RoutingPolicyTest from "@guildhall/routing/testing/RoutingPolicyTest"
import type { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import * as Baselines from "../src/baselines/index.ts"
import * as Chance from "../src/Chance.ts"
import * as Oracle from "../src/Oracle.ts"
import * as Provider from "../src/Provider.ts"
import * as Score from "../src/Score.ts"
import * as Simulation from "../src/Simulation.ts"
import * as Traffic from "../src/Traffic.ts"

const baselines: ReadonlyArray<RoutingPolicy> = [
  Baselines.LatencyEwma.latencyEwma,
  Baselines.LeastConnections.leastConnections,
  Baselines.PowerOfTwo.powerOfTwo,
  Baselines.RandomChoice.randomChoice,
  Baselines.RoundRobin.roundRobin,
]
const pool = Provider.mixed(Chance.make("pool of the tests"), 6)
const objective = { firstTokenMs: 2_000, tokenMs: 60 }
const perSecond = pool.engines.reduce((sum, spec) => sum + Provider.requestsPerSecond(spec, 1_155, 211), 0)
const traffic = (seed: string, load: number, count: number) =>
  Traffic.single({ seed, speed: (load * perSecond) / Traffic.means.requestsPerSecond, count })

const faults: ReadonlyArray<Simulation.Fault> = [
  { atMs: 10_000, engine: 0, health: "down" },
  { atMs: 60_000, engine: 0, health: "well" },
  { atMs: 20_000, engine: 1, health: "silent" },
  { atMs: 50_000, engine: 1, health: "well" },
  { atMs: 30_000, engine: 2, health: "failing" },
  { atMs: 40_000, engine: 3, health: "well", speed: 0.2 },
]

const simulate = (policy: RoutingPolicy | Oracle.Oracle, seed = "tests", load = 0.7, count = 1_500) =>
  Simulation.run({ seed, pool, requests: traffic(seed, load, count), policy, objective, gateways: 3, faults })

for (const policy of baselines) RoutingPolicyTest.suite(policy.name, policy)

describe("Simulation", () => {
  it("gives the same scores for the same seed, byte for byte, and others for another", () => {
    for (const policy of [LeastLoaded.leastLoaded, Baselines.LatencyEwma.latencyEwma, Oracle.waiting(400)] as const) {
      const [one, again, other] = ["a", "a", "b"].map((seed) =>
        JSON.stringify(Score.of(simulate(policy, seed), pool, objective)),
      )
      assert.strictEqual(one, again)
      assert.notStrictEqual(one, other)
    }
  })

  it("ends every request once, whatever fails, and has nothing in flight at the end", () => {
    for (const policy of [...baselines, LeastLoaded.leastLoaded, Oracle.waiting(400)] as const) {
      for (const load of [0.3, 1.5]) {
        const { ended, inFlight } = simulate(policy, "conservation", load)
        const ids = new Set(ended.map(({ request }) => request.id))
        assert.strictEqual(ended.length, 1_500)
        assert.strictEqual(ids.size, 1_500)
        assert.strictEqual(inFlight, 0)
      }
    }
  })

  it("keeps Little's law over the whole market", () => {
    const run = Simulation.run({
      seed: "little",
      pool,
      requests: traffic("little", 0.5, 4_000),
      policy: LeastLoaded.leastLoaded,
      objective,
    })
    // What is inside, integrated over time from each coming and going, against the sum of the times spent inside.
    const moves = run.ended
      .flatMap(({ endedAtMs, request }) => [[request.atMs, 1] as const, [endedAtMs, -1] as const])
      .sort((a, b) => a[0] - b[0])
    let [inside, area, lastMs] = [0, 0, 0]
    for (const [atMs, by] of moves) {
      area += inside * (atMs - lastMs)
      lastMs = atMs
      inside += by
    }
    const spent = run.ended.reduce((sum, { endedAtMs, request }) => sum + endedAtMs - request.atMs, 0)
    assert.approximately(area / spent, 1, 1e-9)
    assert.strictEqual(inside, 0)
  })

  it("uses as much of the engines as what is asked of them takes", () => {
    const requests = traffic("busy", 0.4, 4_000)
    const run = Simulation.run({ seed: "busy", pool, requests, policy: Baselines.RandomChoice.randomChoice, objective })
    const score = Score.of(run, pool, objective)
    assert.strictEqual(score.served, 4_000)
    const tokens = requests.reduce((sum, { work }) => sum + work.outputTokens, 0)
    const paid = run.ended.reduce((sum, { request }) => sum + request.work.outputTokens, 0)
    assert.strictEqual(paid, tokens)
    for (const busyMs of run.busyMs) assert.isTrue(busyMs > 0 && busyMs <= run.endedAtMs)
  })

  it("has no policy that loses less than the oracle", () => {
    const oracle = Score.of(simulate(Oracle.waiting(400)), pool, objective)
    for (const policy of [...baselines, LeastLoaded.leastLoaded]) {
      assert.isAbove(Score.regret(Score.of(simulate(policy), pool, objective), oracle), 0, policy.name)
    }
  })
})

describe("Score", () => {
  it("is Jain's index", () => {
    assert.strictEqual(Score.jain([1, 1, 1, 1]), 1)
    assert.strictEqual(Score.jain([1, 0, 0, 0]), 0.25)
    assert.strictEqual(Score.jain([]), 1)
  })

  it("takes the value at a share of the sorted ones", () => {
    const hundred = Array.from({ length: 100 }, (_, at) => at + 1)
    assert.deepStrictEqual(
      [0, 0.5, 0.99, 1].map((share) => Score.percentile(hundred, share)),
      [1, 50, 99, 100],
    )
    assert.isNaN(Score.percentile([], 0.5))
  })
})
