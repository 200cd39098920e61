import { assert, describe, it } from "@effect/vitest"
import { DeviceId } from "@guildhall/core/Device"
import type { Instance } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import { CENT, perMillionCents } from "@guildhall/core/PriceSheet"
import type { Rating } from "@guildhall/core/Rating"
import type { RoutingFeatures } from "@guildhall/core/RoutingFeatures"
import * as Cap from "../src/combinators/Cap.ts"
import * as PartitionBy from "../src/combinators/PartitionBy.ts"
import * as Pooled from "../src/combinators/Pooled.ts"
import * as TieBreak from "../src/combinators/TieBreak.ts"
import * as AdjustedPrice from "../src/policies/AdjustedPrice.ts"
import { healthiest } from "../src/policies/Healthiest.ts"
import * as InverseSquarePrice from "../src/policies/InverseSquarePrice.ts"
import { leastLoaded } from "../src/policies/LeastLoaded.ts"
import * as LowestPrice from "../src/policies/LowestPrice.ts"
import * as PeakEwma from "../src/policies/PeakEwma.ts"
import * as PrefixAffinity from "../src/policies/PrefixAffinity.ts"
import * as PriceBand from "../src/policies/PriceBand.ts"
import * as QualityPreferred from "../src/policies/QualityPreferred.ts"
import * as TierWeighted from "../src/policies/TierWeighted.ts"
import type { Candidate, RoutingPolicy, RoutingRequest } from "../src/RoutingPolicy.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"

const SEEDS = 4_000

interface Terms {
  readonly cents?: number
  readonly inFlight?: number
  readonly concurrency?: number
  readonly rating?: Rating
  readonly device?: number
  readonly member?: string
}

/** An instance on a machine of its own, at 100 cents for a million tokens in and out. */
const offer = (name: string, terms: Terms = {}): Candidate => {
  const {
    cents = 100,
    concurrency = 100,
    device = Number.parseInt(name, 36),
    inFlight = 0,
    member = name,
    rating,
  } = terms
  const price = perMillionCents({ input: BigInt(cents), output: BigInt(cents) })
  const declared = {
    price,
    deviceId: DeviceId.make(`dev_${device.toString(16).padStart(32, "0")}`),
    memberId: MemberId.make(`mem_${member}`),
  }
  return { instance: SampleMarket.instance({ name, concurrency, declared }), inFlight, rating }
}

const request = (features?: RoutingFeatures, tried: ReadonlyArray<Instance["id"]> = []): RoutingRequest => ({
  model: SampleMarket.instance({ name: "any" }).model,
  contextTokens: 100,
  tried,
  features,
})

/** How often each is ranked first, as a share of the seeds. */
const shares = (
  policy: RoutingPolicy,
  candidates: ReadonlyArray<Candidate>,
  asked: RoutingRequest = request(),
): Readonly<Record<string, number>> => {
  const counts: Record<string, number> = Object.fromEntries(
    candidates.map(({ instance }) => [instance.id.replace("ins_", ""), 0]),
  )
  for (let seed = 0; seed < SEEDS; seed++) {
    const first = policy.rank(asked, candidates, seed).ranked[0]?.instance.replace("ins_", "")
    if (first !== undefined) counts[first] = (counts[first] ?? 0) + 1
  }
  return Object.fromEntries(Object.entries(counts).map(([name, count]) => [name, count / SEEDS]))
}

const first = (policy: RoutingPolicy, candidates: ReadonlyArray<Candidate>, asked = request()): string | undefined =>
  policy.rank(asked, candidates, 7).ranked[0]?.instance.replace("ins_", "")

/** Within four standard deviations of a share. */
const near = (share: number | undefined, expected: number, why = ""): void =>
  assert.approximately(share ?? 0, expected, 4 * Math.sqrt((expected * (1 - expected)) / SEEDS) + 1e-9, why)

describe("load", () => {
  it("T5 · the one with the most spare capacity serves; ties are broken at random", () => {
    const full = offer("a", { inFlight: 3, concurrency: 4 })
    const least = ["b", "c"].map((name) => offer(name, { inFlight: 1, concurrency: 10 }))
    const { a, b, c } = shares(leastLoaded, [full, ...least])
    assert.strictEqual(a, 0)
    near(b, 0.5)
    near(c, 0.5)
  })

  it("T8 · the health of 14 days breaks ties among the least loaded only", () => {
    const policy = TieBreak.tieBreak(leastLoaded, healthiest)
    const poor = offer("poor", { rating: { healthBps: 9_000 } })
    const good = offer("good", { rating: { healthBps: 9_990 } })
    const best = offer("best", { rating: { healthBps: 10_000 }, inFlight: 1 })
    assert.deepStrictEqual(
      policy.rank(request(), [poor, best, good], 7).ranked.map(({ instance }) => instance.slice(4)),
      ["good", "poor", "best"],
    )
    const { good: half, same } = shares(policy, [poor, best, good, offer("same", { rating: { healthBps: 9_990 } })])
    near(half, 0.5)
    near(same, 0.5)
  })
})

