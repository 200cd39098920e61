/**
 * The proof of a ledger's store that concerns holds that grow.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { AccountId } from "../../Account.ts"
import type { HoldId } from "../../Hold.ts"
import { type Command, LedgerStore } from "../../LedgerStore.ts"
import * as Sample from "../SampleCommand.ts"
import * as Trial from "./Trial.ts"

const to = (hold: HoldId, amount: bigint, sources?: ReadonlyArray<AccountId>): Command => ({
  _tag: "Grow",
  hold,
  amount,
  ...(sources === undefined ? {} : { sources }),
})

const by = (tag: "Draw" | "Settle", hold: HoldId, from: AccountId, into: AccountId, amount: bigint): Command => ({
  _tag: tag,
  hold,
  posting: Sample.posting(from, into, amount),
})

const grows = Effect.fnUntraced(function* (pass: Trial.Pass) {
  const { buyer, provider } = yield* Trial.people(100n)
  const taken = Sample.hold(buyer, 40n)
  const { id } = taken.hold
  yield* Trial.outcome(taken)
  const first = yield* Trial.answer(to(id, 60n), "Grown")
  assert.deepInclude(first, { amount: 60n, available: 40n, replayed: false })
  yield* Trial.stands(buyer, 100n, 60n)
  // To as much again, or to less, changes nothing.
  for (const amount of [60n, 50n, 0n]) {
    const again = yield* Trial.answer(to(id, amount), "Grown")
    assert.deepStrictEqual(again, { ...first, replayed: true })
  }
  yield* Trial.refuses(to(id, 101n), "InsufficientFunds")
  yield* Trial.refuses(to(id, -1n), "InvalidCommand")
  yield* Trial.refuses(to(id, 200n, [Sample.accountId()]), "UnknownAccount")
  yield* Trial.stands(buyer, 100n, 60n)
  assert.include(yield* Trial.hold(id), { state: "pending", amount: 60n, drawn: 0n, account: buyer })
  // What was taken first is what is asked for again.
  const replayed = yield* Trial.answer(taken, "Held")
  assert.isTrue(replayed.replayed)
  assert.deepStrictEqual(replayed.hold.context, taken.hold.context)
  yield* Trial.refuses({ ...taken, hold: { ...taken.hold, amount: 60n } }, "Conflict")
  // It counts what was drawn: a hold of 60 of which 20 went is of 60.
  yield* Trial.outcome(by("Draw", id, buyer, provider, 20n))
  assert.isTrue((yield* Trial.answer(to(id, 60n), "Grown")).replayed)
  yield* Trial.outcome(to(id, 90n))
  yield* Trial.stands(buyer, 80n, 70n)
  yield* Trial.refuses(Sample.post(buyer, provider, 11n), "InsufficientFunds")
  yield* Trial.refuses(by("Settle", id, buyer, provider, 71n), "InvalidCommand")
  yield* Trial.outcome(by("Settle", id, buyer, provider, 70n))
  yield* Trial.stands(buyer, 10n, 0n)
  assert.include(yield* Trial.hold(id), { state: "posted", amount: 90n, drawn: 90n })

  const [voided, late] = [Sample.hold(buyer, 1n), Sample.hold(buyer, 1n, { lifeMs: 1 })]
  yield* Trial.commit([voided, late, to(voided.hold.id, 3n), to(late.hold.id, 4n)])
  yield* Trial.stands(buyer, 10n, 7n)
  yield* Trial.outcome({ _tag: "Void", hold: voided.hold.id, attachments: [] })
  yield* Trial.stands(buyer, 10n, 4n)
  yield* Trial.sweepUntilExpired(late.hold.id, pass)
  yield* Trial.stands(buyer, 10n, 0n)
  for (const hold of [id, voided.hold.id, late.hold.id, Sample.holdId()]) {
    yield* Trial.refuses(to(hold, 1_000n), "HoldNotAvailable")
    yield* Trial.refuses(to(hold, 1n), "HoldNotAvailable")
  }
  const loss = { posting: Sample.posting(buyer, provider, 5n, { kind: "claim" }) }
  yield* Trial.refuses({ _tag: "Claim", hold: late.hold.id, ...loss }, "InvalidCommand")
})

/** A frozen account promises no more, and keeps what it promised. */
const freezes = Effect.gen(function* () {
  const { buyer, provider } = yield* Trial.people(100n)
  const taken = Sample.hold(buyer, 40n)
  yield* Trial.outcome(taken)
  yield* Trial.outcome(Sample.setTerms(buyer, { state: "frozen" }))
  yield* Trial.refuses(to(taken.hold.id, 50n), "AccountNotOpen")
  yield* Trial.stands(buyer, 100n, 40n)
  yield* Trial.outcome(by("Settle", taken.hold.id, buyer, provider, 40n))
})

/** Several at once: each once, and as many as there is money for. */
const together = Effect.gen(function* () {
  const store = yield* LedgerStore
  const { buyer } = yield* Trial.people(100n)
  const holds = Array.from({ length: 20 }, () => Sample.hold(buyer, 1n))
  yield* Trial.commit(holds)
  const answers = yield* Effect.all(
    holds.flatMap(({ hold: { id } }) => [store.commit([to(id, 11n)]), store.commit([to(id, 11n)])]),
    { concurrency: "unbounded" },
  )
  const [grown, refused] = ["Grown", "InsufficientFunds"].map(
    (word) => answers.flat().filter((answer) => Trial.reasonOf(answer) === word).length,
  )
  assert.deepStrictEqual([grown, refused], [16, 24])
  yield* Trial.stands(buyer, 100n, 100n)
})

/** Guarantee 15. @since 0.1.0 */
export const grown = (pass: Trial.Pass) => Effect.all([grows(pass), freezes, together], { discard: true })
