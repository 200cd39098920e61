/**
 * PORT. Where the ledger's history lives: one book of it. The rules are in `Book`, pure and shared by every store: a store
 * only gives them what they need, keeps what they decide, and does so atomically and durably.
 *
 * Guarantees, each proved by `LedgerStoreTest.suite`:
 *
 * 1. A command with a key that was used before gives the first outcome again if it is the same command, and a `Conflict` if not.
 * 2. A posting moves all its legs or none, and only if they sum to zero for each asset.
 * 3. An account's balance less its pending holds never falls below its floor, nor its balance above its ceiling, however many commands run at once.
 * 4. A refused command, or one that is only previewed, leaves nothing behind and does not disturb the others of its batch; linked commands are made all or none.
 * 5. A hold leaves `pending` once: it is posted, in one or several steps up to its amount, and the rest is free again, or voided, or expired.
 * 6. Expiry follows the store's own clock, which never goes back; renewal by the owner puts it off; an expired hold releases its amount once.
 * 7. A claim is paid only after its hold expired, and at most once; a settlement after expiry is refused.
 * 8. What `commit` answered is durable, and is read back by `accounts`, `holds`, `balances` and `history`.
 * 9. Entries carry gapless sequence numbers in the order of their effect; recomputing every balance from them gives the balances.
 * 10. Attachments are stored with their command or not at all, in the same order.
 * 11. A snapshot shows one moment: what is committed while it is read does not appear in it.
 * 12. Each batch's record carries the chain's head and the Merkle root over all entries up to it, as `Chain` computes them.
 * 13. Nothing counts in a closed period, and the balances of any sequence or time stay as they were.
 * 14. Payout ranges of an account have no gaps and do not overlap.
 * 15. A pending hold grows to what is asked or stays as it is, and asking again changes nothing; what it grew to can be drawn and settled.
 * 16. A hold of several accounts takes of each what it has, in their order, all or nothing; each part is posted, voided and expired with it.
 *
 * Two postings are the same if kind, legs, links, rate and effective time are; two holds, if amount, owner and definition
 * are, and the accounts that the first was taken of are among those that the second names.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type { Asset } from "@guildhall/core/Asset"
import type { Account, AccountId, AccountKind, Terms } from "./Account.ts"
import type { Batch, Node } from "./Chain.ts"
import type { Entry, TrialBalance } from "./Entry.ts"
import type { Hold, HoldId, HoldRequest, Part } from "./Hold.ts"
import type { LedgerError } from "./LedgerError.ts"
import type { PayoutRange } from "./PayoutRange.ts"
import type { Attachment, Posting } from "./Posting.ts"

/**
 * A command that may be linked with others.
 *
 * - `Open`: open an account; opening it again with the same kind, asset, floor and ceiling changes nothing.
 * - `SetTerms`: change an account's floor, ceiling and state, to what its balance already allows.
 * - `Post`: make a posting.
 * - `Hold`: take a hold, of one account or of several in their order.
 * - `Grow`: let a pending hold be of at least `amount`, all that was drawn of it included; what is missing is held of
 *   `sources` in their order, or of the accounts that it is on. Nothing, where it is of as much already.
 * - `Draw`: post a part of a hold, which keeps the rest.
 * - `Settle`: post a hold. The posting takes at most what the hold still keeps from the hold's account; the rest is free.
 * - `Void`: give back what a pending hold still keeps.
 * - `Claim`: make a posting for a hold that expired, once, up to what it kept.
 * - `Reverse`: take a posting back by one with the opposite legs, once.
 *
 * @category models
 * @since 0.1.0
 */
export type Linkable =
  | {
      readonly _tag: "Open"
      readonly id: AccountId
      readonly kind: AccountKind
      readonly asset: Asset
      readonly floor: bigint | null
      readonly ceiling: bigint | null
    }
  | {
      readonly _tag: "SetTerms"
      readonly idempotencyKey: string
      readonly account: AccountId
      readonly terms: Terms
    }
  | { readonly _tag: "Post"; readonly posting: Posting }
  | { readonly _tag: "Hold"; readonly hold: HoldRequest }
  | {
      readonly _tag: "Grow"
      readonly hold: HoldId
      readonly amount: bigint
      readonly sources?: ReadonlyArray<AccountId>
    }
  | { readonly _tag: "Draw"; readonly hold: HoldId; readonly posting: Posting }
  | { readonly _tag: "Settle"; readonly hold: HoldId; readonly posting: Posting }
  | { readonly _tag: "Void"; readonly hold: HoldId; readonly attachments: ReadonlyArray<Attachment> }
  | { readonly _tag: "Claim"; readonly hold: HoldId; readonly posting: Posting }
  | { readonly _tag: "Reverse"; readonly sequence: bigint; readonly attachments: ReadonlyArray<Attachment> }

/**
 * What a store can be asked to do: one of the linkable commands, or
 *
 * - `Link`: make all of these, each as if the ones before were made, or none.
 * - `Renew`: put off the expiry of every pending hold of an owner.
 * - `Expire`: expire at most `limit` holds whose time has passed, attaching each one's context under the kind `hold.expired`.
 * - `ClosePeriod`: let nothing count before `endMs` any more.
 * - `SealPeriod`: write down the trial balance of a closed period.
 * - `BeginPayout`: take the next range of a payable account and hold its amount, a multiple of `unit`, until the payout
 *   ends; nothing, where there is less than `minimum` to pay.
 * - `Preview`: decide a command, and change nothing.
 *
 * @category models
 * @since 0.1.0
 */