describe("tiers", () => {
  const policy = TierWeighted.make(TierWeighted.usual)
  const tier = (name: string, priority: NonNullable<Rating["tier"]>["priority"], weightBps: number, more: Terms = {}) =>
    offer(name, { ...more, rating: { tier: { priority, weightBps } } })
  const free = tier("free", "overflow", 10_000)
  const basic = tier("basic", "normal", 12_500)
  const pro = tier("pro", "preferred", 15_000)
  const enterprise = tier("enterprise", "guaranteed", 20_000)
  const premium = request({ buyer: { member: MemberId.make("mem_buyer"), class: "premium", rail: "ApiKey" } })

  it("S4 · Free, with nothing staked, serves overflow only", () => {
    assert.strictEqual(shares(policy, [free, basic]).free, 0)
    assert.strictEqual(first(policy, [free, { ...basic, inFlight: 100 }]), "free")
  })

  it("S4 · Basic 1.25× and Pro 1.5× share by their weights", () => {
    const { basic: one, pro: other } = shares(policy, [free, basic, pro])
    near(one, 1.25 / 2.75)
    near(other, 1.5 / 2.75)
  })

  it("S4 · Pro comes first for premium buyers", () => {
    assert.strictEqual(shares(policy, [free, basic, pro], premium).pro, 1)
    assert.strictEqual(first(policy, [free, basic, { ...pro, inFlight: 100 }], premium), "basic")
  })

  const owed = request({ owed: [request().model] })

  it("S4 · Enterprise, 2.0×, gets each request that is owed to it, and its share of the others by weight", () => {
    const crowd = Array.from({ length: 18 }, (_, at) => tier(`crowd${at}`, "normal", 10_000))
    assert.strictEqual(shares(policy, [enterprise, ...crowd], owed).enterprise, 1)
    near(shares(policy, [enterprise, ...crowd]).enterprise, 2 / 20)
    // What is owed at another model is not owed here.
    near(shares(policy, [enterprise, ...crowd], request({ owed: [ModelId.make("org/other")] })).enterprise, 2 / 20)
  })

  it("S4 · what is owed comes before premium buyers' preferred tiers, and these before all others", () => {
    const both = request({ ...premium.features, ...owed.features })
    assert.strictEqual(shares(policy, [enterprise, pro, basic], both).enterprise, 1)
    assert.strictEqual(first(policy, [{ ...enterprise, inFlight: 100 }, pro, basic, free], both), "pro")
  })

  it("S4 · the guaranteed allocation ends where its capacity ends", () => {
    assert.strictEqual(shares(policy, [{ ...enterprise, inFlight: 100 }, basic], owed).basic, 1)
  })

  it("S4 · a retry of what was owed is offered to another guaranteed instance first", () => {
    const two = [enterprise, tier("second", "guaranteed", 20_000), basic]
    const tried = request(owed.features, [enterprise.instance.id])
    const { enterprise: again, second } = shares(policy, two, tried)
    assert.strictEqual(again, 0)
    assert.strictEqual(second, 1)
  })
})

describe("quality", () => {
  it("G3 · throughput and a clean attestation history are preferred: 4 times as fast is 80 %, 90 % clean is last", () => {
    const policy = QualityPreferred.make(QualityPreferred.usual)
    const at = (name: string, qualityBps: number, tokenUs: number) =>
      offer(name, { rating: { qualityBps, pace: { firstTokenMs: 100, tokenUs } } })
    const { doubtful, fast, slow } = shares(policy, [
      at("doubtful", 9_000, 1_000),
      at("fast", 10_000, 10_000),
      at("slow", 10_000, 40_000),
    ])
    assert.strictEqual(doubtful, 0)
    near(fast, 0.8)
    near(slow, 0.2)
    assert.strictEqual(first(policy, [at("doubtful", 9_000, 1_000)]), "doubtful")
  })
})

