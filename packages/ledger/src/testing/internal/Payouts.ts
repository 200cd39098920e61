/**
 * The proof of a ledger's store that concerns payouts.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { AccountId } from "../../Account.ts"
import { type Command, LedgerStore } from "../../LedgerStore.ts"
import * as PayoutRange from "../../PayoutRange.ts"
import * as Sample from "../SampleCommand.ts"
import * as History from "./History.ts"
import * as Trial from "./Trial.ts"

/** Begins a payout of a hundred or more, in hundreds. */
const begin = (
  account: AccountId,
  values: { readonly rail?: string; readonly unit?: bigint; readonly minimum?: bigint } = {},
) => ({ _tag: "BeginPayout", account, rail: "card", unit: 100n, minimum: 100n, ...values }) as const

/** Begins a payout that there must be something for. */
const begun = Effect.fnUntraced(function* (command: Command) {
  const { payout, replayed } = yield* Trial.answer(command, "PayoutBegun")
  return { payout: payout ?? assert.fail("there is nothing to pay"), replayed }
})

/** Pays a payout by this much. */
const pay = ({ account, hold }: PayoutRange.PayoutRange, outside: AccountId, amount: bigint): Command => ({
  _tag: "Settle",
  hold,
  posting: Sample.posting(account, outside, amount, { kind: "payout", links: { payout: "p" } }),
})

/** Asserts that an account's ranges follow each other, and that each is worth what was posted in it. */
const gapless = Effect.fnUntraced(function* (account: AccountId) {
  const store = yield* LedgerStore
  const ranges = yield* History.all(store, "payouts", 2, { account })
  const entries = yield* History.all(store, "entries", 100, { account })
  let before: PayoutRange.PayoutRange | undefined
  for (const range of ranges) {
    assert.strictEqual(range.account, account)
    assert.strictEqual(range.fromSequence, before?.toSequence ?? 0n)
    assert.isTrue(range.toSequence > range.fromSequence)
    assert.strictEqual(range.carriedIn, before?.carriedOut ?? 0n)
    let sum = 0n
    for (const entry of entries) {
      if (entry._tag !== "Posted" || entry.posting.kind === "payout") continue
      if (entry.sequence <= range.fromSequence || entry.sequence > range.toSequence) continue
      for (const leg of entry.posting.legs) if (leg.account === account) sum += leg.amount
    }
    const paid = range.state === "voided" ? 0n : range.amount
    assert.strictEqual(sum, paid + range.carriedOut - range.carriedIn)
    before = range
  }
  const all = (yield* History.payouts).filter((range) => range.account === account)
  assert.deepStrictEqual(all, ranges)
  return ranges
})

