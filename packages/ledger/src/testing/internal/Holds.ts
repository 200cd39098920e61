/**
 * The proofs of a ledger's store that concern holds: floors, ends, expiry and claims.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { HoldState } from "../../Hold.ts"
import { type Command, LedgerStore } from "../../LedgerStore.ts"
import * as Sample from "../SampleCommand.ts"
import * as Trial from "./Trial.ts"

/** Guarantee 3. @since 0.1.0 */
export const floors = Effect.gen(function* () {
  const store = yield* LedgerStore
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const requests = Array.from({ length: 40 }, () => Sample.holdRequest(buyer, 7n))
  const answers = yield* Effect.all(
    requests.map((hold) => store.commit([{ _tag: "Hold", hold }])),
    { concurrency: "unbounded" },
  )
  const taken = requests.filter((_, at) => answers[at]?.[0] !== undefined && Result.isSuccess(answers[at][0]))
  assert.lengthOf(taken, 14)
  yield* Trial.stands(buyer, 100n, 98n)
  // What is held cannot be spent, nor held again; what is left can.
  yield* Trial.refuses(Sample.post(buyer, provider, 3n), "InsufficientFunds")
  yield* Trial.refuses({ _tag: "Hold", hold: Sample.holdRequest(buyer, 3n) }, "InsufficientFunds")
  yield* Trial.outcome(Sample.post(buyer, provider, 2n))
  yield* Trial.outcome({ _tag: "Hold", hold: Sample.holdRequest(buyer, 0n) })
  const [first] = taken
  if (first === undefined) return
  yield* Trial.refuses(
    { _tag: "Settle", hold: first.id, posting: Sample.posting(buyer, provider, 8n) },
    "InvalidCommand",
  )
  yield* Trial.stands(buyer, 98n, 98n)

  const credit = Sample.accountId()
  yield* Trial.outcome(Sample.open(credit, { floor: -5n }))
  yield* Trial.refuses(Sample.post(credit, provider, 6n), "InsufficientFunds")
  yield* Trial.outcome(Sample.post(credit, provider, 3n))
  yield* Trial.outcome({ _tag: "Hold", hold: Sample.holdRequest(credit, 2n) })
  yield* Trial.refuses(Sample.post(credit, provider, 1n), "InsufficientFunds")
  yield* Trial.stands(credit, -3n, 2n)
  // No floor, no limit.
  yield* Trial.outcome(Sample.post(outside, provider, 10n ** 30n))
})

/** Takes a hold and answers its id. */
const take = Effect.fnUntraced(function* (hold: ReturnType<typeof Sample.holdRequest>) {
  yield* Trial.outcome({ _tag: "Hold", hold })
  return hold.id
})

/** Guarantee 5. @since 0.1.0 */
export const ends = Effect.fnUntraced(function* (pass: Trial.Pass) {
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

/** Guarantee 6. @since 0.1.0 */
export const expires = Effect.fnUntraced(function* (pass: Trial.Pass) {
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
  const attachments = LedgerStore.use((store) => store.attachments(0n, 10_000))
  const before = (yield* attachments).length
  const swept = yield* Trial.sweepUntilExpired(later, pass)
  assert.include(swept, later)
  assert.strictEqual((yield* Trial.hold(left)).state, "expired")
  for (const id of [renewed, renewedToo, long]) assert.strictEqual((yield* Trial.hold(id)).state, "pending")
  yield* Trial.stands(buyer, 100n, 19n)
  const contexts = (yield* attachments).slice(before).filter(({ attachment }) => attachment.kind === "hold.expired")
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
  yield* Trial.stands(provider, 5n, 0n)
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