describe("prices", () => {
  it("the cheapest serves; one that is free is cheaper than all", () => {
    const policy = LowestPrice.make(LowestPrice.usual)
    assert.strictEqual(first(policy, [offer("a", { cents: 100 }), offer("b", { cents: 99 })]), "b")
    assert.strictEqual(first(policy, [offer("a", { cents: 0 }), offer("b", { cents: 1 })]), "a")
  })

  it("within 20 % of the lowest price each is drawn as often", () => {
    const prices = { a: 100, b: 120, c: 121, d: 110 }
    const candidates = Object.entries(prices).map(([name, cents]) => offer(name, { cents }))
    const drawn = shares(PriceBand.make(PriceBand.usual), candidates)
    for (const name of ["a", "b", "d"]) near(drawn[name], 1 / 3)
    assert.strictEqual(drawn.c, 0)
  })

  it("one at $1 gets nine times the requests of one at $3", () => {
    const policy = InverseSquarePrice.make(InverseSquarePrice.usual)
    const { one, three } = shares(policy, [offer("one", { cents: 100 }), offer("three", { cents: 300 })])
    near(one, 0.9)
    near(three, 0.1)
  })

  it("one that is free, or of no price that counts, takes a bounded share", () => {
    const policy = InverseSquarePrice.make(InverseSquarePrice.usual)
    const { free, one } = shares(policy, [offer("free", { cents: 0 }), offer("one", { cents: 1 })])
    near(free, 0.5)
    near(one, 0.5)
  })
})

describe("adjusted prices", () => {
  const dollar = 100 * Number(CENT)
  const paced = (more: Partial<NonNullable<Rating["offer"]>> = {}, firstTokenMs = 0): Rating => ({
    pace: { firstTokenMs, tokenUs: 10_000 },
    offer: { inputPerMillion: dollar, outputPerMillion: dollar, errorBps: 0, limitedBps: 0, weight: 1, ...more },
  })
  const adjusted = (rating: Rating) =>
    AdjustedPrice.pricing({ ...AdjustedPrice.usual, secondPerMillion: 0.5 * dollar })(offer("a", { rating }), 0.8)
      .adjusted / dollar

  it("1 % of errors counts as 8 % on the price", () => {
    assert.approximately(adjusted(paced({ errorBps: 100 })), 1.08, 1e-9)
  })

  it("refusals as too many in 0.4 % of the requests count as $2.50 × 0.4 % = $0.01", () => {
    assert.approximately(adjusted(paced({ limitedBps: 40 })), 1.01, 1e-9)
  })

  it("a second until the first token counts as half a dollar where that is its price", () => {
    assert.approximately(adjusted(paced({}, 1_000)), 1.5, 1e-9)
  })

  it("each request is priced with its own tokens", () => {
    const reads = offer("reads", { rating: paced({ inputPerMillion: dollar / 2, outputPerMillion: 3 * dollar }) })
    const writes = offer("writes", { rating: paced({ inputPerMillion: 2 * dollar, outputPerMillion: dollar }) })
    const policy = AdjustedPrice.make(AdjustedPrice.usual)
    assert.isAbove(shares(policy, [reads, writes], request({ inputTokens: 9_000, outputTokens: 100 })).reads ?? 0, 0.99)
    assert.isAbove(shares(policy, [reads, writes], request({ inputTokens: 100, outputTokens: 900 })).writes ?? 0, 0.99)
  })

  it("inside the edge a share falls slowly, outside steeply, and never to nothing", () => {
    const settings = { ...AdjustedPrice.usual, edge: 1.5, outsidePower: 8, exploration: 0.01 }
    const policy = AdjustedPrice.make(settings)
    const at = (name: string, times: number) =>
      offer(name, { rating: paced({ inputPerMillion: times * dollar, outputPerMillion: times * dollar }) })
    const {
      best,
      far,
      near: close,
      out,
    } = shares(policy, [at("best", 1), at("near", 1.25), at("out", 2), at("far", 9)])
    const sum = 1 + 0.64 + 1.5 ** -2 * (2 / 1.5) ** -8 + 0.01
    near(best, 1 / sum)
    near(close, 0.64 / sum)
    near(out, (1.5 ** -2 * (2 / 1.5) ** -8) / sum)
    near(far, 0.01 / sum)
  })

  it("one of which nothing is known counts as a typical one, at the price that it asks", () => {
    const policy = AdjustedPrice.make(AdjustedPrice.usual)
    const usual = paced({ errorBps: 20 }, 500)
    const { cold, known } = shares(policy, [offer("cold"), offer("known", { rating: usual })])
    near(cold, 0.5)
    near(known, 0.5)
  })

  it("one that is half full counts for dearer, and what it was seen to take bounds what it can", () => {
    const wide = { ...AdjustedPrice.usual, edge: 10, sparePower: 0.5 }
    const policy = AdjustedPrice.make(wide)
    const half = offer("half", { inFlight: 10, rating: { ...paced(), inFlightMax: 20 } })
    const { half: share } = shares(policy, [half, offer("idle", { rating: paced() })])
    // By the square of (1 − 0.5²) to the power of 0.5, against 1.
    near(share, 0.75 / 1.75)
  })
})

