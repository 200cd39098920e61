import { assert, describe, it } from "@effect/vitest"
import { perMillionCents } from "@guildhall/core/PriceSheet"
import * as AdjustedPrice from "../src/policies/AdjustedPrice.ts"
import * as InverseSquarePrice from "../src/policies/InverseSquarePrice.ts"
import { leastLoaded } from "../src/policies/LeastLoaded.ts"
import * as LowestPrice from "../src/policies/LowestPrice.ts"
import * as PriceBand from "../src/policies/PriceBand.ts"
import * as Preferred from "../src/Preferred.ts"
import type { Candidate, RoutingPolicy, RoutingRequest } from "../src/RoutingPolicy.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"

const offer = (name: string, cents: bigint): Candidate => ({
  instance: SampleMarket.instance({
    name,
    concurrency: 4,
    declared: { price: perMillionCents({ input: cents, output: 2n * cents }) },
  }),
  inFlight: 0,
})
const candidates = [offer("cheap", 40n), offer("dear", 1_000n)]
const request: RoutingRequest = { model: SampleMarket.instance({ name: "any" }).model, contextTokens: 100, tried: [] }

/** Why each stands where it stands, without the lots. */
const said = (policy: RoutingPolicy, asked = request, among = candidates): Readonly<Record<string, string>> =>
  Object.fromEntries(
    policy
      .rank(asked, among, 7)
      .ranked.map(({ because, instance }) => [instance.slice(4), because.replace(/, lot [\d.e+-]+$/, "")]),
  )

describe("a reason that has a price says it as people read prices", () => {
  it("LowestPrice: for a million tokens, 1,000 in to 250 out", () => {
    const policy = LowestPrice.make(LowestPrice.usual)
    assert.deepStrictEqual(said(policy), {
      cheap: "price 0.48 per million tokens",
      dear: "price 12 per million tokens",
    })
    const noTokens = LowestPrice.make({ inputTokens: 0, outputTokens: 0 })
    assert.strictEqual(said(noTokens)["cheap"], "price 0 per request")
  })

  it("PriceBand: and that of the lowest", () => {
    assert.deepStrictEqual(said(PriceBand.make(PriceBand.usual)), {
      cheap: "price 0.48 per million tokens, within 20 % of 0.48 per million tokens",
      dear: "price 12 per million tokens, beyond 20 % of 0.48 per million tokens",
    })
  })

  it("InverseSquarePrice: never less than what counts least", () => {
    const policy = InverseSquarePrice.make(InverseSquarePrice.usual)
    assert.deepStrictEqual(said(policy, request, [...candidates, offer("free", 0n)]), {
      cheap: "drawn by price 0.48 per million tokens",
      dear: "drawn by price 12 per million tokens",
      free: "drawn by price 0.01 per million tokens",
    })
  })

  it("AdjustedPrice: what is asked, and what it comes to", () => {
    const reasons = said(AdjustedPrice.make(AdjustedPrice.usual))
    assert.match(
      reasons["cheap"] ?? "",
      /^price 0\.\d+ per million tokens, 0\.\d+ with errors and waiting, [\d.]+ by speed and room, 1\.000 times the best$/,
    )
    assert.match(reasons["dear"] ?? "", /^price 1\d(\.\d+)? per million tokens, /)
  })

  it("a buyer's sort: by price, and by what was measured", () => {
    const sorted = (sort: "price" | "latency" | "throughput", among = candidates) =>
      said(
        { ...leastLoaded, rank: (...on) => Preferred.rank(leastLoaded, ...on) },
        { ...request, preferences: { sort } },
        among,
      )["cheap"]
    assert.strictEqual(sorted("price"), "price 1.2, 0 of 4 in use")
    assert.strictEqual(sorted("latency"), "latency not measured, 0 of 4 in use")
    assert.strictEqual(sorted("throughput"), "throughput not measured, 0 of 4 in use")
    const measured = { firstTokenMs: [320, 400, 500, 600], tokensPerSecond: [31, 30, 20, 10] } as const
    const known = candidates.map((one) => ({ ...one, measured }))
    assert.strictEqual(sorted("latency", known), "latency 320 ms, 0 of 4 in use")
    assert.strictEqual(sorted("throughput", known), "throughput 31 tokens/s, 0 of 4 in use")
  })

  it("has no exponents, however little a price is", () => {
    const price = [{ unit: "inputToken", amount: 1n, per: 1_000_000n }] as const
    const tiny = { instance: SampleMarket.instance({ name: "tiny", concurrency: 1, declared: { price } }), inFlight: 0 }
    assert.strictEqual(
      said(LowestPrice.make(LowestPrice.usual), request, [tiny])["tiny"],
      "price 0.0000000000008 per million tokens",
    )
  })
})
