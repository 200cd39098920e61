import { assert, describe, it } from "@effect/vitest"
import { USD } from "@guildhall/core/Asset"
import { Result } from "effect"
import { AccountId } from "../../src/Account.ts"
import * as Exchange from "../../src/templates/Exchange.ts"
import * as Sample from "./Sample.ts"

const payer = AccountId.make("buyer:mem_buyer")
const payee = AccountId.make("payable:Euro:mem_buyer")
const exchange = { exchange: "x1", payer, payee, rate: Sample.rate }

describe("Exchange", () => {
  it.prop(
    "creates no money: each asset sums to zero, and the payee gets what the rate says, rounded down",
    [Sample.Amount, Sample.Amount, Sample.Amount],
    ([amount, numerator, denominator]) => {
      const rate = { ...Sample.rate, numerator, denominator }
      const posting = Exchange.posting({ ...exchange, amount, rate })
      if (amount * numerator < denominator) return Sample.assertRefused(posting, "not worth one unit")
      const given = Sample.moved(posting, "payable:")
      const rounded = Sample.moved(posting, "rounding:EUR")
      assert.strictEqual(Sample.moved(posting, "buyer:") + Sample.moved(posting, "exchange:USD"), 0n)
      assert.strictEqual(given + rounded + Sample.moved(posting, "exchange:EUR"), 0n)
      assert.isTrue(given * denominator <= amount * numerator && (given + 1n) * denominator > amount * numerator)
      assert.strictEqual(rounded, given * denominator === amount * numerator ? 0n : 1n)
      assert.deepStrictEqual(Result.getOrThrow(posting).rate, rate)
    },
    { arbitrary: { seed: "exchange-exact", runs: 1_000 } },
  )

  it.prop(
    "to and fro never comes to more than it was",
    [Sample.Amount, Sample.Amount, Sample.Amount],
    ([amount, numerator, denominator]) => {
      const there = Exchange.worth({ numerator, denominator }, amount)
      const back = Exchange.worth({ numerator: denominator, denominator: numerator }, there)
      assert.isTrue(back <= amount)
      if ((amount * numerator) % denominator === 0n) assert.strictEqual(back, amount)
    },
    { arbitrary: { seed: "exchange-to-and-fro", runs: 1_000 } },
  )

  it.prop(
    "the cost is the least that is worth so much",
    [Sample.Amount, Sample.Amount, Sample.Amount],
    ([wanted, numerator, denominator]) => {
      const ratio = { numerator, denominator }
      const cost = Exchange.cost(ratio, wanted)
      assert.isTrue(Exchange.worth(ratio, cost) >= wanted)
      assert.isTrue(Exchange.worth(ratio, cost - 1n) < wanted)
    },
    { arbitrary: { seed: "exchange-cost", runs: 1_000 } },
  )

  it("refuses what makes no sense", () => {
    const refused = (given: Partial<Exchange.Exchange>, why: string) =>
      Sample.assertRefused(Exchange.posting({ ...exchange, amount: 3n, ...given }), why)
    refused({ amount: 0n }, "greater than 0")
    refused({ amount: 1n }, "not worth one unit of EUR")
    refused({ rate: { ...Sample.rate, to: USD.code } }, "not exchanged for itself")
    refused({ rate: { ...Sample.rate, numerator: 0n } }, "numerator")
    refused({ rate: { ...Sample.rate, denominator: -1n } }, "denominator")
    refused({ payee: AccountId.make("exchange:EUR") }, "the market's side")
    refused({ payer: AccountId.make("rounding:USD") }, "the market's side")
  })
})
