/**
 * The proofs of a ledger's store that concern postings and batches.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { AssetCode } from "@guildhall/core/Asset"
import type { AccountId } from "../../Account.ts"
import { type Command, LedgerStore } from "../../LedgerStore.ts"
import * as Sample from "../SampleCommand.ts"
import * as History from "./History.ts"
import * as Trial from "./Trial.ts"

/** Guarantee 1. @since 0.1.0 */
export const idempotent = Effect.gen(function* () {
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const again = yield* Trial.outcome(Sample.open(buyer))
  assert.isTrue(again._tag === "Opened" && again.replayed && again.account.balance === 100n)
  yield* Trial.refuses(Sample.open(buyer, { floor: -5n }), "Conflict")
  yield* Trial.refuses(Sample.open(buyer, { kind: "pool" }), "Conflict")
  yield* Trial.refuses(Sample.open(buyer, { asset: AssetCode.make("EUR") }), "Conflict")

  const topUp = Sample.post(outside, buyer, 10n, { idempotencyKey: Sample.text(), kind: "topUp" })
  const first = yield* Trial.outcome(topUp)
  const second = yield* Trial.outcome(topUp)
  assert.isTrue(first._tag === "Posted" && !first.replayed)
  assert.deepStrictEqual<unknown>(second, { ...first, replayed: true })
  if (topUp._tag !== "Post") return
  const { idempotencyKey } = topUp.posting
  yield* Trial.refuses(Sample.post(outside, buyer, 11n, { idempotencyKey, kind: "topUp" }), "Conflict")
  yield* Trial.refuses(Sample.post(outside, provider, 10n, { idempotencyKey, kind: "topUp" }), "Conflict")
  yield* Trial.refuses(Sample.post(outside, buyer, 10n, { idempotencyKey, kind: "grant" }), "Conflict")
  yield* Trial.stands(buyer, 110n, 0n)

  const request = Sample.holdRequest(buyer, 40n)
  const held = yield* Trial.outcome({ _tag: "Hold", hold: request })
  const heldAgain = yield* Trial.outcome({ _tag: "Hold", hold: request })
  assert.isTrue(held._tag === "Held" && !held.replayed && held.available === 70n)
  assert.deepStrictEqual<unknown>(heldAgain, { ...held, replayed: true })
  yield* Trial.refuses({ _tag: "Hold", hold: { ...request, amount: 41n } }, "Conflict")
  yield* Trial.stands(buyer, 110n, 40n)

  const posting = Sample.posting(buyer, provider, 30n)
  const settled = yield* Trial.outcome({ _tag: "Settle", hold: request.id, posting })
  const settledAgain = yield* Trial.outcome({ _tag: "Settle", hold: request.id, posting })
  assert.isTrue(settled._tag === "Posted" && !settled.replayed)
  assert.deepStrictEqual<unknown>(settledAgain, { ...settled, replayed: true })
  const dearer = Sample.posting(buyer, provider, 31n, { idempotencyKey: posting.idempotencyKey })
  yield* Trial.refuses({ _tag: "Settle", hold: request.id, posting: dearer }, "Conflict")
  yield* Trial.refuses({ _tag: "Post", posting }, "Conflict")
  yield* Trial.stands(buyer, 80n, 0n)

  const voided: Command = { _tag: "Void", hold: Sample.holdId(), attachments: [] }
  yield* Trial.outcome({ _tag: "Hold", hold: Sample.holdRequest(buyer, 5n, { id: voided.hold }) })
  assert.deepStrictEqual(yield* Trial.outcome(voided), { _tag: "Voided", replayed: false })
  assert.deepStrictEqual(yield* Trial.outcome(voided), { _tag: "Voided", replayed: true })
  yield* Trial.stands(buyer, 80n, 0n)

  // The same key twice within one batch is no different from the same key in two.
  const twice = Sample.post(outside, buyer, 1n)
  const [one, other] = yield* Trial.commit([twice, twice])
  assert.isTrue(one !== undefined && Result.isSuccess(one) && other !== undefined && Result.isSuccess(other))
  yield* Trial.stands(buyer, 81n, 0n)
})

