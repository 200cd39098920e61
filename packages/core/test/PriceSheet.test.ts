import { assert, describe, it } from "@effect/vitest"
import { Result, Schema } from "effect"
import * as PriceSheet from "../src/PriceSheet.ts"
import { Usage, UsageUnit } from "../src/Usage.ts"

const Cents = Schema.BigInt.pipe(Schema.check(Schema.isBetweenBigInt({ minimum: 0n, maximum: 100_000_000n })))
const decode = Schema.decodeUnknownResult(PriceSheet.PriceSheet)
const line = (unit: string, amount: string, per: string) => ({ unit, amount, per })

describe("PriceSheet", () => {
  it.prop(
    "a price in cents for a million tokens is exact for any usage",
    [Cents, Cents, Usage],
    ([input, output, usage]) => {
      const sheet = PriceSheet.perMillionCents({ input, output })
      assert.isTrue(Result.isSuccess(decode(Schema.encodeSync(PriceSheet.PriceSheet)(sheet))))
      const tokens = BigInt((usage.inputToken ?? 0) + (usage.cachedInputToken ?? 0)) * input
      const answer = BigInt(usage.outputToken ?? 0) * output
      // In ten-thousandths of a cent for a million tokens, the unit in which both sides are whole.
      assert.strictEqual(PriceSheet.cost(sheet, usage), (tokens + answer) * 10_000n)
    },
    { arbitrary: { seed: "price-exact", runs: 500 } },
  )

  it.prop(
    "the price of two usages is the sum of their prices",
    [Usage, Usage],
    ([first, second]) => {
      const sheet = UsageUnit.literals.map((unit, at) => ({ unit, amount: BigInt(at + 1) * 6n, per: 2n }))
      const both = Object.fromEntries(
        UsageUnit.literals.map((unit) => [unit, (first[unit] ?? 0) + (second[unit] ?? 0)]),
      )
      assert.strictEqual(PriceSheet.cost(sheet, both), PriceSheet.cost(sheet, first) + PriceSheet.cost(sheet, second))
    },
    { arbitrary: { seed: "price-additive" } },
  )

  it("a unit without a line costs nothing, but a cached token what an input token does", () => {
    const sheet = PriceSheet.perMillionCents({ input: 100n, output: 200n })
    assert.strictEqual(PriceSheet.cost(sheet, { image: 3, deviceHour: 1 }), 0n)
    assert.strictEqual(PriceSheet.cost(sheet, { cachedInputToken: 2 }), PriceSheet.cost(sheet, { inputToken: 2 }))
    const cached = [...sheet, { unit: "cachedInputToken", amount: 1n, per: 1n } as const]
    assert.strictEqual(PriceSheet.cost(cached, { cachedInputToken: 2 }), 2n)
    assert.strictEqual(PriceSheet.cost([], { inputToken: 5 }), 0n)
  })

  it.each([
    ["a negative price", [line("inputToken", "-1", "1")]],
    ["a fractional price", [line("inputToken", "1.5", "1")]],
    ["a price of one unit that is not whole", [line("inputToken", "5", "2")]],
    ["a price for nothing", [line("inputToken", "0", "0")]],
    ["a number", [{ unit: "inputToken", amount: 1, per: 1 }]],
    ["an unknown unit", [line("vibes", "1", "1")]],
    ["two prices of one unit", [line("inputToken", "1", "1"), line("inputToken", "2", "1")]],
  ])("refuses %s", (_, sheet) => {
    assert.isTrue(Result.isFailure(decode(sheet)))
  })
})
