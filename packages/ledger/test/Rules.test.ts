import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { TestClock } from "effect/testing"
import type { AccountId } from "../src/Account.ts"
import type { LedgerReason } from "../src/LedgerError.ts"
import type { Command, LedgerStore, Linkable } from "../src/LedgerStore.ts"
import * as LedgerStoreMemory from "../src/LedgerStoreMemory.ts"
import { AMOUNT_MAX } from "../src/Limits.ts"
import type { Posting } from "../src/Posting.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import * as CrashTrial from "./CrashTrial.ts"

type Store = LedgerStore["Service"]

/** Books with a buyer who has 100, and may owe 9; a provider who is paid out; and the world outside. */
const books = Effect.gen(function* () {
  yield* TestClock.setTime(1_000_000)
  const store = yield* LedgerStoreMemory.make
  const [outside, buyer, earner, payable] = [
    Sample.accountId("external"),
    Sample.accountId(),
    Sample.accountId("accrual"),
    Sample.accountId("payable"),
  ]
  for (const command of [
    Sample.open(outside, { kind: "external", floor: null }),
    Sample.open(buyer, { floor: -9n }),
    Sample.open(earner, { kind: "accrual" }),
    Sample.open(payable, { kind: "payable" }),
    Sample.post(outside, buyer, 100n, { kind: "topUp" }),
    Sample.post(outside, payable, 23n, { kind: "adjustment" }),
  ]) {
    yield* CrashTrial.done(store, command)
  }
  return { store, outside, buyer, earner, payable }
})

const refused = Effect.fnUntraced(function* (store: Store, command: Command, reason: LedgerReason["_tag"]) {
  const error = yield* Effect.flip(CrashTrial.done(store, command))
  assert.strictEqual(error.reason._tag, reason)
  return error.reason
})

const terms = (account: AccountId, values: Partial<Extract<Linkable, { _tag: "SetTerms" }>["terms"]>): Linkable => ({
  _tag: "SetTerms",
  idempotencyKey: Sample.text(),
  account,
  terms: { floor: 0n, ceiling: null, state: "open", ...values },
})

const accountOf = (store: Store, id: AccountId) =>
  Effect.map(store.accounts([id]), ([account]) => account ?? assert.fail(`there is no ${id}`))

const begin = (account: AccountId, unit: bigint, minimum: bigint, rail = "bank"): Command => ({
  _tag: "BeginPayout",
  account,
  rail,
  unit,
  minimum,
})

