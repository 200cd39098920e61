/**
 * Rules of the reference markets that routing keeps by what a definition says, told by their ids.
 */
import { assert, describe, it } from "@effect/vitest"
import * as Parts from "@guildhall/core/Parts"
import { perMillionCents } from "@guildhall/core/PriceSheet"
import { Effect } from "effect"
import * as Filtered from "../src/combinators/Filter.ts"
import * as OrElse from "../src/combinators/OrElse.ts"
import { Directory } from "../src/Directory.ts"
import * as HealthFloor from "../src/filters/HealthFloor.ts"
import * as InverseSquarePrice from "../src/policies/InverseSquarePrice.ts"
import * as LeastLoaded from "../src/policies/LeastLoaded.ts"
import { RoutingPolicy, type RoutingRequest } from "../src/RoutingPolicy.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"

const request: RoutingRequest = { model: SampleMarket.instance({ name: "any" }).model, contextTokens: 100, tried: [] }

describe("uptime", () => {
  const above = (bps: number): Parts.PartRef => ({
    use: "filter",
    with: { filter: { use: "HealthFloor", with: { bps } }, policy: { use: "LeastLoaded" } },
  })
  const orElse = (first: Parts.PartRef, second: Parts.PartRef): Parts.PartRef => ({
    use: "orElse",
    with: { first, second },
  })
  const parts = Parts.make([OrElse.part, Filtered.part, HealthFloor.part, LeastLoaded.part])
  const policy = Effect.runSync(parts.resolve(RoutingPolicy, orElse(above(9_500), orElse(above(9_000), above(5_000)))))
  const market = (inFlight = 0) => {
    const directory = new Directory()
    const known = {
      best: 10_000,
      edge95: 9_500,
      below95: 9_499,
      edge90: 9_000,
      below90: 8_999,
      edge50: 5_000,
      gone: 4_999,
    }
    for (const name of [...Object.keys(known), "new"]) {
      const instance = SampleMarket.instance({ name, concurrency: 2 })
      directory.apply({ _tag: "InstanceListed", instance })
      const healthBps = Object.entries(known).find(([one]) => one === name)?.[1]
      if (healthBps !== undefined)
        directory.apply({ _tag: "InstanceRated", instanceId: instance.id, rating: { healthBps } })
      for (let at = 0; at < inFlight; at++) directory.apply({ _tag: "DispatchStarted", instanceId: instance.id })
    }
    return directory
  }

  it("S8 · <95 % comes behind the others, <90 % behind those, <50 % gets nothing", () => {
    const directory = market()
    for (let seed = 0; seed < 50; seed++) {
      const { excluded, ranked } = policy.rank(request, directory.candidates(request.model), seed)
      const names = ranked.map(({ instance }) => instance.slice(4))
      assert.sameMembers(names.slice(0, 3), ["best", "edge95", "new"])
      assert.sameMembers(names.slice(3, 5), ["below95", "edge90"])
      assert.sameMembers(names.slice(5), ["below90", "edge50"])
      assert.deepStrictEqual(excluded, [
        { instance: SampleMarket.instance({ name: "gone" }).id, code: "below_health_floor" },
      ])
    }
  })

  it("S8 · who comes behind serves what the others cannot take, by load", () => {
    const directory = market(2)
    const free = (name: string) =>
      directory.apply({ _tag: "DispatchEnded", instanceId: SampleMarket.instance({ name }).id })
    const chosen = () => policy.prepare?.(directory).choose(request, 7)?.slice(4)
    assert.isUndefined(chosen())
    for (const name of ["gone", "below90", "edge90", "best"]) {
      free(name)
      assert.strictEqual(chosen(), name === "gone" ? undefined : name)
    }
  })
})

// What strategy a provider follows (a peak from 09 to 21, less when idle) is its own: the market sees the prices that it registers.
describe("prices that change", () => {
  const directory = new Directory()
  const policy = InverseSquarePrice.make(InverseSquarePrice.usual)
  const fast = policy.prepare?.(directory)
  const SEEDS = 4_000
  /** A provider registers again with another price, and every gateway hears of it as of any change. */
  const ask = (name: string, cents: number) =>
    directory.apply({
      _tag: "InstanceListed",
      instance: SampleMarket.instance({
        name,
        declared: { price: perMillionCents({ input: BigInt(cents), output: BigInt(cents) }) },
      }),
    })
  const share = (): number => {
    const { id } = SampleMarket.instance({ name: "mine" })
    let won = 0
    for (let seed = 0; seed < SEEDS; seed++) if (fast?.choose(request, seed) === id) won++
    return won / SEEDS
  }
  const near = (expected: number): void =>
    assert.approximately(share(), expected, 4 * Math.sqrt((expected * (1 - expected)) / SEEDS))

  it("A2 · whoever goes up by 50 % keeps 31 % of the requests, and by 20 % down gets 61 %, from the next request on", () => {
    ask("mine", 100)
    ask("other", 100)
    near(1 / 2)
    ask("mine", 150)
    near(1 / (1 + 1.5 ** 2))
    ask("mine", 100)
    near(1 / 2)
    ask("mine", 80)
    near(1 / (1 + 0.8 ** 2))
  })
})
