import { assert, describe, it } from "@effect/vitest"
import * as Split from "@guildhall/core/rules/Split"
import { Result, Schema } from "effect"
import { ids } from "../../src/Account.ts"
import * as Adjustment from "../../src/templates/Adjustment.ts"
import * as Charge from "../../src/templates/Charge.ts"
import * as Claim from "../../src/templates/Claim.ts"
import * as Sample from "./Sample.ts"

const { payer, provider, request, split } = Sample
const charge = (amount: bigint, part: Partial<Charge.Part> = {}) => ({
  request,
  provider,
  parts: [{ payer, amount, shares: Sample.sharesOf(amount), ...part }],
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
    const posting = Charge.posting(charge(100n, { payer: Sample.fees }))
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
      const posting = Charge.posting({ request: "order-1", provider, parts: [{ payer, amount, shares }], owed })
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

  it.prop(
    "shares what each source pays by itself: every unit of it, into the accrual of its own source",
    [Sample.Amount, Sample.Room, Sample.Room, Sample.Room],
    ([first, second, third, owed]) => {
      const sources = [first, second, third].flatMap((amount, at) =>
        amount === 0n ? [] : [{ payer: ids.funds(`s${at}`, Sample.buyer), fundingSource: `s${at}`, amount }],
      )
      const { parts, split: totals } = Charge.shared(split, provider, sources)
      const posting = Charge.posting({ request, provider, parts, owed })
      Sample.assertZero(posting)
      let served = 0n
      for (const { amount, fundingSource, payer } of sources) {
        assert.strictEqual(Sample.moved(posting, payer), -amount)
        const share = Split.share(split, amount).find(({ party }) => party === "provider")?.amount ?? 0n
        const accrued = Sample.moved(posting, ids.accrual(fundingSource, provider))
        assert.isTrue(accrued >= 0n && accrued <= share)
        served += share - accrued
      }
      assert.strictEqual(Sample.moved(posting, "receivable:"), served)
      const whole = first + second + third
      assert.strictEqual(
        totals.reduce((sum, { amount }) => sum + amount, 0n),
        whole,
      )
      // Odd units go to one party for each source: nobody else gets more than of the whole.
      for (const { amount, party } of Split.share(split, whole)) {
        const is = totals.find((total) => total.party === party)?.amount ?? 0n
        if (party === split.remainderTo) assert.isTrue(is >= amount && is <= amount + 9n)
        else assert.isTrue(is <= amount && is + 3n > amount)
      }
    },
    { arbitrary: { seed: "charge-sources", runs: 300 } },
  )

  it.each([
    [charge(100n, { amount: 0n }), "greater than 0"],
    [charge(100n, { amount: -100n }), "greater than 0"],
    [charge(100n, { amount: 99n }), "the shares sum to 100, and the charge is 99."],
    [
      charge(1n, {
        shares: [
          { account: Sample.fees, amount: 2n },
          { account: Sample.accrual, amount: -1n },
        ],
      }),
      "0",
    ],
    [charge(2n, { shares: [1n, 1n].map((amount) => ({ account: Sample.fees, amount })) }), "stands twice"],
    [{ ...charge(1n), parts: [...charge(1n).parts, ...charge(2n).parts] }, "an account pays twice"],
    [{ ...charge(1n), parts: [] }, "moves nothing"],
    [{ ...charge(100n), owed: -1n }, "owed"],
    [{ ...charge(100n), request: "a:b" }, "request"],
    [charge(100n, { amount: 10n ** 78n }), "amount"],
  ])("refuses what makes no sense: %#", (given, why) => Sample.assertRefused(Charge.posting(given), why))
})

describe("a template", () => {
  it("makes no more legs than a posting may have", () => {
    const shares = Array.from({ length: 100 }, (_, at) => ({ account: Sample.pool(`p${at}`), amount: 1n }))
    Sample.assertRefused(Charge.posting(charge(100n, { shares })), "has 101 legs, and 100 is the most")
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
      parts: [{ payer, charged: Sample.sharesOf(before), lowered: Sample.sharesOf(after) }],
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
    const posting = Adjustment.posting({ request, parts: [{ payer, charged: Sample.sharesOf(100n), lowered: [] }] })
    Sample.assertZero(posting)
    assert.strictEqual(Sample.moved(posting, "buyer:"), 100n)
    assert.strictEqual(Sample.moved(posting, "accrual:"), -85n)
  })

  it.prop(
    "of several sources gives back what each should not have paid",
    [Sample.Amount, Sample.Amount, Sample.Room],
    ([first, second, room]) => {
      const [credit, card] = [ids.funds("credit", Sample.buyer), ids.funds("card", Sample.buyer)]
      const of = (amounts: readonly [bigint, bigint]) =>
        Charge.shared(split, provider, [
          { payer: credit, fundingSource: "credit", amount: amounts[0] },
          { payer: card, fundingSource: "card", amount: amounts[1] },
        ]).parts
      const kept = room % (first + second)
      const [before, after] = [of([first, second]), of(kept < first ? [kept, 0n] : [first, kept - first])]
      const parts = before.map(({ payer, shares }, at) => ({
        payer,
        charged: shares,
        lowered: after[at]?.shares ?? [],
      }))
      const posting = Adjustment.posting({ request, parts })
      Sample.assertZero(posting)
      assert.strictEqual(Sample.moved(posting, card), kept < first ? second : first + second - kept)
      assert.strictEqual(Sample.moved(posting, credit), kept < first ? first - kept : 0n)
    },
    { arbitrary: { seed: "adjustment-sources", runs: 300 } },
  )

  it("raises no part of a charge, though the whole is lowered", () => {
    const part = (from: bigint, to: bigint) => ({
      payer: ids.funds(`s${from}`, Sample.buyer),
      charged: Sample.sharesOf(from),
      lowered: Sample.sharesOf(to),
    })
    Sample.assertRefused(Adjustment.posting({ request, parts: [part(100n, 1n), part(10n, 11n)] }), "only ever lowered")
    Sample.assertRefused(Adjustment.posting({ request, parts: [] }), "only ever lowered")
  })

  it("gives no share to an account that had none", () => {
    const charged = [{ account: Sample.fees, amount: 10n }]
    const lowered = [{ account: Sample.accrual, amount: 5n }]
    const posting = Adjustment.posting({ request, parts: [{ payer, charged, lowered }] })
    Sample.assertRefused(posting, "accrual:card:mem_provider had no share")
  })
})