const paid = Effect.gen(function* () {
  const { outside, buyer } = yield* Trial.people(10_000n)
  const payable = Sample.accountId("payable")
  yield* Trial.refuses(begin(payable), "UnknownAccount")
  yield* Trial.outcome(Sample.open(payable, { kind: "payable", floor: null }))
  yield* Trial.refuses(begin(buyer), "InvalidCommand")
  yield* Trial.refuses(begin(payable, { unit: 0n }), "InvalidCommand")
  yield* Trial.refuses(begin(payable, { rail: "" }), "InvalidCommand")

  // Nothing, less than nothing, too little, and less than a unit: the range stays open.
  const nothing = { _tag: "PayoutBegun", payout: null, replayed: false } as const
  assert.deepStrictEqual(yield* Trial.outcome(begin(payable)), nothing)
  yield* Trial.outcome(Sample.post(payable, outside, 30n))
  assert.deepStrictEqual(yield* Trial.outcome(begin(payable, { minimum: -100n })), nothing)
  yield* Trial.outcome(Sample.post(buyer, payable, 280n))
  assert.deepStrictEqual(yield* Trial.outcome(begin(payable, { minimum: 201n })), nothing)
  assert.deepStrictEqual(yield* Trial.outcome(begin(payable, { unit: 251n })), nothing)
  assert.deepStrictEqual(yield* gapless(payable), [])

  // 250 in hundreds: the rest is carried on.
  const first = yield* begun(begin(payable))
  const last = (yield* History.entries).at(-1)?.sequence ?? 0n
  assert.deepStrictEqual<unknown>(first, {
    replayed: false,
    payout: {
      account: payable,
      rail: "card",
      fromSequence: 0n,
      toSequence: last - 1n,
      carriedIn: 0n,
      amount: 200n,
      carriedOut: 50n,
      hold: PayoutRange.idOf(payable, 0n, last - 1n),
      state: "pending",
    },
  })
  yield* Trial.stands(payable, 250n, 200n)
  const hold = yield* Trial.hold(first.payout.hold)
  assert.include(hold, { state: "pending", amount: 200n, account: payable, lifeMs: null, expiresAtMs: null })
  assert.deepStrictEqual<unknown>(yield* begun(begin(payable)), { ...first, replayed: true })
  yield* Trial.refuses(begin(payable, { rail: "another" }), "Conflict")

  // Exactly what it is of, by a payout, and by nothing else.
  yield* Trial.outcome(Sample.post(buyer, payable, 360n))
  assert.deepStrictEqual<unknown>(yield* begun(begin(payable)), { ...first, replayed: true })
  for (const amount of [199n, 201n, 250n]) yield* Trial.refuses(pay(first.payout, outside, amount), "InvalidCommand")
  const charge = Sample.posting(payable, outside, 200n)
  yield* Trial.refuses({ _tag: "Settle", hold: first.payout.hold, posting: charge }, "InvalidCommand")
  yield* Trial.refuses({ _tag: "Draw", hold: first.payout.hold, posting: charge }, "InvalidCommand")
  const payout = Sample.posting(payable, outside, 200n, { kind: "payout" })
  yield* Trial.refuses({ _tag: "Draw", hold: first.payout.hold, posting: payout }, "InvalidCommand")
  yield* Trial.refuses({ _tag: "Post", posting: payout }, "InvalidCommand")
  const other = Sample.hold(buyer, 200n)
  yield* Trial.outcome(other)
  const fromBuyer = Sample.posting(buyer, outside, 200n, { kind: "payout" })
  yield* Trial.refuses({ _tag: "Settle", hold: other.hold.id, posting: fromBuyer }, "InvalidCommand")
  const squatter = PayoutRange.idOf(payable, last, last + 100n)
  yield* Trial.refuses(Sample.hold(buyer, 1n, { id: squatter }), "InvalidCommand")
  yield* Trial.stands(payable, 610n, 200n)

  const made = pay(first.payout, outside, 200n)
  const posted = yield* Trial.answer(made, "Posted")
  assert.deepStrictEqual<unknown>(yield* Trial.outcome(made), { ...posted, replayed: true })
  yield* Trial.refuses(pay(first.payout, outside, 200n), "HoldNotAvailable")
  yield* Trial.refuses({ _tag: "Void", hold: first.payout.hold, attachments: [] }, "HoldNotAvailable")
  yield* Trial.stands(payable, 410n, 0n)
  assert.deepStrictEqual<unknown>(yield* gapless(payable), [{ ...first.payout, state: "posted" }])

  // The next one has what was carried, and is proven to have failed: the one after has it all.
  const second = yield* begun(begin(payable, { rail: "another" }))
  assert.include(second.payout, {
    fromSequence: first.payout.toSequence,
    carriedIn: 50n,
    amount: 400n,
    carriedOut: 10n,
  })
  const voided: Command = { _tag: "Void", hold: second.payout.hold, attachments: [] }
  yield* Trial.outcome(voided)
  assert.deepStrictEqual(yield* Trial.outcome(voided), { _tag: "Voided", replayed: true })
  yield* Trial.refuses(pay(second.payout, outside, 400n), "HoldNotAvailable")
  yield* Trial.stands(payable, 410n, 0n)
  const [, failed] = yield* gapless(payable)
  assert.deepStrictEqual<unknown>(failed, { ...second.payout, carriedOut: 410n, state: "voided" })
  yield* Trial.outcome(Sample.post(buyer, payable, 95n))
  const third = yield* begun(begin(payable))
  assert.include(third.payout, {
    fromSequence: second.payout.toSequence,
    carriedIn: 410n,
    amount: 500n,
    carriedOut: 5n,
  })
  yield* Trial.outcome(pay(third.payout, outside, 500n))
  // Owing more than what is carried leaves the next range open.
  yield* Trial.outcome(Sample.post(payable, buyer, 45n))
  assert.deepStrictEqual(yield* Trial.outcome(begin(payable, { minimum: 0n })), nothing)
  yield* Trial.outcome(Sample.post(buyer, payable, 140n))
  const fourth = yield* begun(begin(payable))
  assert.include(fourth.payout, { carriedIn: 5n, amount: 100n, carriedOut: 0n })
  // A payout that came back after all is part of the next range.
  const { sequence } = yield* Trial.answer(pay(fourth.payout, outside, 100n), "Posted")
  yield* Trial.outcome({ _tag: "Reverse", sequence, attachments: [] })
  const fifth = yield* begun(begin(payable))
  assert.include(fifth.payout, { fromSequence: fourth.payout.toSequence, carriedIn: 0n, amount: 100n, carriedOut: 0n })
  assert.lengthOf(yield* gapless(payable), 5)
})

/** Begun by many at once, among others that move the account: once. */
const raced = Effect.gen(function* () {
  const store = yield* LedgerStore
  const { buyer, outside } = yield* Trial.people(10_000n)
  const payable = Sample.accountId("payable")
  yield* Trial.outcome(Sample.open(payable, { kind: "payable" }))
  for (let round = 0; round < 3; round++) {
    yield* Trial.outcome(Sample.post(buyer, payable, 150n))
    const commands = Array.from({ length: 12 }, (_, at) =>
      at % 3 === 1 ? Sample.post(buyer, payable, 1n) : begin(payable),
    )
    const answers = yield* Effect.all(
      commands.map((command) => store.commit([command])),
      { concurrency: "unbounded" },
    )
    const reasons = answers.flat().map(Trial.reasonOf)
    assert.deepStrictEqual(reasons.toSorted(), [...Array(8).fill("PayoutBegun"), ...Array(4).fill("Posted")])
    const { payout, replayed } = yield* begun(begin(payable))
    assert.isTrue(replayed)
    yield* Trial.outcome(pay(payout, outside, payout.amount))
  }
  // A frozen account begins none; of what is held for something else, nothing is paid.
  yield* Trial.outcome(Sample.post(buyer, payable, 300n))
  const freeze = (state: "open" | "frozen") => Sample.setTerms(payable, { state })
  yield* Trial.outcome(freeze("frozen"))
  yield* Trial.refuses(begin(payable), "AccountNotOpen")
  yield* Trial.outcome(freeze("open"))
  const balance = (yield* Trial.account(payable)).balance
  yield* Trial.outcome(Sample.hold(payable, balance - 120n))
  const { payout } = yield* begun(begin(payable))
  assert.include(payout, { amount: 100n, carriedOut: balance - 100n })
  yield* Trial.outcome(freeze("frozen"))
  yield* Trial.outcome(pay(payout, outside, 100n))
  assert.lengthOf(yield* gapless(payable), 4)
})

/** Guarantee 14. @since 0.1.0 */
export const ranges = Effect.all([paid, raced], { discard: true })
