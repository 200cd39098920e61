/**
 * The proofs of a ledger's store that concern holds: steps, ends, expiry and claims.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { AccountId } from "../../Account.ts"
import type { HoldId, HoldState } from "../../Hold.ts"
import { type Command, LedgerStore } from "../../LedgerStore.ts"
import * as Sample from "../SampleCommand.ts"
import * as History from "./History.ts"
import * as Trial from "./Trial.ts"

/** Takes a hold and answers its id. */
const take = Effect.fnUntraced(function* (hold: ReturnType<typeof Sample.holdRequest>) {
  yield* Trial.outcome({ _tag: "Hold", hold })
  return hold.id
})

/** Each end comes once. */
const endsOnce = Effect.fnUntraced(function* (pass: Trial.Pass) {
  const { buyer, provider } = yield* Trial.people(100n)
  const settled = yield* take(Sample.holdRequest(buyer, 40n))
  const voided = yield* take(Sample.holdRequest(buyer, 30n))
  const expired = yield* take(Sample.holdRequest(buyer, 20n, { lifeMs: 1 }))
  const settle = (hold: typeof settled, amount: bigint): Command => ({
    _tag: "Settle",
    hold,
    posting: Sample.posting(buyer, provider, amount),
  })
  yield* Trial.stands(buyer, 100n, 90n)
  yield* Trial.refuses(settle(settled, 41n), "InvalidCommand")
  const twoLegs = Sample.posting(buyer, provider, 30n)
  const posting = { ...twoLegs, legs: [...twoLegs.legs, ...Sample.posting(buyer, provider, 11n).legs] }
  yield* Trial.refuses({ _tag: "Settle", hold: settled, posting }, "InvalidCommand")
  yield* Trial.outcome(settle(settled, 25n))
  yield* Trial.stands(buyer, 75n, 50n)
  yield* Trial.outcome({ _tag: "Void", hold: voided, attachments: [] })
  yield* Trial.stands(buyer, 75n, 20n)
  yield* Trial.sweepUntilExpired(expired, pass)
  yield* Trial.stands(buyer, 75n, 0n)

  const states: ReadonlyArray<readonly [typeof settled, HoldState]> = [
    [settled, "posted"],
    [voided, "voided"],
    [expired, "expired"],
  ]
  for (const [id, state] of states) {
    yield* Trial.refuses(settle(id, 1n), "HoldNotAvailable")
    if (state !== "voided") yield* Trial.refuses({ _tag: "Void", hold: id, attachments: [] }, "HoldNotAvailable")
    assert.strictEqual((yield* Trial.hold(id)).state, state)
  }
  yield* Trial.refuses(settle(Sample.holdId(), 1n), "HoldNotAvailable")
  yield* Trial.stands(buyer, 75n, 0n)
  yield* Trial.stands(provider, 25n, 0n)
})

/** Posts a part of a hold. */
const draw = (hold: HoldId, from: AccountId, to: AccountId, amount: bigint): Command => ({
  _tag: "Draw",
  hold,
  posting: Sample.posting(from, to, amount),
})