export type Command =
  | Linkable
  | { readonly _tag: "Link"; readonly commands: ReadonlyArray<Linkable> }
  | { readonly _tag: "Renew"; readonly owner: string; readonly lifeMs: number }
  | { readonly _tag: "Expire"; readonly limit: number }
  | { readonly _tag: "ClosePeriod"; readonly endMs: number }
  | { readonly _tag: "SealPeriod"; readonly endMs: number; readonly trialBalance: TrialBalance }
  | {
      readonly _tag: "BeginPayout"
      readonly account: AccountId
      readonly rail: string
      readonly unit: bigint
      readonly minimum: bigint
    }
  | { readonly _tag: "Preview"; readonly command: Linkable | Extract<Command, { readonly _tag: "Link" }> }

/**
 * What a command would lead to: the outcome, and each account that would change, before and after.
 *
 * @category models
 * @since 0.1.0
 */
export interface Preview {
  readonly outcome: Outcome
  readonly accounts: ReadonlyArray<{ readonly before: Account | null; readonly after: Account }>
}

/**
 * What a command led to. `replayed` says that the key was known and nothing new happened. `available` is what the accounts
 * that were named have left together.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome =
  | { readonly _tag: "Opened"; readonly account: Account; readonly replayed: boolean }
  | { readonly _tag: "TermsSet"; readonly account: Account; readonly replayed: boolean }
  | { readonly _tag: "Posted"; readonly sequence: bigint; readonly replayed: boolean }
  | { readonly _tag: "Held"; readonly hold: Hold; readonly available: bigint; readonly replayed: boolean }
  | {
      readonly _tag: "Grown"
      readonly amount: bigint
      readonly parts: readonly [Part, ...ReadonlyArray<Part>]
      readonly available: bigint
      readonly replayed: boolean
    }
  | { readonly _tag: "Voided"; readonly replayed: boolean }
  | { readonly _tag: "Linked"; readonly outcomes: ReadonlyArray<Outcome> }
  | { readonly _tag: "Renewed"; readonly count: number }
  | { readonly _tag: "Expired"; readonly holds: ReadonlyArray<HoldId> }
  | { readonly _tag: "PeriodClosed"; readonly endMs: number; readonly replayed: boolean }
  | { readonly _tag: "PeriodSealed"; readonly sequence: bigint; readonly replayed: boolean }
  | { readonly _tag: "PayoutBegun"; readonly payout: PayoutRange | null; readonly replayed: boolean }
  | { readonly _tag: "Previewed"; readonly preview: Preview }

/**
 * An attachment as it is read back, numbered in the order of commitment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attached {
  readonly sequence: bigint
  readonly attachment: Attachment
  readonly attachedAtMs: number
}

/**
 * What is read page by page, in order.
 *
 * - `entries`: postings and acts, by sequence.
 * - `attachments`: by their own sequence.
 * - `batches`: by their number.
 * - `nodes`: of the Merkle tree, as `Chain` numbers them.
 * - `payouts`: by the sequence at which their range ends.
 *
 * @category models
 * @since 0.1.0
 */
export interface History {
  readonly entries: Entry
  readonly attachments: Attached
  readonly batches: Batch
  readonly nodes: Node
  readonly payouts: PayoutRange
}

/**
 * Which part of a history: at most `limit` items after a number, those of one account (payouts, and the postings with a
 * leg on it) or those that were asked for under these keys (entries) only.
 *
 * @category models
 * @since 0.1.0
 */
export interface Range {
  readonly after: bigint
  readonly limit: number
  readonly account?: AccountId | undefined
  readonly keys?: ReadonlyArray<string> | undefined
}

/**
 * A moment of history: right after an entry, or before everything that counts at `beforeMs` or later.
 *
 * @category models
 * @since 0.1.0
 */
export type Moment = { readonly sequence: bigint } | { readonly beforeMs: number }

/**
 * What can be read of a store.
 *
 * @category models
 * @since 0.1.0
 */
export interface View {
  /** The accounts with these ids, those that exist, in no particular order; all accounts where no ids are given. */
  readonly accounts: (ids?: ReadonlyArray<AccountId>) => Effect.Effect<ReadonlyArray<Account>, LedgerError>
  /** The holds with these ids, those that exist, in no particular order; or all that are pending. */
  readonly holds: (
    query: { readonly ids: ReadonlyArray<HoldId> } | { readonly pending: true },
  ) => Effect.Effect<ReadonlyArray<Hold>, LedgerError>
  /** What these accounts, or all, had at a moment; those that had no posting by then are left out. */
  readonly balances: (
    at: Moment,
    ids?: ReadonlyArray<AccountId>,
  ) => Effect.Effect<ReadonlyMap<AccountId, bigint>, LedgerError>
  /** A page of a history. */
  readonly history: <Kind extends keyof History>(
    kind: Kind,
    range: Range,
  ) => Effect.Effect<ReadonlyArray<History[Kind]>, LedgerError>
}

/**
 * The port. `commit` answers each command in order: the ones that were refused with their reason, the others with
 * their outcome; it fails as a whole only with `Unavailable`. `snapshot` reads one moment of the books, however many
 * commands run meanwhile: for whoever adds things up. Inside it only the view is read, and nothing is committed.
 *
 * @category services
 * @since 0.1.0
 */
export class LedgerStore extends Context.Service<
  LedgerStore,
  View & {
    readonly commit: (
      commands: ReadonlyArray<Command>,
    ) => Effect.Effect<ReadonlyArray<Result.Result<Outcome, LedgerError>>, LedgerError>
    readonly snapshot: <A, E, R>(read: (view: View) => Effect.Effect<A, E, R>) => Effect.Effect<A, E | LedgerError, R>
  }
>()("@guildhall/ledger/LedgerStore") {}
