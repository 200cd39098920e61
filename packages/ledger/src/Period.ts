/**
 * Closes a period: nothing may count before its end any more, and the balances of that moment are sealed into history.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import { AssetCode } from "@guildhall/core/Asset"
import { Amount } from "@guildhall/core/Money"
import type { TrialBalance } from "./Entry.ts"
import { Ledger } from "./Ledger.ts"
import type { LedgerError } from "./LedgerError.ts"
import { LedgerStore, type View } from "./LedgerStore.ts"
import * as Trial from "./TrialBalance.ts"

/**
 * The balances of a moment do not balance, which no posting can bring about: the books were changed from outside. The
 * period stays closed and is not sealed.
 *
 * @category errors
 * @since 0.1.0
 */
export class DoesNotBalance extends Schema.TaggedError<DoesNotBalance>()("DoesNotBalance", {
  endMs: Schema.Int,
  asset: AssetCode,
  debits: Amount,
  credits: Amount,
}) {
  readonly isRetryable = false
  override get message(): string {
    return [
      `The books do not balance at ${DateTime.formatIso(DateTime.makeUnsafe(this.endMs))}: in ${this.asset} all debits are ${this.debits} and all credits ${this.credits}.`,
      "No posting can do that: the database was changed from outside, or is damaged. Nothing was sealed.",
      'Run "guildhall ledger verify" to find the first figure that differs.',
    ].join("\n  ")
  }
}

/**
 * A period that is closed and sealed: its end, in Unix milliseconds, its trial balance, and the sequence of its seal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Closed {
  readonly endMs: number
  readonly trialBalance: TrialBalance
  readonly sequence: bigint
}

/**
 * The trial balance of everything that counts before a time. Inside a snapshot, and after that time is closed, it is the
 * same whenever it is computed. Memory grows with the accounts, not with the postings.
 *
 * @category rules
 * @since 0.1.0
 */
export const trialBalance = Effect.fn("Period.trialBalance")(function* (
  view: View,
  endMs: number,
): Effect.fn.Return<TrialBalance, DoesNotBalance | LedgerError> {
  const balances = yield* view.balances({ beforeMs: endMs })
  const assets = new Map((yield* view.accounts()).map(({ id, asset }) => [id, asset.code]))
  const unknown = AssetCode.make("UNKNOWN")
  const trial = Trial.make(balances, (id) => assets.get(id) ?? unknown)
  const wrong = Trial.firstUnequal(trial)
  if (wrong !== undefined) return yield* new DoesNotBalance({ endMs, ...wrong })
  return trial
})

/**
 * Closes everything before `endMs` (Unix milliseconds), and seals its trial balance. Whoever does it again, after a crash
 * between the two steps or for no reason, gets the same answer and changes nothing. Postings go on meanwhile; one that
 * would count before the end is refused with `PeriodClosed` from the first step on.
 *
 * Fails with `InvalidCommand` where the period has not ended, or a later one is closed already.
 *
 * @category commands
 * @since 0.1.0
 */
export const close = Effect.fn("Period.close")(function* (
  endMs: number,
): Effect.fn.Return<Closed, DoesNotBalance | LedgerError, Ledger | LedgerStore> {
  const ledger = yield* Ledger
  const store = yield* LedgerStore
  yield* ledger.closePeriod(endMs)
  const trial = yield* store.snapshot((view) => trialBalance(view, endMs))
  return { endMs, trialBalance: trial, sequence: yield* ledger.sealPeriod(endMs, trial) }
})
