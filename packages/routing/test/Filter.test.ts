import { assert, describe, it } from "@effect/vitest"
import { InstanceId } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import * as Parts from "@guildhall/core/Parts"
import type { Rating } from "@guildhall/core/Rating"
import * as Reason from "@guildhall/core/Reason"
import type { RoutingFeatures } from "@guildhall/core/RoutingFeatures"
import { Effect } from "effect"
import { Directory } from "../src/Directory.ts"
import * as Draw from "../src/Draw.ts"
import * as Filter from "../src/Filter.ts"
import * as Bonded from "../src/filters/Bonded.ts"
import * as OwnMember from "../src/filters/OwnMember.ts"
import * as ThroughputFloor from "../src/filters/ThroughputFloor.ts"
import { leastLoaded } from "../src/policies/LeastLoaded.ts"
import * as Preferred from "../src/Preferred.ts"
import type { Candidate, RoutingRequest } from "../src/RoutingPolicy.ts"
import * as SampleMarket from "../src/testing/SampleMarket.ts"

const [model = ModelId.make("org/small")] = SampleMarket.models
const id = InstanceId.make("ins_a")
const request = { model, contextTokens: 1_000, tried: [] }
type Terms = Omit<Parameters<typeof SampleMarket.instance>[0], "name"> & { readonly inFlight?: number }
const candidate = ({ inFlight = 0, ...terms }: Terms = {}) => ({
  instance: SampleMarket.instance({ name: "a", contextLength: 1_000, concurrency: 2, ...terms }),
  inFlight,
})

