import { assert, describe, it } from "@effect/vitest"
import { Effect, Result, Schema } from "effect"
import { Member, PriceSheet, Request, Usage } from "@guildhall/core"
import { Split } from "@guildhall/core/rules"
import { Account } from "@guildhall/ledger"
import * as Adjustment from "../src/Adjustment.ts"
import * as Settle from "../src/Settle.ts"

const split = Split.Split.make({
  shares: [
    { party: "provider", bps: 8_333 },
    { party: "platform", bps: 1_000 },
    { party: "validators", bps: 667 },
  ],
  remainderTo: "platform",
})
const Amount = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 })))
const price = PriceSheet.perMillionCents({ input: 3n, output: 7n })

describe("Settle.charge", () => {
  it.effect.prop(
    "is what the usage costs, at most the hold, and its parts sum to it",
    [Usage.Usage, Amount],
    ([usage, held]) =>
      Effect.sync(() => {
        const charge = Settle.charge(split, { price }, usage, BigInt(held))
        const cost = PriceSheet.cost(price, usage)
        assert.strictEqual(charge.amount, cost < BigInt(held) ? cost : BigInt(held))
        assert.strictEqual(
          charge.split.reduce((sum, part) => sum + part.amount, 0n),
          charge.amount,
        )
      }),
  )

  it("is nothing where nobody served", () => {
    assert.deepStrictEqual(Settle.charge(split, undefined, { outputToken: 5 }, 100n), Settle.FREE)
  })
})

describe("Adjustment.lower", () => {
  it.effect.prop("only ever lowers a charge, by legs that sum to zero", [Usage.Usage, Usage.Usage], ([billed, exact]) =>
    Effect.sync(() => {
      const { amount, split: shares } = Settle.charge(split, { price }, billed, 10n ** 30n)
      const posting = Adjustment.lower(
        {
          receipt: {
            id: Request.RequestId.make(`req_${"0".repeat(32)}`),
            provider: Member.MemberId.make("mem_p"),
            price,
            charge: amount,
            split: shares,
          },
          split,
          account: Account.AccountId.make("buyer:mem_b"),
          fundingSource: "card",
        },
        exact,
      )
      const cost = PriceSheet.cost(price, exact)
      if (cost >= amount) return assert.isUndefined(posting)
      assert.isDefined(posting)
      const { legs } = Result.getOrThrow(posting)
      assert.strictEqual(
        legs.reduce((sum, leg) => sum + leg.amount, 0n),
        0n,
      )
      assert.strictEqual(legs[0]?.amount, amount - cost)
      assert.isTrue(legs.every((leg) => leg.amount !== 0n))
    }),
  )
})
