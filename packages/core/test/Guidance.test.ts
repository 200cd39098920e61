import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { USD } from "../src/Asset.ts"
import * as Guidance from "../src/rules/Guidance.ts"

const HOUR_MS = 3_600_000
const CENT = 10_000_000_000n

/** An instance of 3 days with little to do: it served 10 of 100 requests in two days and earned a cent with each. */
const facts: Guidance.Facts = {
  nowMs: 72 * HOUR_MS,
  sinceMs: 0,
  periodMs: 48 * HOUR_MS,
  asset: USD,
  requests: { all: 100, looked: 100, served: 10, outranked: 80, excluded: 10, absent: 0, tried: 90, wins: {} },
  served: 10,
  earned: 10n * CENT,
  perRequest: CENT,
  price: { mine: 2n * CENT, lowest: CENT, middle: (3n * CENT) / 2n },
  latencyMs: { mine: 400, others: 120 },
  uptimeBps: { mine: 9_000, others: 9_980 },
  utilisationBps: 500,
  concurrency: 4,
  region: "eu-west",
  regions: [],
  strategies: [],
}

const wins = (won: Guidance.Requests["wins"], more: Partial<Guidance.Facts> = {}): Guidance.Facts => ({
  ...facts,
  ...more,
  requests: { ...facts.requests, ...more.requests, wins: won },
})

const advice = (given: Guidance.Facts): ReadonlyArray<Guidance.Advice> => {
  const guidance = Guidance.advise(given)
  return guidance._tag === "Ready" ? guidance.advice : assert.fail("it only counts")
}
/** The advice that comes first. */
const best = (given: Guidance.Facts): Guidance.Advice => advice(given)[0] ?? assert.fail("there is no advice")
const codes = (given: Guidance.Facts) => advice(given).map(({ code }) => code)

describe("Guidance", () => {
  it("A7 · it waits for 48 hours of data, and says since when it counts and when it will speak", () => {
    const young = wins({ price: 90 }, { nowMs: 48 * HOUR_MS - 1 })
    assert.deepStrictEqual(Guidance.advise(young), { _tag: "Counting", sinceMs: 0, speaksAtMs: 48 * HOUR_MS })
    assert.strictEqual(Guidance.advise({ ...young, nowMs: 48 * HOUR_MS })._tag, "Ready")
  })

  it("A6 · it says to lower the price where the price is why, with the prices and what it brings", () => {
    const first = best(wins({ price: 81 }))
    assert.strictEqual(first.code, "lower_price")
    assert.deepStrictEqual(first.numbers, {
      would_have_won: 81,
      of_tried: 90,
      price_of_a_request: "0.02",
      lowest_of_others: "0.01",
      middle_of_others: "0.015",
    })
    // 81 more in two days at half a cent, and half a cent less for each of the ten.
    assert.strictEqual(first.requestsPerDay, 40.5)
    assert.strictEqual(first.earnedPerDay, (45_5n * CENT) / 20n - 5n * CENT)
    assert.include(first.text, "81 of 90")
  })

  it("A6 · it does not say to lower the price where that is not why, is the lowest already, or would cost more than it brings", () => {
    assert.notInclude(codes(wins({ speed: 20 })), "lower_price")
    assert.notInclude(codes(wins({ price: 20 }, { price: { mine: CENT, lowest: CENT, middle: CENT } })), "lower_price")
    assert.notInclude(codes(wins({ price: 1 })), "lower_price")
  })

  it("A6 · it names Utilization Guard where the market has it and the device idles", () => {
    const idle = wins({ price: 81 }, { strategies: ["MarketBalance", "UtilizationGuard"] })
    assert.deepStrictEqual(codes(idle), ["lower_price", "use_utilization_guard"])
    assert.strictEqual(advice(idle)[1]?.numbers["utilisation_bps"], 500)
    assert.notInclude(codes({ ...idle, utilisationBps: 5_000 }), "use_utilization_guard")
    assert.notInclude(codes(wins({ price: 81 })), "use_utilization_guard")
  })

  it("A6 · it names latency, with this instance's and the others'", () => {
    const first = best(wins({ speed: 45 }))
    assert.strictEqual(first.code, "be_faster")
    assert.deepInclude(first.numbers, { first_byte_ms: 400, others_first_byte_ms: 120 })
    assert.deepStrictEqual([first.requestsPerDay, first.earnedPerDay], [22.5, (225n * CENT) / 10n])
  })

  it("A6 · it names uptime, of what came while the instance was away", () => {
    const requests = { ...facts.requests, looked: 150, all: 150, absent: 50 }
    const first = best(wins({ online: 9 }, { requests }))
    assert.strictEqual(first.code, "be_online")
    assert.deepInclude(first.numbers, { absent: 50, uptime_bps: 9_000, others_uptime_bps: 9_980 })
    // 9 that it would have won, and a tenth of the 50, as of those while it was there; over two days.
    assert.strictEqual(first.requestsPerDay, 7)
  })

  it("A6 · it names a region with more demand for each instance, and only one with much more", () => {
    const at = (best: number) =>
      wins(
        {},
        {
          regions: [
            { region: "eu-west", requestsPerInstance: 5 },
            { region: "us-east", requestsPerInstance: best },
          ],
        },
      )
    const first = best(at(40))
    assert.strictEqual(first.code, "move_region")
    assert.deepInclude(first.numbers, { region: "eu-west", best_region: "us-east", best_requests_per_instance: 40 })
    assert.deepStrictEqual(codes(at(9)), [])
  })

  it("A6 · without demand it says so, and nothing else", () => {
    const requests = { all: 0, looked: 0, served: 0, outranked: 0, excluded: 0, absent: 0, tried: 0 }
    assert.deepStrictEqual(codes({ ...facts, served: 0, earned: 0n, requests: { ...requests, wins: {} } }), [
      "other_model",
    ])
  })

  it("A6 · a sample stands for the whole", () => {
    const few = best(wins({ speed: 45 }))
    const many = best(wins({ speed: 45 }, { requests: { ...facts.requests, all: 10_000 } }))
    assert.strictEqual(many.requestsPerDay, few.requestsPerDay * 100)
  })

  const Wins = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 90 })))
  it.prop(
    "A6 · advice comes by what it brings, carries figures, and names no change that would have won nothing",
    [Wins, Wins, Wins, Wins, Wins],
    ([price, online, speed, concurrency, context]) => {
      const given = wins({ price, online, speed, concurrency, context })
      const all = advice(given)
      const effects = all.map(({ earnedPerDay }) => earnedPerDay ?? 0n)
      assert.deepStrictEqual(
        effects,
        effects.toSorted((a, b) => (a < b ? 1 : a > b ? -1 : 0)),
      )
      for (const one of all) {
        assert.isAbove(Object.keys(one.numbers).length, 0)
        assert.isAbove(one.requestsPerDay, 0)
        assert.match(one.text, /\d/)
      }
      const named = new Set(all.map(({ code }) => code))
      assert.strictEqual(named.has("be_faster"), speed > 0)
      assert.strictEqual(named.has("be_online"), online > 0)
      assert.strictEqual(named.has("raise_concurrency"), concurrency > 0)
      assert.strictEqual(named.has("lengthen_context"), context > 0)
      if (price === 0) assert.isFalse(named.has("lower_price"))
    },
    { arbitrary: { seed: "guidance", runs: 300 } },
  )
})
