/**
 * The proofs of a ledger's store that concern what is refused, linked or only asked about.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type { AccountId } from "../../Account.ts"
import type { HoldId } from "../../Hold.ts"
import { type Command, LedgerStore, type Linkable, type Outcome } from "../../LedgerStore.ts"
import * as Sample from "../SampleCommand.ts"
import * as History from "./History.ts"
import * as Trial from "./Trial.ts"

/** Refused alone, among others that are not. */
const refusedAlone = Effect.gen(function* () {
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
  assert.deepStrictEqual(yield* Trial.commit([]), [])
})

/** What stands of some accounts and holds, and how much history there is. */
const standing = Effect.fnUntraced(function* (ids: ReadonlyArray<AccountId>, holds: ReadonlyArray<HoldId> = []) {
  const store = yield* LedgerStore
  return {
    accounts: (yield* store.accounts(ids)).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    holds: yield* store.holds({ ids: holds }),
    entries: (yield* History.entries).length,
    attachments: (yield* History.attachments).length,
    batches: (yield* History.batches).length,
  }
})

/** All or none, each as if the ones before were made. */
const linked = Effect.gen(function* () {
  const store = yield* LedgerStore
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const newcomer = Sample.accountId("escrow")
  const held = Sample.hold(newcomer, 20n)
  const { id } = held.hold
  const attachments = [{ kind: Sample.text(), body: 1 }]
  // Each of these stands on the ones before.
  const commands: ReadonlyArray<Linkable> = [
    Sample.open(newcomer, { kind: "escrow" }),
    Sample.post(buyer, newcomer, 30n, { attachments }),
    Sample.setTerms(newcomer, { ceiling: 30n }),
    held,
    { _tag: "Draw", hold: id, posting: Sample.posting(newcomer, provider, 5n) },
    { _tag: "Settle", hold: id, posting: Sample.posting(newcomer, provider, 10n) },
    Sample.post(newcomer, provider, 15n),
    Sample.setTerms(newcomer, { state: "closed" }),
  ]
  const before = yield* standing([outside, buyer, provider])
  const unknown = Sample.posting(newcomer, provider, 1n)
  for (const [last, reason] of [
    [Sample.post(newcomer, provider, 1n), "AccountNotOpen"],
    [Sample.post(buyer, provider, 71n), "InsufficientFunds"],
    [Sample.post(buyer, Sample.accountId(), 1n), "UnknownAccount"],
    [{ _tag: "Claim", hold: id, posting: Sample.posting(outside, provider, 1n) }, "HoldNotAvailable"],
    [{ _tag: "Settle", hold: id, posting: unknown }, "HoldNotAvailable"],
  ] as const) {
    yield* Trial.refusesLink([...commands, last], commands.length, reason)
    assert.deepStrictEqual(yield* standing([outside, buyer, provider]), before)
    assert.deepStrictEqual(yield* store.accounts([newcomer]), [])
    assert.deepStrictEqual(yield* store.holds({ ids: [id] }), [])
  }
  yield* Trial.refusesLink([Sample.post(provider, buyer, 1n), ...commands], 0, "InsufficientFunds")
  yield* Trial.refuses({ _tag: "Link", commands: [] }, "InvalidCommand")
  const tooMany = Array.from({ length: 101 }, () => Sample.post(outside, buyer, 1n))
  yield* Trial.refuses({ _tag: "Link", commands: tooMany }, "InvalidCommand")
  yield* Trial.refuses({ _tag: "Link", commands: [...commands, Sample.post(buyer, provider, 0n)] }, "InvalidCommand")
  assert.deepStrictEqual(yield* standing([outside, buyer, provider]), before)

  // A group that is refused does not disturb its neighbours, and one may stand on the one before.
  const [first, failed, made, after] = yield* Trial.commit([
    Sample.post(outside, buyer, 1n),
    { _tag: "Link", commands: [Sample.post(buyer, provider, 50n), Sample.post(buyer, provider, 52n)] },
    { _tag: "Link", commands },
    { _tag: "Link", commands: [Sample.post(provider, buyer, 30n), Sample.post(buyer, outside, 101n)] },
  ])
  assert.deepStrictEqual([first, failed, after].map(Trial.reasonOf), ["Posted", "LinkRefused", "Linked"])
  if (made === undefined || Result.isFailure(made) || made.success._tag !== "Linked")
    return assert.fail("none was made")
  assert.deepStrictEqual(
    made.success.outcomes.map(({ _tag }) => _tag),
    ["Opened", "Posted", "TermsSet", "Held", "Posted", "Posted", "Posted", "TermsSet"],
  )
  const sequences = made.success.outcomes.flatMap((outcome) => (outcome._tag === "Posted" ? [outcome.sequence] : []))
  assert.deepStrictEqual(
    sequences,
    sequences.toSorted((a, b) => (a < b ? -1 : 1)),
  )
  yield* Trial.stands(buyer, 0n, 0n)
  yield* Trial.stands(provider, 0n, 0n)
  assert.include(yield* Trial.account(newcomer), { state: "closed", balance: 0n, held: 0n })
  assert.include(yield* Trial.hold(id), { state: "posted", drawn: 15n })
})

