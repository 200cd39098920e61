/**
 * The proof of a ledger's store that concerns holds of several accounts.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { type Asset, AssetCode } from "@guildhall/core/Asset"
import type { AccountId } from "../../Account.ts"
import { type HoldId, partsOf } from "../../Hold.ts"
import { type Command, LedgerStore } from "../../LedgerStore.ts"
import * as Sample from "../SampleCommand.ts"
import * as Trial from "./Trial.ts"

const EUR: Asset = { code: AssetCode.make("EUR"), scale: 12 }

/** A buyer with three accounts that have so much, and a provider. */
const purse = Effect.fnUntraced(function* (funds: readonly [bigint, bigint, bigint]) {
  const { outside, provider } = yield* Trial.people(0n)
  const ids = [Sample.accountId(), Sample.accountId(), Sample.accountId()] as const
  for (const [at, id] of ids.entries()) {
    yield* Trial.outcome(Sample.open(id))
    const amount = funds[at] ?? 0n
    if (amount > 0n) yield* Trial.outcome(Sample.post(outside, id, amount, { kind: "topUp" }))
  }
  return { outside, provider, ids }
})

/** What is held of each of the accounts. */
const heldOf = (ids: ReadonlyArray<AccountId>) =>
  Effect.forEach(ids, (id) => Effect.map(Trial.account(id), ({ held }) => held))

const partsIn = (id: HoldId) =>
  Effect.map(Trial.hold(id), (hold) => partsOf(hold).map(({ account, amount, drawn }) => [account, amount, drawn]))

const paying = (tag: "Draw" | "Settle", hold: HoldId, legs: ReadonlyArray<readonly [AccountId, bigint]>): Command => ({
  _tag: tag,
  hold,
  posting: Sample.postingOf(legs),
})

const takesInOrder = Effect.gen(function* () {
  const { ids, provider } = yield* purse([10n, 20n, 30n])
  const [first, second, third] = ids
  const gone = Sample.accountId()
  // The first one alone, where it has enough: then it is a hold like any other.
  const alone = Sample.hold(first, 10n, { further: [second, third] })
  const { preview } = yield* Trial.answer({ _tag: "Preview", command: alone }, "Previewed")
  assert.deepStrictEqual(
    preview.accounts.map(({ after }) => after.id),
    [first],
  )
  assert.deepInclude(yield* Trial.answer(alone, "Held"), { available: 50n, replayed: false })
  assert.notProperty(yield* Trial.hold(alone.hold.id), "parts")
  yield* Trial.outcome({ _tag: "Void", hold: alone.hold.id, attachments: [] })

  const taken = Sample.hold(first, 35n, { further: [gone, second, third] })
  const { id } = taken.hold
  const held = yield* Trial.answer(taken, "Held")
  assert.deepInclude(held, { available: 25n, replayed: false })
  assert.include(held.hold, { account: first, amount: 35n, drawn: 0n })
  const parts = [
    [first, 10n, 0n],
    [second, 20n, 0n],
    [third, 5n, 0n],
  ] as const
  assert.deepStrictEqual<unknown>(yield* partsIn(id), parts)
  assert.deepStrictEqual(yield* heldOf(ids), [10n, 20n, 5n])
  const again = yield* Trial.answer(taken, "Held")
  assert.deepStrictEqual(again, { ...held, hold: { ...again.hold }, replayed: true })
  assert.deepStrictEqual<unknown>({ ...again.hold, expiresAtMs: 0 }, { ...held.hold, expiresAtMs: 0 })
  // Accounts that it is not of may come and go; those that it is of may not.
  yield* Trial.answer({ ...taken, hold: { ...taken.hold, further: [third, second] } }, "Held")
  yield* Trial.refuses({ ...taken, hold: { ...taken.hold, further: [second] } }, "Conflict")
  yield* Trial.refuses({ ...taken, hold: { ...taken.hold, amount: 36n } }, "Conflict")

  // All or nothing.
  yield* Trial.refuses(Sample.hold(first, 26n, { further: [second, third] }), "InsufficientFunds")
  yield* Trial.refuses(Sample.hold(gone, 1n, { further: [Sample.accountId()] }), "UnknownAccount")
  yield* Trial.refuses(Sample.hold(first, 1n, { further: [second, first] }), "InvalidCommand")
  yield* Trial.refuses(
    Sample.hold(first, 1n, { further: Array.from({ length: 16 }, () => Sample.accountId()) }),
    "InvalidCommand",
  )
  assert.deepStrictEqual(yield* heldOf(ids), [10n, 20n, 5n])

  // A posting takes of each account at most what its part keeps.
  yield* Trial.refuses(
    paying("Settle", id, [
      [third, -6n],
      [provider, 6n],
    ]),
    "InvalidCommand",
  )
  yield* Trial.refuses(
    paying("Draw", id, [
      [first, -5n],
      [second, 1n],
      [provider, 4n],
    ]),
    "InvalidCommand",
  )
  yield* Trial.outcome(
    paying("Draw", id, [
      [first, -10n],
      [second, -3n],
      [provider, 13n],
    ]),
  )
  assert.deepStrictEqual(yield* heldOf(ids), [0n, 17n, 5n])
  assert.include(yield* Trial.hold(id), { amount: 35n, drawn: 13n })
  yield* Trial.refuses(
    paying("Draw", id, [
      [first, -1n],
      [provider, 1n],
    ]),
    "InvalidCommand",
  )
  yield* Trial.outcome(
    paying("Settle", id, [
      [second, -17n],
      [third, -1n],
      [provider, 18n],
    ]),
  )
  assert.deepStrictEqual<unknown>(yield* partsIn(id), [
    [first, 10n, 10n],
    [second, 20n, 20n],
    [third, 5n, 1n],
  ])
  assert.include(yield* Trial.hold(id), { state: "posted", amount: 35n, drawn: 31n })
  yield* Trial.stands(third, 29n, 0n)
  yield* Trial.stands(provider, 31n, 0n)
  assert.deepStrictEqual(yield* heldOf(ids), [0n, 0n, 0n])
})

