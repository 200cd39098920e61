import { assert, describe, it } from "@effect/vitest"
import * as Split from "@guildhall/core/rules/Split"
import { Result, Schema } from "effect"
import { ids } from "../../src/Account.ts"
import * as Adjustment from "../../src/templates/Adjustment.ts"
import * as Charge from "../../src/templates/Charge.ts"
import * as Claim from "../../src/templates/Claim.ts"
import * as Sample from "./Sample.ts"

const { payer, provider, request, split } = Sample
const charge = (amount: bigint) => ({
  request,
  payer,
  provider,
  amount,
  shares: Sample.sharesOf(amount),
})

describe("Charge", () => {
  it("moves the amount from the payer to everyone's account", () => {
    const posting = Charge.posting(charge(100n), { definition: "d1", attachments: [{ kind: "receipt", body: {} }] })
    assert.deepStrictEqual(Result.getOrThrow(posting), {
      idempotencyKey: `request:${request}`,
      kind: "charge",
      legs: [
        { account: payer, amount: -100n },
        { account: Sample.accrual, amount: 85n },
        { account: Sample.pool("validators"), amount: 5n },
        { account: Sample.pool("insurance"), amount: 3n },
        { account: Sample.fees, amount: 7n },
      ],
      attachments: [{ kind: "receipt", body: {} }],
      links: { request, definition: "d1" },
    })
  })

  it("leaves out who gets nothing", () => {
    assert.deepStrictEqual(Sample.legs(Charge.posting(charge(1n))), [`${payer} -1`, "platform:fees 1"])
  })

  it("has one leg for each account, whatever moves on it", () => {
    const posting = Charge.posting({ ...charge(100n), payer: Sample.fees })
    assert.deepStrictEqual(Sample.legs(posting).slice(0, 2), ["platform:fees -93", "accrual:card:mem_provider 85"])
    Sample.assertZero(posting)
  })

  it.prop(
    "sums to zero, and what the provider owes is served first",
    [Sample.Amount, Sample.Room],
    ([amount, owed]) => {
      const posting = Charge.posting({ ...charge(amount), owed })
      const share = Split.share(split, amount).find(({ party }) => party === "provider")?.amount ?? 0n
      const served = Sample.moved(posting, "receivable:")
      Sample.assertZero(posting)
      assert.strictEqual(served, owed < share ? owed : share)
      assert.strictEqual(served + Sample.moved(posting, "accrual:"), share)
      assert.strictEqual(Sample.moved(posting, "buyer:"), -amount)
    },
    { arbitrary: { seed: "charge-owed", runs: 300 } },
  )

  it.prop(
    "takes the shares of any rule, and serves from the provider's earnings only",
    [Schema.Array(Sample.Room).pipe(Schema.check(Schema.isBetweenLength(2, 6))), Sample.Room],
    ([amounts, owed]) => {
      const amount = amounts.reduce((sum, each) => sum + each, 0n)
      const earnings = [Sample.accrual, ids.payable("bank", provider)]
      const others = [Sample.fees, ids.payable("bank", Sample.finder), Sample.pool("a"), Sample.pool("b")]
      const shares = amounts.flatMap((each, at) => {
        const account = [...earnings, ...others][at]
        return account === undefined ? [] : [{ account, amount: each }]
      })
      const posting = Charge.posting({ request: "order-1", payer, provider, amount, shares, owed })
      if (amount === 0n) return Sample.assertRefused(posting, "greater than 0")
      Sample.assertZero(posting)
      const [a = 0n, b = 0n] = amounts
      assert.strictEqual(Sample.moved(posting, "receivable:"), owed < a + b ? owed : a + b)
      for (const share of shares) {
        const isOther = others.includes(share.account)
        if (isOther) assert.strictEqual(Sample.moved(posting, share.account), share.amount)
      }
    },
    { arbitrary: { seed: "charge-shares", runs: 300 } },
  )

  it.each([
    [{ ...charge(100n), amount: 0n }, "greater than 0"],
    [{ ...charge(100n), amount: -100n }, "greater than 0"],
    [{ ...charge(100n), amount: 99n }, "the shares sum to 100, and the charge is 99."],
    [
      {
        ...charge(1n),
        shares: [
          { account: Sample.fees, amount: 2n },
          { account: Sample.accrual, amount: -1n },
        ],
      },
      "0",
    ],
    [{ ...charge(2n), shares: [1n, 1n].map((amount) => ({ account: Sample.fees, amount })) }, "stands twice"],
    [{ ...charge(100n), owed: -1n }, "owed"],
    [{ ...charge(100n), request: "a:b" }, "request"],
    [{ ...charge(100n), amount: 10n ** 78n }, "amount"],
  ])("refuses what makes no sense: %#", (given, why) => Sample.assertRefused(Charge.posting(given), why))
})

describe("a template", () => {
  it("makes no more legs than a posting may have", () => {
    const shares = Array.from({ length: 100 }, (_, at) => ({ account: Sample.pool(`p${at}`), amount: 1n }))
    Sample.assertRefused(Charge.posting({ ...charge(100n), shares }), "has 101 legs, and 100 is the most")
  })
})

describe("Claim", () => {
  it("is paid by the platform, under the key of the settlement", () => {
    const posting = Claim.posting({ request, provider, amount: 9n, owed: 4n })
    assert.deepStrictEqual(Sample.legs(posting), [
      "platform:loss -9",
      "receivable:mem_provider 4",
      "accrual:platform:mem_provider 5",
    ])
    assert.strictEqual(Result.getOrThrow(posting).idempotencyKey, Charge.keyOf(request))
    Sample.assertRefused(Claim.posting({ request, provider, amount: 0n }), "greater than 0")
  })
})

describe("Adjustment", () => {
  const adjust = (before: bigint, after: bigint) =>
    Adjustment.posting({
      request,
      payer,
      charged: Sample.sharesOf(before),
      lowered: Sample.sharesOf(after),
    })

  it.prop(
    "gives back the difference, and leaves everyone with its share of the lower charge",
    [Sample.Amount, Sample.Room],
    ([a, b]) => {
      const [lower, higher] = a < b ? [a, b] : [b, a]
      if (lower === higher) return
      const posting = adjust(higher, lower)
      Sample.assertZero(posting)
      assert.strictEqual(Sample.moved(posting, "buyer:"), higher - lower)
      const [before] = Split.share(split, higher)
      const [after] = Split.share(split, lower)
      assert.strictEqual(Sample.moved(posting, "accrual:"), (after?.amount ?? 0n) - (before?.amount ?? 0n))
    },
    { arbitrary: { seed: "adjustment-lowers", runs: 300 } },
  )

  it("never raises a charge, nor leaves it as it is", () => {
    Sample.assertRefused(adjust(100n, 101n), "only ever lowered")
    Sample.assertRefused(adjust(100n, 100n), "only ever lowered")
  })

  it("leaves nothing to an account that is not named any more", () => {
    const posting = Adjustment.posting({ request, payer, charged: Sample.sharesOf(100n), lowered: [] })
    Sample.assertZero(posting)
    assert.strictEqual(Sample.moved(posting, "buyer:"), 100n)
    assert.strictEqual(Sample.moved(posting, "accrual:"), -85n)
  })

  it("gives no share to an account that had none", () => {
    const charged = [{ account: Sample.fees, amount: 10n }]
    const lowered = [{ account: Sample.accrual, amount: 5n }]
    const posting = Adjustment.posting({ request, payer, charged, lowered })
    Sample.assertRefused(posting, "accrual:card:mem_provider had no share")
  })
})
