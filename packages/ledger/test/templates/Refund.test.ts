import { assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { ids } from "../../src/Account.ts"
import * as Refund from "../../src/templates/Refund.ts"
import * as Sample from "./Sample.ts"

const { fundingSource, payer, provider, rail, request } = Sample

const inOrder = [Sample.accrual, ids.payable(rail, provider), ids.receivable(provider), ids.insurance]
const others = [ids.platformFees, ids.pool("validators"), ids.pool("insurance")]

const refund = (amount: bigint, rooms: ReadonlyArray<bigint>, decided?: string): Refund.Refund => ({
  request,
  provider,
  rail,
  charged: amount,
  refunded: 0n,
  parts: [{ payer, fundingSource, amount, shares: Sample.sharesOf(amount) }],
  available: [...inOrder, ...others].map((account, at) => ({ account, amount: rooms[at] ?? 0n })),
  ...(decided === undefined ? {} : { case: decided }),
})

const only = (amount: bigint, rooms: ReadonlyArray<bigint>, decided?: string, part: Partial<Refund.Part> = {}) => ({
  ...refund(amount, rooms, decided),
  parts: [{ payer, fundingSource, amount, shares: [{ account: Sample.accrual, amount }], ...part }],
})

describe("Refund", () => {
  it("takes a provider's share from what accrued, then from what is about to be paid out, then from later earnings", () => {
    assert.deepStrictEqual(Sample.legs(Refund.posting(only(10n, [10n, 10n, 10n]))), [
      "buyer:mem_buyer 10",
      "accrual:card:mem_provider -10",
    ])
    assert.deepStrictEqual(Sample.legs(Refund.posting(only(10n, [4n, 3n, 10n]))), [
      "buyer:mem_buyer 10",
      "accrual:card:mem_provider -4",
      "payable:Stripe:mem_provider -3",
      "receivable:mem_provider -3",
    ])
  })

  it("takes from the insurance only in a case, and the rest from the platform", () => {
    assert.deepStrictEqual(Sample.legs(Refund.posting(only(10n, [1n, 1n, 1n, 5n]))), [
      "buyer:mem_buyer 10",
      "accrual:card:mem_provider -1",
      "payable:Stripe:mem_provider -1",
      "receivable:mem_provider -1",
      "platform:loss -7",
    ])
    const decided = Refund.posting(only(10n, [1n, 1n, 1n, 5n], "case-1"))
    assert.deepStrictEqual(Sample.legs(decided).slice(-2), ["insurance:pool -5", "platform:loss -2"])
    assert.deepStrictEqual(Result.getOrThrow(decided).links, { request, case: "case-1" })
  })

  it.prop(
    "is paid in full, by nobody more than it has, and by the next one only where the one before has nothing left",
    [Sample.Amount, Sample.Room, Sample.Room, Sample.Room, Sample.Room, Sample.Room],
    ([amount, ...rooms]) => {
      const given = refund(amount, rooms, amount % 2n === 0n ? "case" : undefined)
      Sample.assertZero(Refund.posting(given))
      const taken = new Map(Refund.plan(given).map((part) => [part.account, part.amount]))
      for (const { account, amount: room } of given.available) assert.isTrue((taken.get(account) ?? 0n) <= room)
      const line = Refund.order(given, { fundingSource })
      const loss = taken.get(ids.platformLoss) ?? 0n
      const shares = given.parts.flatMap((part) => part.shares)
      const [share] = shares
      const byLine = line.reduce((sum, account) => sum + (taken.get(account) ?? 0n), 0n)
      for (const [at, account] of line.entries()) {
        const later = line.slice(at + 1).some((next) => (taken.get(next) ?? 0n) > 0n)
        const isEmpty = (taken.get(account) ?? 0n) === (rooms[inOrder.indexOf(account)] ?? 0n)
        if (later || byLine < (share?.amount ?? 0n)) assert.isTrue(isEmpty, `${account} had more`)
      }
      if (given.case === undefined) assert.isFalse(taken.has(ids.insurance))
      if (loss > 0n) assert.isTrue(shares.some((each) => each.amount > 0n))
    },
    { arbitrary: { seed: "refund-order", runs: 500 } },
  )

  it("takes a share that was paid into what is paid out by the same order, and nothing twice", () => {
    const [accrued, payable] = inOrder
    const shares = [accrued, payable].flatMap((account) => (account === undefined ? [] : [{ account, amount: 5n }]))
    assert.deepStrictEqual(Sample.legs(Refund.posting(only(10n, [3n, 3n, 3n], undefined, { shares }))), [
      "buyer:mem_buyer 10",
      "accrual:card:mem_provider -3",
      "payable:Stripe:mem_provider -3",
      "receivable:mem_provider -3",
      "platform:loss -1",
    ])
  })

  it.prop(
    "of several sources gives back what was spent last, however many refunds it takes, and no source more than it paid",
    [Sample.Room, Sample.Amount, Sample.Room, Sample.Room],
    ([first, second, a, b]) => {
      const paid = [first, second].map((amount, at) => ({ fundingSource: `s${at}`, amount }))
      const whole = first + second
      const one = a % (whole + 1n)
      const two = b % (whole - one + 1n)
      const sum = (parts: ReadonlyArray<{ readonly amount: bigint }>) =>
        parts.reduce((all, each) => all + each.amount, 0n)
      const [before, after] = [
        Refund.back(paid, { refunded: 0n, amount: one }),
        Refund.back(paid, { refunded: one, amount: two }),
      ]
      assert.deepStrictEqual([sum(before), sum(after)], [one, two])
      const both = new Map<string, bigint>()
      for (const { amount, fundingSource: of } of [...before, ...after]) both.set(of, (both.get(of) ?? 0n) + amount)
      const once = new Map(
        Refund.back(paid, { refunded: 0n, amount: one + two }).map((each) => [each.fundingSource, each.amount]),
      )
      assert.deepStrictEqual([...both].sort(), [...once].sort())
      if ((once.get("s0") ?? 0n) > 0n) assert.strictEqual(once.get("s1"), second)
    },
    { arbitrary: { seed: "refund-sources", runs: 300 } },
  )

  it("takes what goes back to each source from what accrued of that source", () => {
    const available = ["credit", fundingSource].map((source) => ({
      account: ids.accrual(source, provider),
      amount: 4n,
    }))
    const parts = available.map(({ account }, at) => ({
      payer: ids.funds(`s${at}`, Sample.buyer),
      fundingSource: at === 0 ? "credit" : fundingSource,
      amount: 5n,
      shares: [{ account, amount: 5n }],
    }))
    assert.deepStrictEqual(Sample.legs(Refund.posting({ ...only(10n, []), parts, available })), [
      "buyer:s0:mem_buyer 5",
      "buyer:s1:mem_buyer 5",
      "accrual:credit:mem_provider -4",
      "accrual:card:mem_provider -4",
      "platform:loss -2",
    ])
  })

  it("is keyed by what was refunded before, so that one of two that know nothing of each other is made", () => {
    const first = Result.getOrThrow(Refund.posting({ ...only(5n, [9n]), charged: 10n }))
    const second = Result.getOrThrow(Refund.posting({ ...only(4n, [9n]), charged: 10n }))
    const later = Result.getOrThrow(Refund.posting({ ...only(5n, [9n]), charged: 10n, refunded: 5n }))
    assert.strictEqual(first.idempotencyKey, second.idempotencyKey)
    assert.notStrictEqual(first.idempotencyKey, later.idempotencyKey)
  })

  it.each([
    [{ ...only(10n, []), charged: 9n }, "over the charge"],
    [{ ...only(10n, []), refunded: 1n }, "over the charge"],
    [only(10n, [], undefined, { shares: [] }), "the shares sum to 0"],
    [only(10n, [], "c", { shares: [{ account: ids.insurance, amount: 10n }] }), "the insurance has no share"],
    [only(10n, [], undefined, { amount: -10n }), "greater than 0"],
    [{ ...only(10n, []), parts: [] }, "moves nothing"],
    [{ ...only(10n, []), available: [1n, 2n].map((amount) => ({ account: Sample.accrual, amount })) }, "stands twice"],
    [{ ...only(10n, [-5n]) }, "available"],
  ])("refuses what makes no sense: %#", (given, why) => Sample.assertRefused(Refund.posting(given), why))
})