/** Guarantee 2. @since 0.1.0 */
export const balanced = Effect.gen(function* () {
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const [euros, otherEuros] = [Sample.accountId(), Sample.accountId()]
  yield* Trial.outcome(Sample.open(euros, { asset: AssetCode.make("EUR"), floor: null }))
  yield* Trial.outcome(Sample.open(otherEuros, { asset: AssetCode.make("EUR"), floor: null }))
  const post = (...legs: ReadonlyArray<readonly [AccountId, bigint]>): Command => ({
    _tag: "Post",
    posting: {
      idempotencyKey: Sample.text(),
      kind: "charge",
      legs: legs.map(([account, amount]) => ({ account, amount })),
      attachments: [],
    },
  })
  yield* Trial.refuses(post([buyer, -10n], [provider, 9n]), "InvalidCommand")
  yield* Trial.refuses(post([buyer, 10n], [provider, 10n]), "InvalidCommand")
  yield* Trial.refuses(post([buyer, -10n], [euros, 10n]), "InvalidCommand")
  yield* Trial.refuses(post([buyer, -10n], [provider, 5n], [euros, 5n]), "InvalidCommand")
  yield* Trial.refuses(post([buyer, -10n], [provider, 10n], [Sample.accountId(), 0n]), "InvalidCommand")
  yield* Trial.refuses(post([buyer, -10n], [Sample.accountId(), 10n]), "UnknownAccount")
  yield* Trial.refuses(post([provider, -1n], [buyer, 1n]), "InsufficientFunds")
  yield* Trial.stands(buyer, 100n, 0n)
  yield* Trial.stands(provider, 0n, 0n)
  yield* Trial.stands(euros, 0n, 0n)
  yield* Trial.outcome(post([buyer, -10n], [provider, 6n], [outside, 4n], [euros, -3n], [otherEuros, 3n]))
  yield* Trial.stands(buyer, 90n, 0n)
  yield* Trial.stands(provider, 6n, 0n)
  yield* Trial.stands(outside, -96n, 0n)
  yield* Trial.stands(euros, -3n, 0n)
  yield* Trial.stands(otherEuros, 3n, 0n)
})

/** Guarantee 4. @since 0.1.0 */
export const refused = Effect.gen(function* () {
  const { outside, buyer, provider } = yield* Trial.people(10n)
  const attachment = { kind: Sample.text(), body: 1 }
  const [taken, tooMuch] = [Sample.holdRequest(buyer, 4n), Sample.holdRequest(buyer, 7n)]
  const idempotencyKey = Sample.text()
  // What PostgreSQL cannot keep must be refused by itself, not with the whole batch.
  const unwritable = Sample.post(outside, buyer, 10n ** 78n)
  const answers = yield* Trial.commit([
    { _tag: "Hold", hold: taken },
    { _tag: "Hold", hold: tooMuch },
    Sample.post(buyer, provider, 7n, { idempotencyKey, attachments: [attachment] }),
    unwritable,
    { _tag: "Void", hold: Sample.holdId(), attachments: [attachment] },
    { _tag: "Settle", hold: taken.id, posting: Sample.posting(buyer, provider, 5n, { attachments: [attachment] }) },
    { _tag: "Hold", hold: Sample.holdRequest(buyer, -1n) },
    Sample.post(buyer, provider, 6n),
    Sample.post(buyer, provider, 1n),
  ])
  assert.deepStrictEqual(answers.map(Trial.reasonOf), [
    "Held",
    "InsufficientFunds",
    "InsufficientFunds",
    "InvalidCommand",
    "HoldNotAvailable",
    "InvalidCommand",
    "InvalidCommand",
    "Posted",
    "InsufficientFunds",
  ])
  yield* Trial.stands(buyer, 4n, 4n)
  yield* Trial.stands(provider, 6n, 0n)
  const store = yield* LedgerStore
  assert.deepStrictEqual(yield* store.holds({ ids: [tooMuch.id] }), [])
  assert.isFalse((yield* History.attachments).some((one) => one.attachment.kind === attachment.kind))
  assert.strictEqual((yield* Trial.hold(taken.id)).state, "pending")
  // The key of a refused posting is free: the same request succeeds once there are funds.
  yield* Trial.outcome(Sample.post(outside, buyer, 10n))
  const later = yield* Trial.outcome(Sample.post(buyer, provider, 7n, { idempotencyKey }))
  assert.isTrue(later._tag === "Posted" && !later.replayed)
})
