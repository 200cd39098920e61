import { assert, describe, it } from "@effect/vitest"
import { InstanceId } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import * as Draw from "../src/Draw.ts"
import * as Filter from "../src/Filter.ts"
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