describe("pace", () => {
  const policy = PeakEwma.make(PeakEwma.usual)
  const at = (name: string, firstTokenMs: number, inFlight = 0) =>
    offer(name, { inFlight, rating: { pace: { firstTokenMs, tokenUs: 0 } } })

  it("of two drawn, the faster times what it has under way serves", () => {
    assert.strictEqual(shares(policy, [at("a", 100), at("b", 101)]).a, 1)
    assert.strictEqual(shares(policy, [at("a", 100, 1), at("b", 199)]).b, 1)
    // The slowest of three is never the better of two.
    const { a, b, c } = shares(policy, [at("a", 100), at("b", 200), at("c", 300)])
    near(a, 2 / 3)
    near(b, 1 / 3)
    assert.strictEqual(c, 0)
  })

  it("one of unknown pace is tried while it is idle, and left alone while its first answer is out", () => {
    assert.strictEqual(shares(policy, [offer("unknown"), at("slow", 5_000, 3)]).unknown, 1)
    assert.strictEqual(shares(policy, [offer("unknown", { inFlight: 1 }), at("slow", 5_000, 3)]).slow, 1)
  })
})

describe("prefixes", () => {
  const policy = PrefixAffinity.make({ homes: 2, saturatedPercent: 90 }, leastLoaded)
  const pool = Array.from({ length: 20 }, (_, at) => offer(`m${at}`, { concurrency: 10, inFlight: at % 3 }))
  const homeOf = (candidates: ReadonlyArray<Candidate>, affinity: string, seed = 1) =>
    policy.rank(request({ affinity }), candidates, seed).ranked[0]?.instance
  const loaded = (id: string | undefined, inFlight: number) =>
    pool.map((one) => (one.instance.id === id ? { ...one, inFlight } : one))

  it("requests that begin alike go to one instance, whatever the seed and the load, until it is saturated", () => {
    const homes = new Set(Array.from({ length: 50 }, (_, seed) => homeOf(pool, "conversation", seed)))
    assert.strictEqual(homes.size, 1)
    const [home] = homes
    assert.strictEqual(homeOf(loaded(home, 8), "conversation"), home)
    const second = homeOf(loaded(home, 9), "conversation")
    assert.notStrictEqual(second, home)
    assert.strictEqual(homeOf(loaded(home, 9), "conversation", 5), second)
  })

  it("never affinity alone: with its homes saturated, and without affinity, the least loaded serves", () => {
    const [home, second] = [homeOf(pool, "x"), homeOf(loaded(homeOf(pool, "x"), 9), "x")]
    const full = loaded(home, 9).map((one) => (one.instance.id === second ? { ...one, inFlight: 9 } : one))
    for (let seed = 0; seed < 20; seed++) {
      const expected = leastLoaded.rank(request(), full, seed).ranked[0]?.instance
      assert.strictEqual(homeOf(full, "x", seed), expected)
      assert.strictEqual(policy.rank(request(), full, seed).ranked[0]?.instance, expected)
    }
  })

  it("homes are spread by capacity, and when an instance leaves, nearly all others stay", () => {
    const wide = pool.map((one, at) => ({ ...one, instance: { ...one.instance, concurrency: at === 0 ? 50 : 10 } }))
    const names = Array.from({ length: SEEDS }, (_, at) => `conversation ${at}`)
    const before = names.map((name) => homeOf(wide, name))
    near(before.filter((id) => id === "ins_m0").length / SEEDS, 50 / 240)
    const left = wide.filter(({ instance }) => instance.id !== "ins_m7")
    const moved = names.filter((name, at) => before[at] !== "ins_m7" && homeOf(left, name) !== before[at])
    assert.isBelow(moved.length / SEEDS, 0.12)
  })
})