/** An outcome without times, which go on between two askings. */
const timeless = (outcome: Outcome): unknown => {
  if (outcome._tag === "Held") return { ...outcome, hold: { ...outcome.hold, expiresAtMs: null } }
  return outcome._tag === "Linked" ? outcome.outcomes.map(timeless) : outcome
}

/** What is previewed happens so, if it is sent; and not, if it is not. */
const previewed = Effect.gen(function* () {
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const [newcomer, held] = [Sample.accountId(), Sample.hold(buyer, 20n)]
  const ids = [outside, buyer, provider, newcomer]
  const { id } = held.hold
  const attachments = [{ kind: Sample.text(), body: 1 }]
  const spent = yield* Trial.posted(Sample.post(buyer, provider, 10n))
  const commands: ReadonlyArray<Extract<Command, { readonly _tag: "Preview" }>["command"]> = [
    Sample.open(newcomer),
    Sample.post(buyer, newcomer, 30n, { attachments }),
    held,
    { _tag: "Draw", hold: id, posting: Sample.posting(buyer, provider, 5n) },
    Sample.setTerms(buyer, { floor: -5n }),
    { _tag: "Link", commands: [Sample.post(newcomer, buyer, 30n), Sample.setTerms(newcomer, { state: "closed" })] },
    { _tag: "Settle", hold: id, posting: Sample.posting(buyer, provider, 10n, { attachments }) },
    { _tag: "Reverse", sequence: spent.sequence, attachments },
    { _tag: "Void", hold: id, attachments },
    Sample.post(newcomer, buyer, 1n),
    Sample.hold(buyer, 1_000n),
    { _tag: "Link", commands: [Sample.post(buyer, provider, 1n), Sample.post(buyer, provider, 1_000n)] },
    { _tag: "Claim", hold: id, posting: Sample.posting(outside, provider, 1n) },
    Sample.post(buyer, provider, 0n),
  ]
  for (const command of commands) {
    const before = yield* standing(ids, [id])
    const preview = yield* Trial.attempt({ _tag: "Preview", command })
    assert.deepStrictEqual(yield* standing(ids, [id]), before, `to preview ${command._tag} changed something`)
    const made = yield* Trial.attempt(command)
    if (Result.isFailure(made) || Result.isFailure(preview)) {
      assert.isTrue(Result.isFailure(preview) && Result.isFailure(made), command._tag)
      if (Result.isFailure(preview) && Result.isFailure(made)) {
        assert.strictEqual(preview.failure.message, made.failure.message)
      }
      continue
    }
    if (preview.success._tag !== "Previewed") return assert.fail(preview.success._tag)
    const { accounts, outcome } = preview.success.preview
    assert.deepStrictEqual(timeless(outcome), timeless(made.success))
    const byId = new Map(before.accounts.map((account) => [account.id, account]))
    for (const account of accounts) assert.deepStrictEqual(account.before, byId.get(account.after.id) ?? null)
    for (const { after } of accounts) byId.set(after.id, after)
    const { accounts: now } = yield* standing(ids)
    assert.deepStrictEqual(
      [...byId.values()].toSorted((a, b) => (a.id < b.id ? -1 : 1)),
      now,
    )
  }
  // Among others, it is decided where it stands.
  const [, preview, post] = yield* Trial.commit([
    Sample.open(Sample.accountId()),
    { _tag: "Preview", command: Sample.post(outside, buyer, 1n) },
    Sample.post(outside, buyer, 1n),
  ])
  if (preview === undefined || post === undefined) return assert.fail("no answer")
  if (Result.isFailure(preview) || Result.isFailure(post)) return assert.fail("it was refused")
  if (preview.success._tag !== "Previewed") return assert.fail(preview.success._tag)
  assert.deepStrictEqual(preview.success.preview.outcome, post.success)
})

/** Guarantee 4. @since 0.1.0 */
export const refused = Effect.all([refusedAlone, linked, previewed], { discard: true })