/** A hold that is posted in steps keeps the rest until it ends, and ends with no more than that. */
const drawsInSteps = Effect.fnUntraced(function* (pass: Trial.Pass) {
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const settled = yield* take(Sample.holdRequest(buyer, 40n))
  const voided = yield* take(Sample.holdRequest(buyer, 30n))
  const expired = yield* take(Sample.holdRequest(buyer, 20n, { lifeMs: 1 }))
  const emptied = yield* take(Sample.holdRequest(buyer, 10n))
  yield* Trial.refuses(Sample.post(buyer, provider, 1n), "InsufficientFunds")
  const drawn = yield* Trial.posted(draw(settled, buyer, provider, 15n))
  assert.strictEqual(drawn.hold, settled)
  yield* Trial.stands(buyer, 85n, 85n)
  yield* Trial.outcome(draw(settled, buyer, provider, 15n))
  yield* Trial.refuses(draw(settled, buyer, provider, 11n), "InvalidCommand")
  assert.include(yield* Trial.hold(settled), { state: "pending", amount: 40n, drawn: 30n })
  // To draw is to take from the hold's account.
  yield* Trial.refuses(draw(settled, outside, provider, 1n), "InvalidCommand")
  yield* Trial.refuses(draw(settled, outside, buyer, 1n), "InvalidCommand")
  yield* Trial.refuses(draw(Sample.holdId(), buyer, provider, 1n), "HoldNotAvailable")
  const settle = (hold: HoldId, amount: bigint): Command => ({
    _tag: "Settle",
    hold,
    posting: Sample.posting(buyer, provider, amount),
  })
  yield* Trial.refuses(settle(settled, 11n), "InvalidCommand")
  yield* Trial.stands(buyer, 70n, 70n)
  yield* Trial.outcome(settle(settled, 4n))
  assert.include(yield* Trial.hold(settled), { state: "posted", amount: 40n, drawn: 34n })
  yield* Trial.stands(buyer, 66n, 60n)

  yield* Trial.outcome(draw(voided, buyer, provider, 10n))
  yield* Trial.stands(buyer, 56n, 50n)
  yield* Trial.outcome({ _tag: "Void", hold: voided, attachments: [] })
  assert.include(yield* Trial.hold(voided), { state: "voided", drawn: 10n })
  yield* Trial.stands(buyer, 56n, 30n)

  yield* Trial.outcome(draw(emptied, buyer, provider, 10n))
  assert.include(yield* Trial.hold(emptied), { state: "pending", drawn: 10n })
  yield* Trial.refuses(draw(emptied, buyer, provider, 1n), "InvalidCommand")
  yield* Trial.stands(buyer, 46n, 20n)
  // Who is paid by its own settlement draws nothing.
  const refund = Sample.posting(outside, buyer, 3n, { kind: "refund" })
  yield* Trial.outcome({ _tag: "Settle", hold: emptied, posting: refund })
  assert.include(yield* Trial.hold(emptied), { state: "posted", drawn: 10n })
  yield* Trial.stands(buyer, 49n, 20n)

  yield* Trial.outcome(draw(expired, buyer, provider, 5n))
  yield* Trial.stands(buyer, 44n, 15n)
  yield* Trial.sweepUntilExpired(expired, pass)
  assert.include(yield* Trial.hold(expired), { state: "expired", drawn: 5n })
  yield* Trial.stands(buyer, 44n, 0n)
  for (const hold of [settled, voided, expired])
    yield* Trial.refuses(draw(hold, buyer, provider, 1n), "HoldNotAvailable")
  const claim = (amount: bigint): Command => ({
    _tag: "Claim",
    hold: expired,
    posting: Sample.posting(outside, provider, amount, { kind: "claim" }),
  })
  yield* Trial.refuses(claim(16n), "InvalidCommand")
  yield* Trial.outcome(claim(15n))

  // Several at once: as many as the hold has for them.
  const store = yield* LedgerStore
  const shared = yield* take(Sample.holdRequest(buyer, 44n))
  const answers = yield* Effect.all(
    Array.from({ length: 20 }, () => store.commit([draw(shared, buyer, provider, 5n)])),
    { concurrency: "unbounded" },
  )
  assert.lengthOf(
    answers.flat().filter((answer) => Trial.reasonOf(answer) === "Posted"),
    8,
  )
  yield* Trial.stands(buyer, 4n, 4n)
})

/** Guarantee 5. @since 0.1.0 */
export const ends = (pass: Trial.Pass) => Effect.all([endsOnce(pass), drawsInSteps(pass)], { discard: true })

/** Time goes on in the order of what was committed. */
const neverBack = Effect.gen(function* () {
  const inOrder = (times: ReadonlyArray<number>) =>
    assert.deepStrictEqual(
      times,
      times.toSorted((a, b) => a - b),
    )
  inOrder((yield* History.entries).map(({ postedAtMs }) => postedAtMs))
  inOrder((yield* History.attachments).map(({ attachedAtMs }) => attachedAtMs))
  inOrder((yield* History.batches).map(({ committedAtMs }) => committedAtMs))
})