describe("the rules, at their edges: an account", () => {
  it.effect("may be given the limits that it stands at, and not one beyond", () =>
    Effect.gen(function* () {
      const { buyer, store } = yield* books
      yield* CrashTrial.done(store, { _tag: "Hold", hold: Sample.holdRequest(buyer, 30n) })
      yield* CrashTrial.done(store, terms(buyer, { floor: 70n, ceiling: 100n }))
      yield* refused(store, terms(buyer, { floor: 71n, ceiling: 100n }), "InvalidCommand")
      yield* refused(store, terms(buyer, { ceiling: 99n }), "InvalidCommand")
      assert.deepInclude(yield* accountOf(store, buyer), { floor: 70n, ceiling: 100n, held: 30n })
    }),
  )

  it.effect("is closed only without balance and without holds, and then keeps getting terms, but never opens", () =>
    Effect.gen(function* () {
      const { buyer, outside, store } = yield* books
      yield* refused(store, terms(buyer, { state: "closed" }), "InvalidCommand")
      yield* CrashTrial.done(store, Sample.post(buyer, outside, 100n, { kind: "refund" }))
      const hold = Sample.holdRequest(buyer, 5n)
      yield* CrashTrial.done(store, { _tag: "Hold", hold })
      yield* refused(store, terms(buyer, { floor: -9n, state: "closed" }), "InvalidCommand")
      yield* CrashTrial.done(store, { _tag: "Void", hold: hold.id, attachments: [] })
      yield* CrashTrial.done(store, terms(buyer, { state: "closed" }))
      yield* CrashTrial.done(store, terms(buyer, { ceiling: 5n, state: "closed" }))
      yield* refused(store, terms(buyer, { state: "frozen" }), "InvalidCommand")
    }),
  )

  it.effect("is recorded as it was opened", () =>
    Effect.gen(function* () {
      const { buyer, store } = yield* books
      const [, entry] = yield* store.history("entries", { after: 0n, limit: 9 })
      const act = { _tag: "Opened", account: buyer, kind: "buyer", asset: Sample.USD, floor: -9n, ceiling: null }
      assert.deepStrictEqual<unknown>(entry?._tag === "Acted" ? entry.act : entry, { ...act, state: "open" })
    }),
  )

  it.effect("that is frozen gives what its own hold promised, and takes what another's did", () =>
    Effect.gen(function* () {
      const { buyer, earner, outside, store } = yield* books
      const hold = Sample.holdRequest(buyer, 10n)
      yield* CrashTrial.done(store, { _tag: "Hold", hold })
      for (const account of [buyer, earner])
        yield* CrashTrial.done(store, terms(account, { floor: -9n, state: "frozen" }))
      const legs = [...Sample.posting(buyer, earner, 4n).legs, ...Sample.posting(earner, outside, 1n).legs]
      const posting = Sample.posting(buyer, earner, 4n)
      yield* refused(store, { _tag: "Draw", hold: hold.id, posting: { ...posting, legs } }, "AccountNotOpen")
      yield* CrashTrial.done(store, { _tag: "Draw", hold: hold.id, posting })
      yield* CrashTrial.done(store, { _tag: "Settle", hold: hold.id, posting: Sample.posting(buyer, earner, 4n) })
      assert.strictEqual((yield* accountOf(store, earner)).balance, 8n)
    }),
  )

  it.effect("that is closed takes nothing, not even what a hold promised it", () =>
    Effect.gen(function* () {
      const { buyer, earner, store } = yield* books
      const hold = Sample.holdRequest(buyer, 10n)
      yield* CrashTrial.done(store, { _tag: "Hold", hold })
      yield* CrashTrial.done(store, terms(earner, { state: "closed" }))
      const settle = { _tag: "Settle", hold: hold.id, posting: Sample.posting(buyer, earner, 4n) } as const
      yield* refused(store, settle, "AccountNotOpen")
      assert.deepInclude(yield* accountOf(store, buyer), { balance: 100n, held: 10n })
    }),
  )

  it.effect("has at most 78 digits, and is held of at most so much", () =>
    Effect.gen(function* () {
      const { outside, store } = yield* books
      const vast = Sample.accountId("external")
      yield* CrashTrial.done(store, Sample.open(vast, { kind: "external", floor: null }))
      const most = { _tag: "Hold", hold: Sample.holdRequest(vast, AMOUNT_MAX) } as const
      yield* CrashTrial.done(store, most)
      yield* refused(store, { _tag: "Hold", hold: Sample.holdRequest(vast, 1n) }, "InvalidCommand")
      yield* CrashTrial.done(store, Sample.post(vast, outside, AMOUNT_MAX, { kind: "adjustment" }))
      assert.strictEqual((yield* accountOf(store, vast)).balance, -AMOUNT_MAX)
      const full = Sample.accountId("external")
      yield* CrashTrial.done(store, Sample.open(full, { kind: "external", floor: null }))
      yield* CrashTrial.done(store, Sample.post(outside, full, AMOUNT_MAX, { kind: "adjustment" }))
      assert.strictEqual((yield* accountOf(store, full)).balance, AMOUNT_MAX)
      yield* refused(store, Sample.post(vast, outside, 1n), "InvalidCommand")
    }),
  )
})

describe("the rules, at their edges: a refusal", () => {
  it.effect("says what there is and what is needed, with what a hold gives back", () =>
    Effect.gen(function* () {
      const { buyer, earner, store } = yield* books
      const funds = { account: buyer, available: 109n, needed: 110n }
      assert.deepInclude(yield* refused(store, Sample.post(buyer, earner, 110n), "InsufficientFunds"), funds)
      const [hold, other] = [Sample.holdRequest(buyer, 10n), Sample.holdRequest(buyer, 90n)]
      for (const each of [hold, other]) yield* CrashTrial.done(store, { _tag: "Hold", hold: each })
      const more = { account: buyer, available: 9n, needed: 10n }
      assert.deepInclude(yield* refused(store, Sample.post(buyer, earner, 10n), "InsufficientFunds"), more)
      yield* CrashTrial.done(store, Sample.post(buyer, earner, 9n))
      yield* CrashTrial.done(store, { _tag: "Settle", hold: hold.id, posting: Sample.posting(buyer, earner, 10n) })
      assert.deepInclude(yield* accountOf(store, buyer), { balance: 81n, held: 90n })
    }),
  )
})

