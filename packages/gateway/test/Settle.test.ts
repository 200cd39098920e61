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
const provider = Member.MemberId.make("mem_p")
const payer = Account.AccountId.make("buyer:mem_b")
const held = (amount: bigint) => [{ payer, fundingSource: "card", amount }]
const price = PriceSheet.perMillionCents({ input: 3n, output: 7n })

describe("Settle.charge", () => {
  it.effect.prop(
    "is what the usage costs, at most the hold, and its parts sum to it",
    [Usage.Usage, Amount],
    ([usage, most]) =>
      Effect.sync(() => {
        const charge = Settle.charge(split, { price, memberId: provider }, usage, held(BigInt(most)))
        const cost = PriceSheet.cost(price, usage)
        assert.strictEqual(charge.amount, cost < BigInt(most) ? cost : BigInt(most))
        assert.strictEqual(
          charge.split.reduce((sum, part) => sum + part.amount, 0n),
          charge.amount,
        )
      }),
  )

  it.effect.prop(
    "takes from each source what is held there, the first ones first, and shares each by itself",
    [Usage.Usage, Schema.Array(Amount).pipe(Schema.check(Schema.isMaxLength(4)))],
    ([usage, amounts]) =>
      Effect.sync(() => {
        const sources = amounts.map((amount, at) => ({
          payer: Account.AccountId.make(`buyer:s${at}:mem_b`),
          fundingSource: `s${at}`,
          amount: BigInt(amount),
        }))
        const { amount, parts } = Settle.charge(split, { price, memberId: provider }, usage, sources)
        let rest = amount
        for (const source of sources) {
          const part = parts.find((one) => one.payer === source.payer)
          const expected = source.amount < rest ? source.amount : rest
          assert.strictEqual(part?.amount ?? 0n, expected)
          rest -= expected
          const shared = part?.shares.reduce((sum, share) => sum + share.amount, 0n)
          assert.strictEqual(shared ?? 0n, expected)
        }
        assert.strictEqual(rest, 0n)
      }),
  )

  it("is nothing where nobody served", () => {
    assert.deepStrictEqual(Settle.charge(split, undefined, { outputToken: 5 }, held(100n)), Settle.FREE)
  })
})

describe("Adjustment.lower", () => {
  it.effect.prop("only ever lowers a charge, by legs that sum to zero", [Usage.Usage, Usage.Usage], ([billed, exact]) =>
    Effect.sync(() => {
      const { amount } = Settle.charge(split, { price, memberId: provider }, billed, held(10n ** 30n))
      const buyer = Member.MemberId.make("mem_b")
      const first = amount / 3n
      const sources = [
        { payer: Account.ids.funds("credit", buyer), fundingSource: "credit", amount: first },
        { payer: Account.ids.funds("card", buyer), fundingSource: "card", amount: amount - first },
      ]
      const lowered = Adjustment.lower(
        {
          receipt: {
            id: Request.RequestId.make(`req_${"0".repeat(32)}`),
            provider: Member.MemberId.make("mem_p"),
            price,
            charge: amount,
          },
          split,
          sources,
        },
        exact,
      )
      const cost = PriceSheet.cost(price, exact)
      if (cost >= amount) return assert.isUndefined(lowered)
      assert.isDefined(lowered)
      const { charge, posting, split: shares } = Result.getOrThrow(lowered)
      const { legs } = posting
      assert.strictEqual(charge, cost)
      assert.strictEqual(
        shares.reduce((sum, part) => sum + part.amount, 0n),
        cost,
      )
      assert.strictEqual(
        legs.reduce((sum, leg) => sum + leg.amount, 0n),
        0n,
      )
      // What was spent last comes back first: the second source all it can, the first one the rest.
      const back = ["credit", "card"].map(
        (source) => legs.find(({ account }) => account === Account.ids.funds(source, buyer))?.amount ?? 0n,
      )
      const fromCard = amount - cost < amount - first ? amount - cost : amount - first
      assert.deepStrictEqual(back, [amount - cost - fromCard, fromCard])
      assert.isTrue(legs.every((leg) => leg.amount !== 0n))
    }),
  )
})