describe("adversaries", () => {
  const market = (cents: number) => [
    ...Array.from({ length: 9 }, (_, at) => offer(`p${at}`, { cents: 100 })),
    offer("cutter", { cents }),
  ]

  it("one who undercuts by a cent wins next to nothing where shares follow the price", () => {
    for (const policy of [
      InverseSquarePrice.make(InverseSquarePrice.usual),
      PriceBand.make(PriceBand.usual),
      AdjustedPrice.make(AdjustedPrice.usual),
      AdjustedPrice.make({ ...AdjustedPrice.usual, edge: 1.5, outsidePower: 8 }),
    ]) {
      assert.isBelow(shares(policy, market(99)).cutter ?? 1, 0.125, policy.name)
    }
    // This is what the lowest price means, and why it is no market's default.
    assert.strictEqual(shares(LowestPrice.make(LowestPrice.usual), market(99)).cutter, 1)
  })

  it("a machine that is listed 50 times wins one machine's draws where chance is dealt to devices", () => {
    const honest = Array.from({ length: 10 }, (_, at) => offer(`h${at}`, { device: at }))
    const sybils = Array.from({ length: 50 }, (_, at) => offer(`s${at}`, { device: 99, member: "sybil" }))
    const all = [...honest, ...sybils]
    const taken = (policy: RoutingPolicy) =>
      Object.entries(shares(policy, all)).reduce((sum, [name, share]) => sum + (name.startsWith("s") ? share : 0), 0)
    near(taken(leastLoaded), 50 / 60)
    for (const inner of [leastLoaded, InverseSquarePrice.make(InverseSquarePrice.usual)]) {
      near(taken(PartitionBy.partitionBy("device", inner)), 1 / 11, inner.name)
    }
  })

  it("a machine that is listed 50 times has the room of one where a member's names share their load", () => {
    const settings = { by: "member", machines: 1 } as const
    const policy = Pooled.pooled(settings, PartitionBy.partitionBy("member", leastLoaded))
    const sybils = (busy: number, concurrency = 8) =>
      Array.from({ length: 50 }, (_, at) =>
        offer(`s${at}`, { concurrency, inFlight: at < busy ? 1 : 0, member: "sybil" }),
      )
    const honest = (inFlight: number) => offer("h", { concurrency: 8, inFlight })
    const taken = (candidates: ReadonlyArray<Candidate>, by: RoutingPolicy = policy): number =>
      1 - (shares(by, candidates).h ?? 0)
    near(taken([honest(0), ...sybils(0)]), 1 / 2)
    near(taken([honest(2), ...sybils(2)]), 1 / 2)
    assert.strictEqual(taken([honest(2), ...sybils(3)]), 0)
    assert.strictEqual(taken([honest(2), ...sybils(1)]), 1)
    // Without it every idle name is a place to go.
    assert.strictEqual(taken([honest(1), ...sybils(49)], leastLoaded), 1)
    // One that has no more room serves where nobody else can, and says so.
    assert.strictEqual(taken([honest(7), ...sybils(30)]), 0)
    assert.strictEqual(taken([honest(8), ...sybils(30)]), 1)
    const { ranked } = policy.rank(request(), [honest(7), ...sybils(30)], 7)
    assert.match(ranked[1]?.because ?? "", /^with its member 30 of 8 in use, member mem_sybil: 7 of 8 in use/)
    // A name that is full itself is not asked, however much room the others have.
    assert.strictEqual(policy.rank(request(), sybils(30, 1), 7).ranked.length, 20)
    // A member with three machines has the room of three where the market takes it for as many.
    const three = Pooled.pooled({ by: "member", machines: 3 }, leastLoaded)
    assert.strictEqual(taken([honest(1), ...sybils(2)], three), 1)
    assert.strictEqual(taken([honest(1), ...sybils(4)], three), 0)
  })

  it("a member that carries more than its share steps back, and serves where nobody else is left", () => {
    const policy = Cap.cap({ by: "member", percent: 40, slack: 5 }, LowestPrice.make(LowestPrice.usual))
    const cheap = (inFlight: number) => [0, 1].map((at) => offer(`c${at}`, { cents: 1, inFlight, member: "big" }))
    const others = ["x", "y"].map((name) => offer(name, { inFlight: 10 }))
    assert.include(["c0", "c1"], first(policy, [...cheap(5), ...others]))
    assert.include(["x", "y"], first(policy, [...cheap(20), ...others]))
    assert.include(["c0", "c1"], first(policy, cheap(20)))
  })
})