describe("the rules, at their edges: a hold", () => {
  it.effect("is the same only with the same account, amount, owner and definition", () =>
    Effect.gen(function* () {
      const { buyer, earner, store } = yield* books
      const hold = Sample.holdRequest(buyer, 5n)
      const first = yield* CrashTrial.done(store, { _tag: "Hold", hold })
      const again = yield* CrashTrial.done(store, { _tag: "Hold", hold: { ...hold, lifeMs: 1, context: "later" } })
      assert.deepStrictEqual<unknown>(again, { ...first, replayed: true })
      for (const other of [{ account: earner }, { amount: 6n }, { owner: "another" }, { definitionDigest: "other" }]) {
        yield* refused(store, { _tag: "Hold", hold: { ...hold, ...other } }, "Conflict")
      }
    }),
  )

  it.effect("lives until its own time or its owner's last renewal, and one without a life for ever", () =>
    Effect.gen(function* () {
      const { buyer, store } = yield* books
      const hold = Sample.holdRequest(buyer, 5n, { owner: "me", lifeMs: 1_000 })
      const expiresAtMs = Effect.fnUntraced(function* (lifeMs: number | null) {
        const outcome = yield* CrashTrial.done(store, { _tag: "Hold", hold: { ...hold, id: Sample.holdId(), lifeMs } })
        return outcome._tag === "Held" ? outcome.hold.expiresAtMs : assert.fail(outcome._tag)
      })
      assert.strictEqual(yield* expiresAtMs(1_000), 1_001_000)
      assert.deepStrictEqual(yield* CrashTrial.done(store, { _tag: "Renew", owner: "me", lifeMs: 3_000 }), {
        _tag: "Renewed",
        count: 1,
      })
      assert.strictEqual(yield* expiresAtMs(1_000), 1_003_000)
      assert.strictEqual(yield* expiresAtMs(4_000), 1_004_000)
      assert.isNull(yield* expiresAtMs(null))
    }),
  )

  it.effect("whose account is paid back has nothing drawn of it by that", () =>
    Effect.gen(function* () {
      const { buyer, earner, outside, store } = yield* books
      yield* CrashTrial.done(store, Sample.post(outside, earner, 9n, { kind: "adjustment" }))
      const hold = Sample.holdRequest(buyer, 5n)
      yield* CrashTrial.done(store, { _tag: "Hold", hold })
      yield* CrashTrial.done(store, { _tag: "Settle", hold: hold.id, posting: Sample.posting(earner, buyer, 3n) })
      assert.deepInclude((yield* store.holds({ ids: [hold.id] }))[0], { state: "posted", drawn: 0n })
      assert.deepInclude(yield* accountOf(store, buyer), { balance: 103n, held: 0n })
    }),
  )

  it.effect("that expired is claimed also where its account is given something", () =>
    Effect.gen(function* () {
      const { buyer, outside, store } = yield* books
      const hold = Sample.holdRequest(buyer, 5n, { lifeMs: 1 })
      yield* CrashTrial.done(store, { _tag: "Hold", hold })
      yield* TestClock.adjust("1 second")
      yield* CrashTrial.done(store, { _tag: "Expire", limit: 1 })
      yield* CrashTrial.done(store, {
        _tag: "Claim",
        hold: hold.id,
        posting: Sample.posting(outside, buyer, 5n, { kind: "claim" }),
      })
      assert.deepInclude(yield* accountOf(store, buyer), { balance: 105n, held: 0n })
    }),
  )

  it.effect("is one thing, and a posting another: the same key for both is a conflict", () =>
    Effect.gen(function* () {
      const { buyer, earner, store } = yield* books
      const hold = Sample.holdRequest(buyer, 50n)
      yield* CrashTrial.done(store, { _tag: "Hold", hold })
      const posting: Posting = Sample.posting(buyer, earner, 2n)
      yield* CrashTrial.done(store, { _tag: "Draw", hold: hold.id, posting })
      for (const _tag of ["Settle", "Claim"] as const) {
        yield* refused(store, { _tag, hold: hold.id, posting }, "Conflict")
      }
      yield* refused(store, { _tag: "Post", posting }, "Conflict")
      assert.deepInclude(yield* CrashTrial.done(store, { _tag: "Draw", hold: hold.id, posting }), { replayed: true })
    }),
  )
})