describe("Filter", () => {
  it.each([
    { terms: {}, tried: [], code: undefined },
    { terms: { model: ModelId.make("org/other") }, tried: [], code: "other_model" },
    { terms: { contextLength: 999 }, tried: [], code: "context_too_short" },
    { terms: { state: "offline" as const }, tried: [], code: "offline" },
    { terms: { state: "draining" as const }, tried: [], code: "draining" },
    { terms: { inFlight: 1 }, tried: [], code: undefined },
    { terms: { inFlight: 2 }, tried: [], code: "concurrency_full" },
    { terms: { inFlight: 3 }, tried: [], code: "concurrency_full" },
    { terms: {}, tried: [id], code: "already_tried" },
    { terms: { inFlight: 2, state: "offline" as const }, tried: [id], code: "offline" },
    { terms: { contextLength: 1, state: "draining" as const }, tried: [id], code: "context_too_short" },
  ])("$terms, tried $tried: $code", ({ terms, tried, code }) => {
    assert.strictEqual(Filter.exclude({ ...request, tried }, candidate(terms)), code)
    // One after the other they say the same.
    const all = Filter.standard.map((filter) => filter({ ...request, tried }, candidate(terms)))
    assert.strictEqual(
      all.find((one) => one !== undefined),
      code,
    )
  })

  const all = (request: RoutingRequest, one: Candidate) =>
    Filter.standard.map((filter) => filter(request, one)).find((code) => code !== undefined)

  it.each<[Rating, number, Reason.ReasonCode | undefined]>([
    [{}, 0, undefined],
    [{ breaker: "closed" }, 1, undefined],
    [{ breaker: "parked" }, 0, "parked"],
    [{ breaker: "ejected" }, 0, "ejected"],
    [{ breaker: "probing" }, 0, undefined],
    [{ breaker: "probing" }, 1, "probing"],
  ])("%j with %d in flight: %s", (rating, inFlight, code) => {
    const one = { ...candidate({ inFlight, concurrency: 8 }), rating }
    assert.strictEqual(Filter.exclude(request, one), code)
    assert.strictEqual(all(request, one), code)
  })

  const buyer = { member: MemberId.make("mem_buyer"), class: "standard" as const, rail: "ApiKey" }
  const declared = { region: "eu-west", country: "DE", rails: ["Tempo"], parameters: ["tools"], inputs: ["image"] }
  it.each<[RoutingFeatures, object, Reason.ReasonCode | undefined]>([
    [{ buyer, parameters: ["tools"], inputs: ["audio"], affinity: "a" }, {}, undefined],
    [{ buyer }, { rails: ["ApiKey"] }, undefined],
    // V4 · of the two rails, an instance serves the buyers of those that it accepts, and no others.
    [{ buyer }, declared, "rail_not_accepted"],
    [{ regions: ["us", "eu-west"], countries: ["DE"] }, declared, undefined],
    [{ regions: ["us"] }, declared, "region_not_accepted"],
    [{ regions: ["us"] }, {}, "region_not_accepted"],
    [{ countries: ["FR"] }, declared, "country_not_accepted"],
    [{ countries: ["FR"] }, {}, "country_not_accepted"],
    [{ confidential: true }, declared, "not_confidential"],
    [{ confidential: false }, declared, undefined],
    [{ parameters: ["tools"], inputs: ["image"] }, declared, undefined],
    [{ parameters: ["logprobs"] }, declared, "capability_missing"],
    [{ inputs: ["image", "audio"] }, declared, "capability_missing"],
    [{ inputs: ["image"] }, { inputs: [] }, "capability_missing"],
  ])("features %j, declared %j: %s", (features, terms, code) => {
    const { instance } = candidate()
    const one = { instance: { ...instance, ...terms }, inFlight: 0 }
    assert.strictEqual(Filter.exclude({ ...request, features }, one), code)
    assert.strictEqual(all({ ...request, features }, one), code)
    assert.isUndefined(Filter.exclude(request, one))
  })

  it("G3 · a confidential workload goes to an attested lane or is refused, never best effort", () => {
    const features = { confidential: true }
    const told = (confidential: boolean) =>
      Filter.exclude({ ...request, features }, { ...candidate(), rating: { confidential } })
    assert.deepStrictEqual([told(true), told(false)], [undefined, "not_confidential"])
  })

  it.effect("V4, S14, T7 · a definition switches on what holds in its market only", () =>
    Effect.gen(function* () {
      const parts = Parts.make([Bonded.part, OwnMember.part, ThroughputFloor.part])
      const { instance } = candidate()
      const bonded = yield* parts.resolve(Filter.RoutingFilter, { use: "Bonded" })
      const rated = (rating: Rating | undefined) => bonded(request, { instance, inFlight: 0, rating })
      assert.deepStrictEqual([undefined, {}, { bonded: false }, { bonded: true }].map(rated), [
        "not_bonded",
        "not_bonded",
        "not_bonded",
        undefined,
      ])
      const own = yield* parts.resolve(Filter.RoutingFilter, { use: "OwnMember" })
      const asked = (member: MemberId) => own({ ...request, features: { buyer: { ...buyer, member } } }, candidate())
      assert.deepStrictEqual([asked(instance.memberId), asked(buyer.member)], ["own_instance", undefined])
      assert.isUndefined(own(request, candidate()))
      const floor = yield* parts.resolve(Filter.RoutingFilter, { use: "ThroughputFloor" })
      const fast = (rate: number) =>
        floor(request, {
          ...candidate(),
          measured: { firstTokenMs: [1, 1, 1, 1], tokensPerSecond: [rate, rate, 0, 0] },
        })
      assert.deepStrictEqual([4, 5, 500].map(fast), ["below_throughput_floor", undefined, undefined])
      assert.isUndefined(floor(request, candidate()))
      for (const tokensPerSecond of [0, -1, 1.5, "5"]) {
        const ref = { use: "ThroughputFloor", with: { tokensPerSecond } }
        assert.strictEqual((yield* Effect.flip(parts.resolve(Filter.RoutingFilter, ref)))._tag, "PartError")
      }
    }),
  )

  it("the index answers requests with features as the reference does", () => {
    const dice = SampleMarket.dice("features")
    const directory = new Directory()
    const fast = leastLoaded.prepare?.(directory)
    let served = 0
    for (let at = 0; at < 2_000; at++) {
      const event = SampleMarket.event(dice)
      const terms = {
        ...(dice.below(2) === 0 ? {} : { rails: ["ApiKey", "Tempo"].slice(dice.below(2)) }),
        ...(dice.below(2) === 0 ? {} : { region: ["eu", "us"][dice.below(2)] ?? "eu" }),
      }
      directory.apply(event._tag === "InstanceListed" ? { ...event, instance: { ...event.instance, ...terms } } : event)
      const features: RoutingFeatures = {
        buyer,
        ...(dice.below(4) === 0 ? { regions: ["eu"] } : {}),
        ...(dice.below(8) === 0 ? { confidential: true } : {}),
        ...(dice.below(2) === 0 ? { parameters: ["tools", "seed"].slice(dice.below(2)) } : {}),
      }
      const asked = { ...SampleMarket.request(dice, directory), features }
      const seed = SampleMarket.seed(dice)
      const [first] = Preferred.rank(leastLoaded, asked, directory.candidates(asked.model), seed).ranked
      assert.strictEqual(fast?.choose(asked, seed), first?.instance, `step ${at}`)
      if (first !== undefined) served++
    }
    assert.isAbove(served, 50)
  })

  it("each reason of a filter is in the order of closeness, and one of all instances", () => {
    for (const code of [
      "parked",
      "probing",
      "ejected",
      "not_bonded",
      "below_throughput_floor",
      "below_health_floor",
    ] as const) {
      assert.strictEqual(Filter.ofAll(code), "no_capacity")
      assert.strictEqual(Filter.closest([code, "already_tried"]), "already_tried")
    }
    assert.strictEqual(Filter.closest(["offline", "parked"]), "parked")
    assert.strictEqual(Filter.closest(["region_not_accepted", "offline"]), "offline")
    assert.strictEqual(Filter.ofAll("region_not_accepted"), "region_not_accepted")
    for (const code of ["rail_not_accepted", "own_instance", "not_confidential"] as const) {
      assert.isFalse(Reason.describe(code).isRetryable)
    }
  })

  it("the candidate that got past the most filters came closest", () => {
    assert.strictEqual(Filter.closest(["offline", "already_tried", "concurrency_full"]), "already_tried")
    assert.strictEqual(Filter.closest(["other_model", "offline"]), "offline")
    assert.strictEqual(Filter.closest(["offline", "draining"]), "draining")
    assert.strictEqual(Filter.closest(["price_too_high", "offline"]), "offline")
    // A reason of a policy of its own.
    assert.strictEqual(Filter.closest(["already_tried", "account_frozen"]), "account_frozen")
  })

  it("what is said of all instances is a reason of the whole market", () => {
    assert.strictEqual(Filter.ofAll(undefined), "no_capacity")
    for (const code of ["offline", "draining", "concurrency_full"] as const) {
      assert.strictEqual(Filter.ofAll(code), "no_capacity")
    }
    assert.strictEqual(Filter.ofAll("context_too_short"), "context_too_long")
    assert.strictEqual(Filter.ofAll("price_too_high"), "price_too_high")
  })
})

describe("Draw", () => {
  it("gives the lots that it always gave: decisions of the past must stay explainable", () => {
    const lots = [0, 1, -1, 2 ** 40 + 1, Number.MAX_SAFE_INTEGER].map((seed) =>
      Draw.lot(Draw.ofSeed(seed), Draw.ofId("ins_0123456789abcdef")),
    )
    assert.deepStrictEqual(lots, [2_071_884_303, 587_242_076, 1_043_971_905, 1_529_050_895, 3_287_326_161])
  })

  it("one bit of the seed, however high, moves half of the bits of a lot", () => {
    const ofId = Draw.ofId("ins_a")
    for (let bit = 0; bit < 52; bit++) {
      let moved = 0
      for (let seed = 0; seed < 200; seed++) {
        const other = seed + 2 ** bit
        let difference = (Draw.lot(Draw.ofSeed(seed), ofId) ^ Draw.lot(Draw.ofSeed(other), ofId)) >>> 0
        for (; difference !== 0; difference >>>= 1) moved += difference & 1
      }
      assert.isTrue(moved / 200 > 12 && moved / 200 < 20, `bit ${bit}: ${moved / 200}`)
    }
  })
})