/** What never expires, and what a renewal does for it. */
const lasts = Effect.fnUntraced(function* (pass: Trial.Pass) {
  const { buyer } = yield* Trial.people(100n)
  const owner = `gateway-${Sample.text()}`
  const held = yield* Trial.answer(Sample.hold(buyer, 5n, { owner, lifeMs: null }), "Held")
  assert.isNull(held.hold.expiresAtMs)
  const short = yield* take(Sample.holdRequest(buyer, 1n, { lifeMs: 1 }))
  yield* Trial.sweepUntilExpired(short, pass)
  assert.strictEqual((yield* Trial.hold(held.hold.id)).state, "pending")
  // A renewal holds for what its owner takes later, too, and is for those only who have a life to be put off.
  assert.deepStrictEqual(yield* Trial.outcome({ _tag: "Renew", owner, lifeMs: 400_000 }), { _tag: "Renewed", count: 1 })
  assert.isNull((yield* Trial.hold(held.hold.id)).expiresAtMs)
  const late = yield* Trial.answer(Sample.hold(buyer, 1n, { owner, lifeMs: 1 }), "Held")
  const stranger = yield* Trial.answer(Sample.hold(buyer, 1n, { lifeMs: 1 }), "Held")
  assert.isTrue((late.hold.expiresAtMs ?? 0) > (stranger.hold.expiresAtMs ?? 0) + 100_000)
  assert.strictEqual((yield* Trial.hold(late.hold.id)).expiresAtMs, late.hold.expiresAtMs)
  yield* Trial.sweepUntilExpired(stranger.hold.id, pass)
  assert.strictEqual((yield* Trial.hold(late.hold.id)).state, "pending")
  yield* Trial.stands(buyer, 100n, 6n)
})

/** Guarantee 6. @since 0.1.0 */
export const expires = (pass: Trial.Pass) => Effect.all([sweeps(pass), lasts(pass), neverBack], { discard: true })

const sweeps = Effect.fnUntraced(function* (pass: Trial.Pass) {
  const { buyer } = yield* Trial.people(100n)
  const owner = `gateway-${Sample.text()}`
  const renewed = yield* take(Sample.holdRequest(buyer, 1n, { owner, lifeMs: 1 }))
  const renewedToo = yield* take(Sample.holdRequest(buyer, 2n, { owner, lifeMs: 2 }))
  assert.deepStrictEqual(yield* Trial.outcome({ _tag: "Renew", owner, lifeMs: 400_000 }), { _tag: "Renewed", count: 2 })
  // A shorter renewal does not take back a longer one.
  assert.deepStrictEqual(yield* Trial.outcome({ _tag: "Renew", owner, lifeMs: 1 }), { _tag: "Renewed", count: 2 })
  const [context, laterContext] = [{ reason: Sample.text() }, { reason: Sample.text() }]
  const left = yield* take(Sample.holdRequest(buyer, 4n, { lifeMs: 40, context }))
  const later = yield* take(Sample.holdRequest(buyer, 8n, { lifeMs: 80, context: laterContext }))
  const long = yield* take(Sample.holdRequest(buyer, 16n))
  const before = (yield* History.attachments).length
  const swept = yield* Trial.sweepUntilExpired(later, pass)
  assert.include(swept, later)
  assert.strictEqual((yield* Trial.hold(left)).state, "expired")
  for (const id of [renewed, renewedToo, long]) assert.strictEqual((yield* Trial.hold(id)).state, "pending")
  yield* Trial.stands(buyer, 100n, 19n)
  const contexts = (yield* History.attachments)
    .slice(before)
    .filter(({ attachment }) => attachment.kind === "hold.expired")
  assert.includeDeepMembers(
    contexts.map(({ attachment }) => attachment.body),
    [context, laterContext],
  )

  yield* Trial.outcome({ _tag: "Expire", limit: 100 })
  yield* Trial.stands(buyer, 100n, 19n)
  yield* Trial.outcome({ _tag: "Void", hold: renewed, attachments: [] })
  assert.deepStrictEqual(yield* Trial.outcome({ _tag: "Renew", owner, lifeMs: 400_000 }), { _tag: "Renewed", count: 1 })
  yield* Trial.stands(buyer, 100n, 18n)

  // A sweep takes no more than it was asked for, the oldest first.
  const due = [8, 4, 6].map((lifeMs) => Sample.holdRequest(buyer, 1n, { lifeMs }))
  yield* Trial.commit(due.map((hold): Command => ({ _tag: "Hold", hold })))
  yield* pass(200)
  const order: Array<string> = []
  for (let round = 0; round < 500 && order.length < 3; round++) {
    const sweep = yield* Trial.outcome({ _tag: "Expire", limit: 1 })
    assert.isTrue(sweep._tag === "Expired" && sweep.holds.length <= 1)
    if (sweep._tag === "Expired") order.push(...sweep.holds.filter((id) => due.some((hold) => hold.id === id)))
    yield* pass(5)
  }
  assert.deepStrictEqual<ReadonlyArray<string | undefined>>(order, [due[1]?.id, due[2]?.id, due[0]?.id])
  yield* Trial.stands(buyer, 100n, 18n)
})