describe("the rules, at their edges: a payout", () => {
  it.effect("is of whole units and of the minimum or more; the rest is carried", () =>
    Effect.gen(function* () {
      const { payable, store } = yield* books
      const nothing = { _tag: "PayoutBegun", payout: null, replayed: false }
      assert.deepStrictEqual<unknown>(yield* CrashTrial.done(store, begin(payable, 10n, 21n)), nothing)
      assert.deepStrictEqual<unknown>(yield* CrashTrial.done(store, begin(payable, 24n, 0n)), nothing)
      const begun = yield* CrashTrial.done(store, begin(payable, 10n, 20n))
      const payout = begun._tag === "PayoutBegun" ? begun.payout : null
      if (payout === null) return assert.fail("nothing was begun")
      assert.deepInclude(payout, { amount: 20n, carriedIn: 0n, carriedOut: 3n, fromSequence: 0n, state: "pending" })
      assert.deepInclude(yield* CrashTrial.done(store, begin(payable, 1n, 0n)), { payout, replayed: true })
      yield* refused(store, begin(payable, 1n, 0n, "another"), "Conflict")
      assert.deepInclude((yield* store.holds({ ids: [payout.hold] }))[0], { definitionDigest: "", lifeMs: null })

      yield* CrashTrial.done(store, { _tag: "Void", hold: payout.hold, attachments: [] })
      const [voided] = yield* store.history("payouts", { after: 0n, limit: 9 })
      assert.deepInclude(voided, { state: "voided", carriedOut: 23n })
      const next = yield* CrashTrial.done(store, begin(payable, 1n, 23n))
      assert.deepInclude(next._tag === "PayoutBegun" ? next.payout : null, {
        amount: 23n,
        carriedIn: 23n,
        carriedOut: 0n,
      })
    }),
  )

  it.effect("that was posted is posted, and is all that is free where something is held", () =>
    Effect.gen(function* () {
      const { outside, payable, store } = yield* books
      yield* CrashTrial.done(store, { _tag: "Hold", hold: Sample.holdRequest(payable, 3n) })
      const begun = yield* CrashTrial.done(store, begin(payable, 1n, 0n))
      const payout = begun._tag === "PayoutBegun" ? begun.payout : null
      if (payout === null) return assert.fail("nothing was begun")
      assert.deepInclude(payout, { amount: 20n, carriedOut: 3n })
      const posting = Sample.posting(payable, outside, 20n, { kind: "payout" })
      yield* CrashTrial.done(store, { _tag: "Settle", hold: payout.hold, posting })
      assert.deepInclude((yield* store.history("payouts", { after: 0n, limit: 9 }))[0], {
        state: "posted",
        carriedOut: 3n,
      })
      assert.deepInclude(yield* CrashTrial.done(store, begin(payable, 1n, 0n)), { payout: null })
    }),
  )

  it.effect("is not begun by a frozen account, nor beyond what an account has, whatever it may owe", () =>
    Effect.gen(function* () {
      const { outside, payable, store } = yield* books
      yield* CrashTrial.done(store, terms(payable, { floor: -9n }))
      const begun = yield* CrashTrial.done(store, begin(payable, 1n, 0n))
      assert.deepInclude(begun._tag === "PayoutBegun" ? begun.payout : null, { amount: 23n })
      const other = Sample.accountId("payable")
      yield* CrashTrial.done(store, Sample.open(other, { kind: "payable" }))
      yield* CrashTrial.done(store, Sample.post(outside, other, 5n, { kind: "adjustment" }))
      yield* CrashTrial.done(store, terms(other, { state: "frozen" }))
      yield* refused(store, begin(other, 1n, 0n), "AccountNotOpen")
    }),
  )
})

describe("the rules, at their edges: a period", () => {
  it.effect("is closed up to this moment, once, and sealed by the entry that says so", () =>
    Effect.gen(function* () {
      const { buyer, earner, store } = yield* books
      yield* refused(store, { _tag: "ClosePeriod", endMs: 1_000_001 }, "InvalidCommand")
      const close: Command = { _tag: "ClosePeriod", endMs: 1_000_000 }
      assert.deepInclude(yield* CrashTrial.done(store, close), { replayed: false })
      assert.deepInclude(yield* CrashTrial.done(store, close), { replayed: true })
      const seal: Command = {
        _tag: "SealPeriod",
        endMs: 1_000_000,
        trialBalance: { root: "r".repeat(43), accounts: 4, totals: [] },
      }
      assert.deepInclude(yield* CrashTrial.done(store, seal), { sequence: 8n, replayed: false })
      assert.deepInclude(yield* CrashTrial.done(store, seal), { sequence: 8n, replayed: true })
      yield* refused(store, Sample.post(buyer, earner, 1n, { effectiveAtMs: 999_999 }), "PeriodClosed")
      yield* CrashTrial.done(store, Sample.post(buyer, earner, 1n, { effectiveAtMs: 1_000_000 }))
      yield* refused(store, Sample.post(buyer, earner, 1n, { effectiveAtMs: 1_000_001 }), "InvalidCommand")
    }),
  )
})
