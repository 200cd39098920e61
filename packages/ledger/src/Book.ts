/**
 * The rules of the ledger, shared by every store: what a command does to accounts, holds and history. Total functions of
 * plain data; the store's clock arrives as an argument.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { AssetCode } from "@guildhall/core/Asset"
import type { Account, AccountId } from "./Account.ts"
import type { Entry, Posted } from "./Entry.ts"
import type { Hold, HoldId } from "./Hold.ts"
import { InvalidCommand, LedgerError, LinkRefused } from "./LedgerError.ts"
import type { Command, Outcome } from "./LedgerStore.ts"
import type { PayoutRange } from "./PayoutRange.ts"
import type { Attachment } from "./Posting.ts"
import * as AccountRules from "./internal/AccountRules.ts"
import * as CommandForm from "./internal/CommandForm.ts"
import * as HoldRules from "./internal/HoldRules.ts"
import * as Overlay from "./internal/Overlay.ts"
import * as PayoutRules from "./internal/PayoutRules.ts"
import * as PeriodRules from "./internal/PeriodRules.ts"
import * as PostingRules from "./internal/PostingRules.ts"

/**
 * What a store must know before it applies a command: the accounts, holds, keys and payouts that the command names.
 *
 * @category models
 * @since 0.1.0
 */
export interface Pages {
  readonly account: (id: AccountId) => Account | undefined
  readonly hold: (id: HoldId) => Hold | undefined
  /** Which entry has an idempotency key: its sequence and the fingerprint of what was asked. */
  readonly key: (key: string) => { readonly fingerprint: string; readonly sequence: bigint } | undefined
  readonly posted: (sequence: bigint) => Posted | undefined
  /** How many decimals an asset has in this book; undefined for one that no account has. */
  readonly scaleOf: (asset: AssetCode) => number | undefined
  /** Until when an owner has renewed its holds, in Unix milliseconds. */
  readonly leaseOf: (owner: string) => number | undefined
  /** Pending holds that neither their own life nor their owner's lease keeps alive at `nowMs`, oldest first. */
  readonly due: (nowMs: number, limit: number) => ReadonlyArray<Hold>
  readonly pendingOf: (owner: string) => number
  /** The payout of an account whose range ends last. */
  readonly lastPayout: (account: AccountId) => PayoutRange | undefined
  readonly lastSequence: bigint
  /** Nothing may count before this time. */
  readonly closedUntilMs: number
}

/**
 * What a command changes. A store writes all of them or none.
 *
 * @category models
 * @since 0.1.0
 */
export type Change =
  | { readonly _tag: "AccountSet"; readonly account: Account }
  | { readonly _tag: "HoldSet"; readonly hold: Hold }
  | { readonly _tag: "Entered"; readonly entry: Entry }
  | { readonly _tag: "Attached"; readonly attachment: Attachment }
  | { readonly _tag: "LeaseSet"; readonly owner: string; readonly untilMs: number }
  | { readonly _tag: "PayoutSet"; readonly payout: PayoutRange }
  | { readonly _tag: "ClosedUntilSet"; readonly endMs: number }

/**
 * What a command leads to: its outcome, and what changes.
 *
 * @category models
 * @since 0.1.0
 */
export type Applied = Result.Result<{ readonly outcome: Outcome; readonly changes: ReadonlyArray<Change> }, LedgerError>

/** Each of the linked commands as if the ones before were made. */
const link = (pages: Pages, commands: ReadonlyArray<Command>, nowMs: number): Applied => {
  const sheet = Overlay.make(pages)
  const outcomes: Array<Outcome> = []
  const all: Array<Change> = []
  for (const [index, command] of commands.entries()) {
    const applied = decide(sheet, command, nowMs)
    if (Result.isFailure(applied)) {
      const { reason } = applied.failure
      // Rules refuse single commands: links are not linked, and only a store is not available.
      if (reason._tag === "LinkRefused" || reason._tag === "Unavailable") return Result.fail(applied.failure)
      return Result.fail(new LedgerError({ reason: new LinkRefused({ index, cause: reason }) }))
    }
    const { changes, outcome } = applied.success
    sheet.write(changes)
    outcomes.push(outcome)
    all.push(...changes)
  }
  return Result.succeed({ outcome: { _tag: "Linked", outcomes }, changes: all })
}

/** The command, decided as if it were sent now; each account that it would change, as it would be in the end. */
const preview = (pages: Pages, command: Command, nowMs: number): Applied =>
  Result.map(decide(pages, command, nowMs), ({ changes, outcome }) => {
    const after = new Map(
      changes.flatMap((change) => (change._tag === "AccountSet" ? [[change.account.id, change.account] as const] : [])),
    )
    const accounts = [...after.values()].map((after) => ({ before: pages.account(after.id) ?? null, after }))
    return { outcome: { _tag: "Previewed", preview: { outcome, accounts } }, changes: [] }
  })

/**
 * What is wrong with a command's form, whatever the books say: a leg of zero, an amount beyond 78 digits, a text that a
 * database cannot keep. `undefined` where nothing is. A store looks before it reads anything, so that one such command
 * does not take its batch down.
 *
 * @category rules
 * @since 0.1.0
 */
export const refusal = (command: Command): LedgerError | undefined => {
  // Who is not type-checked may send anything: what cannot even be looked at must not take its batch down.
  const looked = Result.try({
    try: () => CommandForm.problem(command),
    catch: (cause) => `it is not of the form that its type says. ${String(cause).slice(0, 200)}`,
  })
  const detail = Result.isSuccess(looked) ? looked.success : looked.failure
  return detail === undefined ? undefined : new LedgerError({ reason: new InvalidCommand({ detail }) })
}

/**
 * Decides a command whose form is right. Nothing is changed here: the answer says what would be.
 *
 * @category rules
 * @since 0.1.0
 */
export const decide = (pages: Pages, command: Command, nowMs: number): Applied => {
  switch (command._tag) {
    case "Open":
      return AccountRules.open(pages, command, nowMs)
    case "SetTerms":
      return AccountRules.setTerms(pages, command, nowMs)
    case "Post":
      return PostingRules.post(pages, command, nowMs)
    case "Reverse":
      return PostingRules.reverse(pages, command, nowMs)
    case "Hold":
      return HoldRules.take(pages, command, nowMs)
    case "Grow":
      return HoldRules.grow(pages, command)
    case "Draw":
      return HoldRules.draw(pages, command, nowMs)
    case "Settle":
      return HoldRules.settle(pages, command, nowMs)
    case "Void":
      return HoldRules.giveBack(pages, command, nowMs)
    case "Claim":
      return HoldRules.claim(pages, command, nowMs)
    case "Link":
      return link(pages, command.commands, nowMs)
    case "Renew":
      return HoldRules.renew(pages, command, nowMs)
    case "Expire":
      return HoldRules.expire(pages, command, nowMs)
    case "ClosePeriod":
      return PeriodRules.close(pages, command, nowMs)
    case "SealPeriod":
      return PeriodRules.seal(pages, command, nowMs)
    case "BeginPayout":
      return PayoutRules.begin(pages, command, nowMs)
    case "Preview":
      return preview(pages, command.command, nowMs)
  }
}

/**
 * Applies one command: {@link refusal}, then {@link decide}.
 *
 * @category rules
 * @since 0.1.0
 */
export const apply = (pages: Pages, command: Command, nowMs: number): Applied => {
  const refused = refusal(command)
  return refused === undefined ? decide(pages, command, nowMs) : Result.fail(refused)
}
