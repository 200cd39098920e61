import { assert, describe, it } from "@effect/vitest"
import { Endpoint, type Instance, PriceSheet, type ProviderPreferences } from "@guildhall/core"
import { Directory } from "../src/Directory.ts"
import * as Preferred from "../src/Preferred.ts"
import { Performance } from "../src/Performance.ts"
import { leastLoaded } from "../src/policies/LeastLoaded.ts"
import type { Candidate, RoutingRequest } from "../src/RoutingPolicy.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"

/** The same rules written once more, as slowly as can be. */
const named = (name: string, { deviceId, id, memberId, provider }: Instance.Instance): boolean =>
  [provider, memberId, deviceId, id].includes(name)

const speaks = (wanted: Endpoint.Endpoint = "chat/completions", { endpoints }: Instance.Instance): boolean => {
  const spoken: ReadonlyArray<string> = endpoints ?? ["chat/completions"]
  const dialects: ReadonlyArray<string> = Endpoint.dialects
  return spoken.some((one) => one === wanted || (dialects.includes(one) && dialects.includes(wanted)))
}

const maySell = ({ price }: Instance.Instance, most: ProviderPreferences.ProviderPreferences["maxPrice"]): boolean => {
  if (most?.inputTokens === undefined) return true
  return PriceSheet.cost(price, { inputToken: 1_000_000 }) <= most.inputTokens
}

const hasRoom = ({ inFlight, instance, rating = {} }: Candidate): boolean => {
  const { inFlightMax = Infinity, foreign = 0, peersInFlight = 0, rampBps = 10_000 } = rating
  const room = Math.max(1, Math.floor((Math.min(instance.concurrency, inFlightMax) * rampBps) / 10_000))
  return inFlight + peersInFlight + foreign < room
}

/** One that failed of late is left alone, or gets one request at a time. */
const isLeftAlone = ({ inFlight, rating }: Candidate): boolean => {
  const { breaker = "closed" } = rating ?? {}
  return breaker === "parked" || breaker === "ejected" || (breaker === "probing" && inFlight > 0)
}

const allowed = (request: RoutingRequest, candidate: Candidate): boolean => {
  const { instance } = candidate
  const wants = request.preferences ?? {}
  const isIn = (list: ReadonlyArray<string> | undefined) => list?.some((name) => named(name, instance)) ?? false
  return [
    instance.model === request.model,
    instance.state === "online",
    !isLeftAlone(candidate),
    hasRoom(candidate),
    instance.contextLength >= request.contextTokens,
    !request.tried.includes(instance.id),
    speaks(request.endpoint, instance),
    wants.only === undefined || isIn(wants.only),
    !isIn(wants.ignore),
    !(wants.fallbacks === false && wants.order !== undefined && !isIn(wants.order)),
    (wants.parameters ?? []).every((name) => instance.parameters?.includes(name) === true),
    wants.quantizations === undefined || wants.quantizations.some((one) => one === instance.quantization),
    maySell(instance, wants.maxPrice),
    wants.denyRetention !== true || instance.retainsData === false,
  ].every((one) => one)
}

const percentiles = ["p50", "p75", "p90", "p99"] as const

const key = (
  { instance, measured }: Candidate,
  wants: ProviderPreferences.ProviderPreferences,
): ReadonlyArray<number> => {
  const place = (wants.order ?? []).findIndex((name) => named(name, instance))
  const misses = percentiles.some((percentile, at) => {
    const least = wants.throughputMin?.[percentile]
    const most = wants.latencyMaxMs?.[percentile]
    const rate = measured?.tokensPerSecond[at]
    const wait = measured?.firstTokenMs[at]
    return (
      (least !== undefined && !(rate !== undefined && rate >= least)) ||
      (most !== undefined && !(wait !== undefined && wait <= most))
    )
  })
  const sorted = {
    none: 0,
    price: Number(PriceSheet.cost(instance.price, { inputToken: 1_000_000, outputToken: 1_000_000 })),
    throughput: -(measured?.tokensPerSecond[0] ?? 0),
    latency: measured?.firstTokenMs[0] ?? Infinity,
  }[wants.sort ?? "none"]
  return [place === -1 ? Infinity : place, misses ? 1 : 0, sorted]
}

