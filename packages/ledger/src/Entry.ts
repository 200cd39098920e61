/**
 * What history holds: one numbered entry for each posting, and for each act that changes what postings may do.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Struct from "effect/Struct"
import { Asset, AssetCode } from "@guildhall/core/Asset"
import { Amount } from "@guildhall/core/Money"
import { AccountId, AccountKind, Terms } from "./Account.ts"
import { HoldId } from "./Hold.ts"
import { PayoutRange } from "./PayoutRange.ts"
import type { Posting } from "./Posting.ts"

/**
 * The balances of all accounts at the end of a period, as one figure that anyone can compute again: the Merkle root over
 * them, how many accounts there are, and for each asset the sum of all that is not negative.
 *
 * @category models
 * @since 0.1.0
 */
export const TrialBalance = Schema.Struct({
  root: Schema.String,
  accounts: Schema.Int,
  totals: Schema.Array(Schema.Struct({ asset: AssetCode, debits: Amount, credits: Amount })),
})
/** @since 0.1.0 */
export type TrialBalance = typeof TrialBalance.Type

/**
 * What changes the books without moving money.
 *
 * - `Opened`: an account was opened. `TermsSet`: its floor, ceiling or state was changed.
 * - `PeriodClosed`: nothing may count before `endMs` any more. `PeriodSealed`: the trial balance of that moment.
 * - `PayoutBegun`: a range of a payable account was taken to be paid out. `PayoutVoided`: it was proven not to be paid.
 *
 * @category models
 * @since 0.1.0
 */
export const Act = Schema.TaggedUnion({
  Opened: { account: AccountId, kind: AccountKind, asset: Asset, ...Terms.fields },
  TermsSet: { account: AccountId, ...Terms.fields },
  PeriodClosed: { endMs: Schema.Int },
  PeriodSealed: { endMs: Schema.Int, trialBalance: TrialBalance },
  PayoutBegun: Struct.omit(PayoutRange.fields, ["state"]),
  PayoutVoided: { hold: HoldId },
})
/** @since 0.1.0 */
export type Act = typeof Act.Type

/**
 * A posting as history keeps it. `balances` are the accounts' balances right after it, leg by leg. Its attachments are
 * not repeated here. `effectiveAtMs` is `postedAtMs`, or earlier where it was back-dated.
 *
 * @category models
 * @since 0.1.0
 */
export interface Posted {
  readonly _tag: "Posted"
  readonly sequence: bigint
  readonly fingerprint: string
  readonly posting: Posting
  readonly hold: HoldId | null
  readonly balances: ReadonlyArray<bigint>
  readonly postedAtMs: number
  readonly effectiveAtMs: number
}

/**
 * An act as history keeps it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Acted {
  readonly _tag: "Acted"
  readonly sequence: bigint
  readonly idempotencyKey: string
  readonly fingerprint: string
  readonly act: Act
  readonly postedAtMs: number
}

/**
 * An entry of history. Sequence numbers begin at 1 and have no gaps.
 *
 * @category models
 * @since 0.1.0
 */
export type Entry = Posted | Acted

/**
 * The key by which an entry was asked for.
 *
 * @category getters
 * @since 0.1.0
 */
export const keyOf = (entry: Entry): string =>
  entry._tag === "Posted" ? entry.posting.idempotencyKey : entry.idempotencyKey
