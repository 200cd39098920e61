/**
 * The proof of a ledger's store that concerns periods.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import type { TrialBalance } from "../../Entry.ts"
import { type Command, LedgerStore } from "../../LedgerStore.ts"
import * as Sample from "../SampleCommand.ts"
import * as Trial from "./Trial.ts"

const close = (endMs: number): Command => ({ _tag: "ClosePeriod", endMs })

/** Guarantee 13. @since 0.1.0 */
export const closed = Effect.fnUntraced(function* (pass: Trial.Pass) {
  const store = yield* LedgerStore
  yield* pass(50)
  const { outside, buyer, provider } = yield* Trial.people(100n)
  const ids = [outside, buyer, provider]
  const first = yield* Trial.posted(Sample.post(buyer, provider, 10n))
  yield* pass(50)
  const second = yield* Trial.posted(Sample.post(buyer, provider, 5n))
  yield* pass(50)
  const back = (amount: bigint, effectiveAtMs: number) => Sample.post(buyer, provider, amount, { effectiveAtMs })
  yield* Trial.outcome(back(1n, first.postedAtMs))
  const last = yield* Trial.posted(back(2n, second.postedAtMs))
  const endMs = second.postedAtMs
  const seal = (trialBalance: TrialBalance, end = endMs): Command => ({ _tag: "SealPeriod", endMs: end, trialBalance })
  const trialBalance: TrialBalance = {
    root: `${Sample.text()}${"A".repeat(27)}`,
    accounts: 3,
    totals: [{ asset: Sample.USD.code, debits: 10n ** 40n, credits: 10n ** 40n }],
  }

  yield* Trial.refuses(close(last.postedAtMs + 3_600_000), "InvalidCommand")
  yield* Trial.refuses(close(-1), "InvalidCommand")
  yield* Trial.refuses(close(0.5), "InvalidCommand")
  yield* Trial.refuses(seal(trialBalance), "InvalidCommand")
  const done = { _tag: "PeriodClosed", endMs } as const
  assert.deepStrictEqual<unknown>(yield* Trial.outcome(close(endMs)), { ...done, replayed: false })
  assert.deepStrictEqual<unknown>(yield* Trial.outcome(close(endMs)), { ...done, replayed: true })
  yield* Trial.refuses(close(endMs - 1), "InvalidCommand")

  // What counted stays; nothing comes to it; all else goes on.
  const moments = [{ beforeMs: endMs }, { beforeMs: first.postedAtMs + 1 }, { sequence: last.sequence }] as const
  const balances = Effect.forEach(moments, (moment) => store.balances(moment, ids))
  const before = yield* balances
  assert.deepStrictEqual(
    ids.map((id) => before[0]?.get(id)),
    [-100n, 89n, 11n],
  )
  for (const ms of [0, first.postedAtMs, endMs - 1]) yield* Trial.refuses(back(1n, ms), "PeriodClosed")
  const held = Sample.hold(buyer, 10n)
  yield* Trial.outcome(held)
  for (const _tag of ["Draw", "Settle"] as const) {
    const { posting } = back(1n, endMs - 1)
    yield* Trial.refuses({ _tag, hold: held.hold.id, posting }, "PeriodClosed")
  }
  yield* Trial.refusesLink([Sample.post(outside, buyer, 1n), back(1n, endMs - 1)], 1, "PeriodClosed")
  assert.strictEqual((yield* Trial.hold(held.hold.id)).state, "pending")
  yield* Trial.outcome(back(3n, endMs))
  yield* Trial.outcome(Sample.post(buyer, provider, 4n))
  // A posting of a closed period is taken back now.
  const reversal = yield* Trial.posted({ _tag: "Reverse", sequence: first.sequence, attachments: [] })
  assert.isAtLeast(reversal.effectiveAtMs, endMs)
  assert.deepStrictEqual(yield* balances, before)

  const sealed = yield* Trial.answer(seal(trialBalance), "PeriodSealed")
  assert.isFalse(sealed.replayed)
  assert.deepStrictEqual<unknown>(yield* Trial.outcome(seal(trialBalance)), { ...sealed, replayed: true })
  yield* Trial.refuses(seal({ ...trialBalance, accounts: 4 }), "Conflict")
  yield* Trial.refuses(seal(trialBalance, endMs + 1), "InvalidCommand")
  const entry = yield* Trial.entry(sealed.sequence)
  assert.deepStrictEqual<unknown>(entry._tag === "Acted" && entry.act, { _tag: "PeriodSealed", endMs, trialBalance })

  // The next period begins where this one ended; this one is sealed still, if it was not yet.
  const next = yield* Trial.posted(Sample.post(outside, buyer, 1n))
  yield* Trial.outcome(close(next.postedAtMs))
  yield* Trial.refuses(back(1n, endMs), "PeriodClosed")
  assert.deepStrictEqual<unknown>(yield* Trial.outcome(close(endMs)), { ...done, replayed: true })
  assert.deepStrictEqual<unknown>(yield* Trial.outcome(seal(trialBalance)), { ...sealed, replayed: true })
  yield* Trial.outcome(seal(trialBalance, next.postedAtMs))
  assert.deepStrictEqual(yield* balances, before)

  // Within one batch, too: who comes after the close is too late.
  yield* pass(20)
  const late = yield* Trial.posted(Sample.post(outside, buyer, 1n))
  const answers = yield* Trial.commit([
    back(1n, late.postedAtMs - 1),
    close(late.postedAtMs),
    back(1n, late.postedAtMs - 1),
    back(1n, late.postedAtMs),
    seal(trialBalance, late.postedAtMs),
  ])
  assert.deepStrictEqual(answers.map(Trial.reasonOf), [
    "Posted",
    "PeriodClosed",
    "PeriodClosed",
    "Posted",
    "PeriodSealed",
  ])
  yield* Trial.refuses(back(1n, late.postedAtMs - 1), "PeriodClosed")
})