const before = (a: ReadonlyArray<number>, b: ReadonlyArray<number>): boolean => {
  for (const [at, one] of a.entries()) {
    const other = b[at] ?? 0
    if (one !== other) return one < other
  }
  return false
}

describe("a ranking by preferences", () => {
  it("holds what an oracle says of it, over random markets and buyers", () => {
    const dice = SampleMarket.dice("preferences")
    let directory = new Directory()
    let ranked = 0
    for (let step = 0; step < 6_000; step++) {
      // A market that runs for long fills up.
      if (step % 1_000 === 0) directory = new Directory()
      directory.apply(SampleMarket.event(dice))
      const preferences = SampleMarket.preferences(dice)
      const request = { ...SampleMarket.request(dice, directory), preferences }
      const candidates = directory.candidates(request.model)
      const seed = SampleMarket.seed(dice)
      const ranking = Preferred.rank(leastLoaded, request, candidates, seed)
      const expected = candidates.filter((candidate) => allowed(request, candidate))
      const ids = ranking.ranked.map(({ instance }) => instance)
      assert.sameMembers(
        ids,
        expected.map(({ instance }) => instance.id),
        `step ${step}`,
      )
      const own = leastLoaded.rank(request, candidates, seed).ranked.map(({ instance }) => instance)
      for (const [at, id] of ids.entries()) {
        const next = ids[at + 1]
        const [one, two] = [id, next].map((name) => candidates.find(({ instance }) => instance.id === name))
        if (one === undefined || two === undefined || next === undefined) continue
        const [first, second] = [key(one, preferences), key(two, preferences)]
        assert.isFalse(before(second, first), `step ${step}: ${next} belongs before ${id}`)
        // Among equals the policy's own order stands.
        if (!before(first, second)) assert.isBelow(own.indexOf(id), own.indexOf(next), `step ${step}`)
      }
      ranked += ids.length
    }
    assert.isAbove(ranked, 400)
  })
})

describe("the performance of an instance", () => {
  const { id } = SampleMarket.instance({ name: "a" })

  it("is said by percentile, at most every ten seconds, and off by less than an eighth", () => {
    const performance = new Performance()
    const said: Array<number> = []
    let last: ReturnType<Performance["observe"]>
    for (let at = 0; at < 1_000; at++) {
      const measured = performance.observe(id, { firstTokenMs: 1 + at, tokensPerSecond: 1_000 - at }, at * 50)
      if (measured === undefined) continue
      said.push(at * 50)
      last = measured
    }
    assert.isAtMost(said.length, 6)
    const seen = (said.at(-1) ?? 0) / 50 + 1
    for (const [at, share] of [0.5, 0.75, 0.9, 0.99].entries()) {
      const wait = last?.firstTokenMs[at] ?? 0
      assert.isTrue(wait >= share * seen * 0.99 && wait <= share * seen * 1.14, `${share}: ${wait} of ${seen}`)
      const rate = last?.tokensPerSecond[at] ?? 0
      const least = 1_000 - share * seen
      assert.isTrue(rate <= least * 1.02 + 1 && rate >= least / 1.14 - 1, `${share}: ${rate} of ${least}`)
    }
  })

  it("forgets what is older than five minutes", () => {
    const performance = new Performance()
    for (let at = 0; at < 100; at++) performance.observe(id, { firstTokenMs: 5_000, tokensPerSecond: 1 }, at)
    let last: ReturnType<Performance["observe"]>
    for (let at = 0; at < 100; at++) {
      last = performance.observe(id, { firstTokenMs: 10, tokensPerSecond: 100 }, 400_000 + at * 1_000) ?? last
    }
    assert.isBelow(last?.firstTokenMs[3] ?? 0, 12)
    assert.isAbove(last?.tokensPerSecond[3] ?? 0, 85)
  })
})