/** What becomes of it becomes of all its parts. */
const endsWhole = Effect.fnUntraced(function* (pass: Trial.Pass) {
  const { ids, outside, provider } = yield* purse([10n, 20n, 30n])
  const [first, ...further] = ids
  const voided = Sample.hold(first, 40n, { further })
  yield* Trial.outcome(voided)
  yield* Trial.outcome({ _tag: "Void", hold: voided.hold.id, attachments: [] })
  assert.deepStrictEqual(yield* heldOf(ids), [0n, 0n, 0n])
  const context = { reason: Sample.text() }
  const late = Sample.hold(first, 40n, { further, lifeMs: 1, context })
  const { id } = late.hold
  yield* Trial.outcome(late)
  yield* Trial.outcome(
    paying("Draw", id, [
      [first, -4n],
      [provider, 4n],
    ]),
  )
  yield* Trial.sweepUntilExpired(id, pass)
  assert.deepStrictEqual(yield* heldOf(ids), [0n, 0n, 0n])
  const claim = (from: AccountId, amount: bigint): Command => ({
    _tag: "Claim",
    hold: id,
    posting: Sample.posting(from, provider, amount, { kind: "claim" }),
  })
  for (const own of ids) yield* Trial.refuses(claim(own, 1n), "InvalidCommand")
  yield* Trial.refuses(claim(outside, 37n), "InvalidCommand")
  yield* Trial.outcome(claim(outside, 36n))
})

