/** Whatever a template makes of what it is given, a store takes: it sums to zero, once, wherever the accounts have room. */
import { assert, describe, it } from "@effect/vitest"
import { USD } from "@guildhall/core/Asset"
import { Effect, Layer, Result } from "effect"
import { AccountId, ids } from "../../src/Account.ts"
import * as Ledger from "../../src/Ledger.ts"
import type { LedgerError } from "../../src/LedgerError.ts"
import * as LedgerStoreMemory from "../../src/LedgerStoreMemory.ts"
import * as Opening from "../../src/Opening.ts"
import * as Pool from "../../src/Pool.ts"
import type { Posting } from "../../src/Posting.ts"
import * as Templates from "../../src/templates/index.ts"
import * as Sample from "./Sample.ts"

const { EUR, fundingSource, payer, provider, rail, request, split } = Sample
const pool = ids.pool("boost")
const escrow = ids.escrow("book_1")
const euro = AccountId.make("payable:Euro:mem_buyer")

interface Given {
  readonly amount: bigint
  /** Any other amount: what is owed, a part, a rate. */
  readonly other: bigint
}

type Made = Result.Result<ReadonlyArray<Posting>, LedgerError>
type Make = (given: Given) => Made

const one = (made: Result.Result<Posting, LedgerError>): Made => Result.map(made, (posting) => [posting])

const ofPool =
  (kind: Pool.Kind): Make =>
  ({ amount, other }) => {
    const claims = [amount, other].map((amount, at) => ({
      account: ids.accrual(`source${at}`, provider),
      amount: amount + 1n,
    }))
    const remainderTo = ids.platformFees
    return Pool.postings(kind, { pool, epoch: "7", cap: amount, funded: amount + other, claims, remainderTo })
  }

const exchange = (amount: bigint, rate: Pick<typeof Sample.rate, "numerator" | "denominator">) =>
  one(Templates.Exchange.posting({ exchange: "x1", payer, payee: euro, amount, rate: { ...Sample.rate, ...rate } }))

const made: Readonly<Record<string, Make>> = {
  TopUp: ({ amount }) => one(Templates.TopUp.posting({ rail, key: "k1", fundingSource, to: payer, amount })),
  Charge: ({ amount, other }) =>
    one(
      Templates.Charge.posting({
        request,
        provider,
        parts: [{ payer, amount, shares: Sample.sharesOf(amount) }],
        owed: other,
      }),
    ),
  "Charge, of two sources": ({ amount, other }) => {
    const { parts } = Templates.Charge.shared(split, provider, [
      { payer: ids.funds("credit", Sample.buyer), fundingSource: "credit", amount },
      { payer, fundingSource, amount: other + 1n },
    ])
    return one(Templates.Charge.posting({ request, provider, parts, owed: other }))
  },
  Claim: ({ amount, other }) => one(Templates.Claim.posting({ request, provider, amount, owed: other })),
  Adjustment: ({ amount, other }) =>
    one(
      Templates.Adjustment.posting({
        request,
        parts: [
          { payer, charged: Sample.sharesOf(amount + other), lowered: Sample.sharesOf(other % (amount + other)) },
        ],
      }),
    ),
  Refund: ({ amount, other }) => {
    const parts = [{ payer, fundingSource, amount, shares: Sample.sharesOf(amount) }]
    const available = [{ account: Sample.accrual, amount: other }]
    const refund = { request, provider, rail, charged: amount, refunded: 0n, parts, available }
    return one(Templates.Refund.posting(refund))
  },
  Maturity: ({ amount, other }) =>
    one(Templates.Maturity.posting({ provider, fundingSource, rail, epoch: "7", amount, owed: other })),
  Fund: ({ amount }) => one(Templates.Fund.posting({ funding: "f1", pool, from: payer, amount })),
  Boost: ({ amount }) => one(Templates.Boost.posting({ pool, epoch: "7", provider, fundingSource, amount })),
  Bounty: ({ amount }) => one(Templates.Bounty.posting({ pool, epoch: "7", provider, fundingSource, amount })),
  Grant: ({ amount }) => one(Templates.Grant.posting({ grant: "g1", pool, to: payer, amount })),
  Slash: ({ amount, other }) => {
    const finders = [{ member: Sample.finder, amount: other % (amount / 5n + 1n) }].filter((each) => each.amount > 0n)
    return one(Templates.Slash.posting({ case: "case-1", from: escrow, amount, finders }))
  },
  Compensation: ({ amount }) => one(Templates.Compensation.posting({ case: "case-1", to: payer, amount })),
  Booking: ({ amount }) => one(Templates.Booking.posting({ booking: "book_1", payer, amount })),
  Release: ({ amount, other }) => {
    const time = { deliveredSeconds: Number(other % 3_601n), bookedSeconds: 3_600 }
    const release = { booking: "book_1", payer, provider, fundingSource, amount, split, owed: other, ...time }
    return one(Templates.Release.posting(release))
  },
  "Exchange, of much for little": ({ amount, other }) =>
    exchange(amount + other, { numerator: amount, denominator: amount + other }),
  "Exchange, of little for much": ({ amount, other }) =>
    exchange(amount, { numerator: amount + other, denominator: amount / 3n + 1n }),
  Crossing: ({ amount, other }) => {
    const crossing = { epoch: "7", account: payer, asset: USD.code, from: 0, to: 1 }
    const given = { ...crossing, amount: other % 2n === 0n ? amount : -amount }
    return Result.all([Templates.Crossing.leaving(given), Templates.Crossing.arriving(given)])
  },
  Hedge: ({ amount }) => one(Templates.Hedge.posting({ request, attempt: 2, provider, fundingSource, amount })),
  Mirror: ({ amount, other }) => {
    const account = (bucket: string) => ids.chain(8453, "Settlement", `USDC.${bucket}`)
    const moves = [
      { account: account("funded"), amount: -amount - other },
      { account: account("owed"), amount: other },
      { account: account("outside"), amount },
    ]
    const hash = `0x${"5a".repeat(32)}`
    return one(Templates.Mirror.posting({ chainId: 8453, transaction: hash, blockHash: hash, logIndex: 3, moves }))
  },
  "Pool of boosts": ofPool("boost"),
  "Pool of bounties": ofPool("bounty"),
}