/** Guarantee 7. @since 0.1.0 */
export const claimed = Effect.fnUntraced(function* (pass: Trial.Pass) {
  const { buyer, provider } = yield* Trial.people(100n)
  const loss = Sample.accountId("platform")
  yield* Trial.outcome(Sample.open(loss, { kind: "platform", floor: null }))
  const claim = (hold: typeof expired, amount = 9n): Command => ({
    _tag: "Claim",
    hold,
    posting: Sample.posting(loss, provider, amount, { kind: "claim" }),
  })
  const settled = yield* take(Sample.holdRequest(buyer, 10n))
  const voided = yield* take(Sample.holdRequest(buyer, 10n))
  const expired = yield* take(Sample.holdRequest(buyer, 10n, { lifeMs: 1 }))
  yield* Trial.refuses(claim(settled), "HoldNotAvailable")
  yield* Trial.refuses(claim(Sample.holdId()), "HoldNotAvailable")
  yield* Trial.outcome({ _tag: "Settle", hold: settled, posting: Sample.posting(buyer, provider, 5n) })
  yield* Trial.outcome({ _tag: "Void", hold: voided, attachments: [] })
  yield* Trial.refuses(claim(settled), "HoldNotAvailable")
  yield* Trial.refuses(claim(voided), "HoldNotAvailable")
  yield* Trial.sweepUntilExpired(expired, pass)
  assert.isFalse((yield* Trial.hold(expired)).claimed)
  yield* Trial.refuses(
    { _tag: "Settle", hold: expired, posting: Sample.posting(buyer, provider, 5n) },
    "HoldNotAvailable",
  )
  // The buyer has its money back: a claim is not paid from there.
  const fromBuyer = Sample.posting(buyer, provider, 5n, { kind: "claim" })
  yield* Trial.refuses({ _tag: "Claim", hold: expired, posting: fromBuyer }, "InvalidCommand")
  yield* Trial.refuses(claim(expired, 11n), "InvalidCommand")
  assert.isFalse((yield* Trial.hold(expired)).claimed)
  yield* Trial.stands(provider, 5n, 0n)
  // Who is frozen takes no claims: it was not promised by a hold that is still kept.
  yield* Trial.outcome(Sample.setTerms(provider, { state: "frozen" }))
  yield* Trial.refuses(claim(expired), "AccountNotOpen")
  yield* Trial.outcome(Sample.setTerms(provider, { state: "open" }))
  const paid = claim(expired)
  const first = yield* Trial.outcome(paid)
  assert.deepStrictEqual<unknown>(yield* Trial.outcome(paid), { ...first, replayed: true })
  assert.isTrue((yield* Trial.hold(expired)).claimed)
  yield* Trial.refuses(claim(expired), "HoldNotAvailable")
  yield* Trial.refuses(
    { _tag: "Settle", hold: expired, posting: Sample.posting(buyer, provider, 5n) },
    "HoldNotAvailable",
  )
  yield* Trial.stands(buyer, 95n, 0n)
  yield* Trial.stands(provider, 14n, 0n)
  yield* Trial.stands(loss, -9n, 0n)
})