/** It grows in the order of the accounts that are named, whichever it began with. */
const growsOn = Effect.gen(function* () {
  const { ids, outside, provider } = yield* purse([0n, 20n, 30n])
  const [first, second, third] = ids
  const taken = Sample.hold(first, 15n, { further: [second, third] })
  const { id } = taken.hold
  yield* Trial.outcome(taken)
  const grow = (amount: bigint, sources?: ReadonlyArray<AccountId>): Command => ({
    _tag: "Grow",
    hold: id,
    amount,
    ...(sources === undefined ? {} : { sources }),
  })
  // Of itself it stays where it is.
  yield* Trial.refuses(grow(21n), "InsufficientFunds")
  const more = yield* Trial.answer(grow(25n, ids), "Grown")
  assert.deepInclude(more, { amount: 25n, available: 25n, replayed: false })
  assert.deepStrictEqual(yield* heldOf(ids), [0n, 20n, 5n])
  // Money that came to the first one is spent first.
  yield* Trial.outcome(Sample.post(outside, first, 8n, { kind: "topUp" }))
  const grown = yield* Trial.answer(grow(35n, ids), "Grown")
  assert.deepStrictEqual(
    grown.parts.map(({ account, amount }) => [account, amount]),
    [
      [first, 8n],
      [second, 20n],
      [third, 7n],
    ],
  )
  assert.deepStrictEqual<unknown>(yield* partsIn(id), [
    [first, 8n, 0n],
    [second, 20n, 0n],
    [third, 7n, 0n],
  ])
  assert.deepStrictEqual((yield* Trial.answer(grow(30n, ids), "Grown")).parts, grown.parts)
  yield* Trial.refuses(grow(59n, ids), "InsufficientFunds")
  assert.isTrue((yield* Trial.answer(taken, "Held")).replayed)
  yield* Trial.outcome(
    paying("Settle", id, [
      [first, -8n],
      [second, -20n],
      [third, -7n],
      [provider, 35n],
    ]),
  )
  assert.deepStrictEqual(yield* heldOf(ids), [0n, 0n, 0n])
})

/** A frozen account refuses for all; a closed one covers nothing; assets are not added up. */
const states = Effect.gen(function* () {
  const { ids, provider } = yield* purse([10n, 20n, 0n])
  const [first, second, third] = ids
  yield* Trial.outcome(Sample.setTerms(third, { state: "closed" }))
  yield* Trial.refuses(Sample.hold(third, 1n), "AccountNotOpen")
  const taken = Sample.hold(third, 15n, { further: [first, second] })
  yield* Trial.outcome(taken)
  const euro = Sample.accountId()
  yield* Trial.outcome(Sample.open(euro, { asset: EUR }))
  yield* Trial.refuses(Sample.hold(first, 1n, { further: [euro] }), "InvalidCommand")
  yield* Trial.refuses({ _tag: "Grow", hold: taken.hold.id, amount: 16n, sources: [euro] }, "InsufficientFunds")
  yield* Trial.outcome(Sample.setTerms(first, { state: "frozen" }))
  yield* Trial.refuses(Sample.hold(second, 1n, { further: [first] }), "AccountNotOpen")
  yield* Trial.refuses({ _tag: "Grow", hold: taken.hold.id, amount: 16n, sources: [second, first] }, "AccountNotOpen")
  // What it promised it gives.
  yield* Trial.outcome(
    paying("Settle", taken.hold.id, [
      [first, -10n],
      [second, -5n],
      [provider, 15n],
    ]),
  )
})

/** Many at once never take more than there is. */
const together = Effect.gen(function* () {
  const store = yield* LedgerStore
  const { ids } = yield* purse([10n, 20n, 30n])
  const [first, ...further] = ids
  const answers = yield* Effect.all(
    Array.from({ length: 20 }, () => store.commit([Sample.hold(first, 7n, { further })])),
    { concurrency: "unbounded" },
  )
  assert.lengthOf(
    answers.flat().filter((answer) => Trial.reasonOf(answer) === "Held"),
    8,
  )
  assert.deepStrictEqual(yield* heldOf(ids), [10n, 20n, 26n])
})

/** Guarantee 16. @since 0.1.0 */
export const several = (pass: Trial.Pass) =>
  Effect.all([takesInOrder, endsWhole(pass), growsOn, states, together], { discard: true })