const live = Ledger.layer.pipe(Layer.provide(LedgerStoreMemory.layer))

const isEuro = (id: AccountId): boolean => id.endsWith(":EUR") || id === euro

describe("what templates make", () => {
  for (const [name, make] of Object.entries(made)) {
    it.effect.prop(
      `sums to zero and is taken once: ${name}`,
      [Sample.Amount, Sample.Room],
      ([amount, other]) =>
        Effect.gen(function* () {
          const ledger = yield* Ledger.Ledger
          const postings = yield* Effect.fromResult(make({ amount, other }))
          const sums = { EUR: 0n, USD: 0n }
          for (const posting of postings) {
            for (const leg of posting.legs) {
              const asset = isEuro(leg.account) ? EUR : USD
              sums[asset === EUR ? "EUR" : "USD"] += leg.amount
              yield* ledger.open({ ...Opening.of(leg.account, asset), floor: null, ceiling: null })
            }
            assert.isFalse((yield* ledger.post(posting)).replayed)
          }
          for (const posting of postings) assert.isTrue((yield* ledger.post(posting)).replayed)
          assert.isAbove(postings.length, 0)
          assert.deepStrictEqual(sums, { EUR: 0n, USD: 0n })
        }).pipe(Effect.provide(live)),
      { arbitrary: { seed: `accepted-${name}`, runs: 25 } },
    )
  }

  it.effect.prop(
    "sums to zero and is taken once: Payout, by its hold",
    [Sample.Amount],
    ([amount]) =>
      Effect.gen(function* () {
        const ledger = yield* Ledger.Ledger
        const account = ids.payable(rail, provider)
        const earned = { provider, fundingSource, rail, epoch: "7", amount, owed: 0n }
        const matured = yield* Effect.fromResult(Templates.Maturity.posting(earned))
        for (const leg of matured.legs) yield* ledger.open({ ...Opening.of(leg.account, USD), floor: null })
        yield* ledger.open(Opening.of(ids.external(rail), USD))
        yield* ledger.post(matured)
        const range = yield* ledger.beginPayout({ account, rail, unit: 1n, minimum: 1n })
        if (range === null) return assert.fail("there is something to pay out")
        const paid = yield* Effect.fromResult(Templates.Payout.posting({ ...range, movement: "po_1" }))
        assert.isFalse((yield* ledger.settle(range.hold, paid)).replayed)
        assert.isTrue((yield* ledger.settle(range.hold, paid)).replayed)
        assert.strictEqual((yield* ledger.account(account)).balance, 0n)
        assert.strictEqual((yield* ledger.account(ids.external(rail))).balance, amount)
      }).pipe(Effect.provide(live)),
    { arbitrary: { seed: "accepted-Payout", runs: 25 } },
  )

  it("is tried for every template", () => {
    const tried = [...Object.keys(made), "Payout"].map((name) => name.split(",")[0])
    for (const name of Object.keys(Templates)) if (name !== "Template") assert.include(tried, name)
  })
})
