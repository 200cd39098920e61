/** Every template's posting, made by a ledger, on accounts that are opened as their ids say. */
import { assert, describe, it } from "@effect/vitest"
import { USD } from "@guildhall/core/Asset"
import { Effect, Layer, Result } from "effect"
import { AccountId, ids } from "../../src/Account.ts"
import { HoldId } from "../../src/Hold.ts"
import * as Ledger from "../../src/Ledger.ts"
import type { LedgerError } from "../../src/LedgerError.ts"
import * as LedgerStoreMemory from "../../src/LedgerStoreMemory.ts"
import * as Opening from "../../src/Opening.ts"
import * as Pool from "../../src/Pool.ts"
import type { Posting } from "../../src/Posting.ts"
import * as Templates from "../../src/templates/index.ts"
import * as Sample from "./Sample.ts"

const { EUR, fundingSource, payer, provider, rail, request } = Sample
const live = Ledger.layer.pipe(Layer.provide(LedgerStoreMemory.layer))
const pool = ids.pool("boost")
const euro = AccountId.make("payable:Euro:mem_buyer")

const isEuro = (id: string): boolean => id.endsWith(":EUR") || id === euro

/** Opens whatever a posting moves something on. */
const open = Effect.fnUntraced(function* (posting: Posting) {
  const ledger = yield* Ledger.Ledger
  for (const { account } of posting.legs) yield* ledger.open(Opening.of(account, isEuro(account) ? EUR : USD))
})

const make = Effect.fnUntraced(function* (answer: Result.Result<Posting, LedgerError>) {
  const posting = yield* Effect.fromResult(answer)
  yield* open(posting)
  const { post } = yield* Ledger.Ledger
  return yield* post(posting)
})

const topUp = (key: string, amount: bigint) =>
  make(Templates.TopUp.posting({ rail, key, movement: `ch_${key}`, fundingSource, to: payer, amount }))

const charge = (amount: bigint, owed = 0n) =>
  Templates.Charge.posting({
    request,
    provider,
    parts: [{ payer, amount, shares: Sample.sharesOf(amount) }],
    owed,
  })

const balances = Effect.gen(function* () {
  const { accounts } = yield* Ledger.Ledger
  const all = yield* accounts()
  const sums = new Map<string, bigint>()
  for (const { asset, balance } of all) sums.set(asset.code, (sums.get(asset.code) ?? 0n) + balance)
  for (const [asset, sum] of sums) assert.strictEqual(sum, 0n, asset)
  return Object.fromEntries(all.filter(({ balance }) => balance !== 0n).map(({ balance, id }) => [id, balance]))
})

