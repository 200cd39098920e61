import { assert, describe, it } from "@effect/vitest"
import * as Split from "@guildhall/core/rules/Split"
import { Result } from "effect"
import * as Adjustment from "../../src/templates/Adjustment.ts"
import * as Charge from "../../src/templates/Charge.ts"
import * as Claim from "../../src/templates/Claim.ts"
import * as Sample from "./Sample.ts"

const { fundingSource, payer, provider, request, split } = Sample
const charge = (amount: bigint) => ({
  request,
  payer,
  provider,
  fundingSource,
  amount,
  shares: Split.share(split, amount),
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

  it.each([
    [{ ...charge(100n), amount: 0n }, "greater than 0"],
    [{ ...charge(100n), amount: -100n }, "greater than 0"],
    [{ ...charge(100n), amount: 99n }, "the shares sum to 100, and the charge is 99."],
    [
      {
        ...charge(1n),
        shares: [{ party: "platform", amount: 2n } as const, { party: "provider", amount: -1n } as const],
      },
      "0",
    ],
    [{ ...charge(2n), shares: [1n, 1n].map((amount) => ({ party: "platform" as const, amount })) }, "stands twice"],
    [{ ...charge(100n), owed: -1n }, "owed"],
    [{ ...charge(100n), fundingSource: "a:b" }, "fundingSource"],
    [{ ...charge(100n), amount: 10n ** 78n }, "amount"],
  ])("refuses what makes no sense: %#", (given, why) => Sample.assertRefused(Charge.posting(given), why))
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
      provider,
      fundingSource,
      charged: Split.share(split, before),
      lowered: Split.share(split, after),
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

  it("gives no share to a party that had none", () => {
    const charged = [{ party: "platform", amount: 10n }] as const
    const lowered = [{ party: "provider", amount: 5n }] as const
    const posting = Adjustment.posting({ request, payer, provider, fundingSource, charged, lowered })
    Sample.assertRefused(posting, "provider had no share")
  })
})