describe("templates, posted", () => {
  it.effect("pay, mature and pay out what a provider earned, and take back what it should not have", () =>
    Effect.gen(function* () {
      const ledger = yield* Ledger.Ledger
      yield* topUp("1", 1_000n)
      const id = HoldId.make(request)
      const posting = yield* Effect.fromResult(charge(100n))
      yield* open(posting)
      yield* ledger.hold({
        id,
        account: payer,
        amount: 200n,
        owner: "g",
        lifeMs: 60_000,
        definitionDigest: "",
        context: null,
      })
      yield* ledger.settle(id, posting)
      const mature = { provider, fundingSource, rail, epoch: "1", amount: 80n, owed: 0n }
      yield* make(Templates.Maturity.posting(mature))
      const payable = ids.payable(rail, provider)
      const range = yield* ledger.beginPayout({ account: payable, rail, unit: 10n, minimum: 10n })
      if (range === null) return assert.fail("there is something to pay out")
      const payout = yield* Effect.fromResult(Templates.Payout.posting({ ...range, movement: "tr_1" }))
      yield* open(payout)
      yield* ledger.settle(range.hold, payout)
      assert.deepStrictEqual(yield* balances, {
        "external:card": -1_000n,
        "buyer:mem_buyer": 900n,
        "accrual:card:mem_provider": 5n,
        "pool:validators": 5n,
        "pool:insurance": 3n,
        "platform:fees": 7n,
        "external:Stripe": 80n,
      })

      const shares = Sample.sharesOf(100n)
      const has = yield* ledger.accounts()
      const available = has.flatMap(({ balance, id }) => (balance > 0n ? [{ account: id, amount: balance }] : []))
      const owing = { account: ids.receivable(provider), amount: 60n }
      const refund = {
        ...{ request, provider, rail, charged: 100n, refunded: 0n },
        parts: [{ payer, fundingSource, amount: 100n, shares }],
        available: [...available.filter(({ account }) => account !== payer), owing],
      }
      yield* make(Templates.Refund.posting(refund))
      assert.deepStrictEqual(yield* balances, {
        "external:card": -1_000n,
        "buyer:mem_buyer": 1_000n,
        "external:Stripe": 80n,
        "receivable:mem_provider": -60n,
        "platform:loss": -20n,
      })
    }).pipe(Effect.provide(live)),
  )

  it.effect("never serve more than is owed, whoever else serves it meanwhile", () =>
    Effect.gen(function* () {
      const ledger = yield* Ledger.Ledger
      yield* topUp("1", 1_000n)
      const refund = {
        ...{ request, provider, rail, charged: 50n, refunded: 0n },
        parts: [{ payer, fundingSource, amount: 50n, shares: [{ account: Sample.accrual, amount: 50n }] }],
        available: [{ account: ids.receivable(provider), amount: 50n }],
      }
      yield* make(Templates.Refund.posting(refund))
      const first = yield* Effect.fromResult(charge(100n, 50n))
      const other = { ...first, idempotencyKey: "request:another" }
      yield* open(first)
      yield* ledger.post(first)
      const { reason } = yield* Effect.flip(ledger.post(other))
      assert.strictEqual(reason._tag, "CeilingExceeded")
      assert.strictEqual((yield* ledger.account(ids.receivable(provider))).balance, 0n)
    }).pipe(Effect.provide(live)),
  )

  it.effect("fund a pool before it pays, and pay an epoch once, all of it or none", () =>
    Effect.gen(function* () {
      const ledger = yield* Ledger.Ledger
      yield* topUp("1", 1_000n)
      const claims = Array.from({ length: 150 }, (_, at) => ({
        account: AccountId.make(`accrual:card:mem_${at}`),
        amount: 10n,
      }))
      const epoch = { pool, epoch: "7", cap: 1_000n, funded: 400n, claims, remainderTo: ids.platformFees }
      const postings = yield* Effect.fromResult(Pool.postings("boost", epoch))
      for (const posting of postings) yield* open(posting)
      const pay = ledger.link(postings.map((posting) => ({ _tag: "Post", posting })))
      assert.strictEqual((yield* Effect.flip(pay)).reason._tag, "LinkRefused")
      assert.strictEqual((yield* ledger.account(pool)).balance, 0n)

      yield* make(Templates.Fund.posting({ funding: "f1", pool, from: payer, amount: 400n }))
      yield* pay
      yield* pay
      assert.strictEqual((yield* ledger.account(pool)).balance, 0n)
      assert.strictEqual((yield* ledger.account(ids.platformFees)).balance, 100n)
      const again = yield* Effect.fromResult(Pool.postings("boost", { ...epoch, funded: 1_000n }))
      const refused = yield* Effect.flip(Effect.forEach(again, ledger.post))
      assert.strictEqual(refused.reason._tag, "Conflict")
    }).pipe(Effect.provide(live)),
  )

  it.effect("give boosts, bounties, grants, slashes and compensations, each once", () =>
    Effect.gen(function* () {
      yield* topUp("1", 1_000n)
      const to = payer
      const once = [
        Templates.Fund.posting({ funding: "f1", pool, from: payer, amount: 300n }),
        Templates.Boost.posting({ pool, epoch: "7", provider, fundingSource, amount: 20n }),
        Templates.Bounty.posting({ pool, epoch: "7", provider, fundingSource, amount: 30n }),
        Templates.Grant.posting({ pool, grant: "welcome-1", to, amount: 40n }),
        Templates.Booking.posting({ booking: "bond", payer, amount: 100n }),
        Templates.Slash.posting({
          case: "c1",
          from: ids.escrow("bond"),
          amount: 100n,
          finders: [{ member: Sample.finder, amount: 20n }],
        }),
        Templates.Compensation.posting({ case: "c1", to, amount: 50n }),
      ]
      for (const answer of once) {
        assert.isFalse((yield* make(answer)).replayed)
        assert.isTrue((yield* make(answer)).replayed)
      }
      assert.deepStrictEqual(yield* balances, {
        "external:card": -1_000n,
        "buyer:mem_buyer": 690n,
        "pool:boost": 210n,
        "accrual:card:mem_provider": 50n,
        "accrual:slash:mem_finder": 20n,
        "insurance:pool": 30n,
      })
    }).pipe(Effect.provide(live)),
  )

  it.effect("exchange through the market's accounts, and take it back", () =>
    Effect.gen(function* () {
      const ledger = yield* Ledger.Ledger
      yield* topUp("1", 100n)
      const exchange = { exchange: "x1", payer, payee: euro, amount: 100n, rate: Sample.rate }
      const { sequence } = yield* make(Templates.Exchange.posting(exchange))
      assert.deepStrictEqual(yield* balances, {
        "external:card": -100n,
        "exchange:USD": 100n,
        "exchange:EUR": -67n,
        [euro]: 66n,
        "rounding:EUR": 1n,
      })
      yield* ledger.reverse(sequence, [])
      assert.deepStrictEqual(yield* balances, { "external:card": -100n, "buyer:mem_buyer": 100n })
    }).pipe(Effect.provide(live)),
  )

  it.effect("cross from one book to another", () =>
    Effect.gen(function* () {
      yield* topUp("1", 100n)
      const crossing = { epoch: "7", account: payer, asset: USD.code, from: 1, to: 2, amount: 60n }
      yield* make(Templates.Crossing.leaving(crossing))
      assert.deepStrictEqual(yield* balances, {
        "external:card": -100n,
        "buyer:mem_buyer": 40n,
        "clearing:2:USD": 60n,
      })
      Sample.assertZero(Templates.Crossing.arriving(crossing))
      assert.deepStrictEqual(Sample.legs(Templates.Crossing.arriving({ ...crossing, amount: -5n })), [
        "buyer:mem_buyer -5",
        "clearing:1:USD 5",
      ])
      Sample.assertRefused(Templates.Crossing.leaving({ ...crossing, amount: 0n }), "nothing of buyer:mem_buyer")
      Sample.assertRefused(Templates.Crossing.leaving({ ...crossing, to: 1 }), "no crossing to itself")
      const clearing = ids.clearing(1, USD.code)
      Sample.assertRefused(Templates.Crossing.leaving({ ...crossing, account: clearing }), "go through")
    }).pipe(Effect.provide(live)),
  )

  it("have keys that say what they are about, and all of it", () => {
    const keyOf = (answer: Result.Result<Posting, LedgerError>) => Result.getOrThrow(answer).idempotencyKey
    const amount = 1n
    const epoch = { pool, epoch: "7", provider, fundingSource, amount }
    assert.deepStrictEqual(
      [
        Templates.TopUp.posting({ rail, key: "k1", fundingSource, to: payer, amount }),
        charge(1n),
        Templates.Maturity.posting({ provider, fundingSource, rail, epoch: "7", amount, owed: 0n }),
        Templates.Fund.posting({ funding: "f1", pool, from: payer, amount }),
        Templates.Boost.posting(epoch),
        Templates.Bounty.posting(epoch),
        Templates.Grant.posting({ grant: "g1", pool, to: payer, amount }),
        Templates.Slash.posting({ case: "c1", from: payer, amount, finders: [] }),
        Templates.Compensation.posting({ case: "c1", to: payer, amount }),
        Templates.Booking.posting({ booking: "b1", payer, amount }),
        Templates.Exchange.posting({ exchange: "x1", payer, payee: euro, amount: 3n, rate: Sample.rate }),
      ].map(keyOf),
      [
        "top-up:Stripe:k1",
        `request:${request}`,
        "maturity:accrual:card:mem_provider:7",
        "fund:pool:boost:f1",
        "boost:pool:boost:7:card:mem_provider",
        "bounty:pool:boost:7:card:mem_provider",
        "grant:g1",
        "slash:c1",
        "compensation:c1:buyer:mem_buyer",
        "booking:b1",
        "exchange:x1",
      ],
    )
  })

  it("leave out links that have no room", () => {
    const top = { rail, key: "k1", fundingSource, to: payer, amount: 1n }
    const links = (movement: string) => Result.getOrThrow(Templates.TopUp.posting({ ...top, movement })).links
    assert.deepStrictEqual(links("m".repeat(100)), { movement: "m".repeat(100) })
    assert.isUndefined(links("m".repeat(101)))
  })

  it("refuse what has no room", () => {
    const given = { rail, key: "k".repeat(200), fundingSource, to: payer, amount: 1n }
    Sample.assertRefused(Templates.TopUp.posting(given), "more than 200 characters")
    const back = { funding: "f", pool, from: pool, amount: 1n }
    Sample.assertRefused(Templates.Fund.posting(back), "moves nothing")
    Sample.assertRefused(Templates.Grant.posting({ grant: "g", pool, to: euro, amount: 1n }), "is no buyer's")
  })
})
