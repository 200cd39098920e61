/**
 * PORT. Where the ledger's history lives. The rules are in `Book`, pure and shared by every store: a store only
 * gives them what they need, keeps what they decide, and does so atomically and durably.
 *
 * Guarantees, each proved by `LedgerStoreTest.suite`:
 *
 * 1. A command with a key that was used before gives the first outcome again if it is the same command, and a `Conflict` if not.
 * 2. A posting moves all its legs or none, and only if they sum to zero for each asset.
 * 3. An account's balance less its pending holds never falls below its floor, however many commands run at once.
 * 4. A refused command leaves nothing behind and does not disturb the others of its batch.
 * 5. A hold leaves `pending` once: it is posted up to its amount and the rest is free again, or voided, or expired.
 * 6. Expiry follows the store's own clock; renewal by the owner puts it off; an expired hold releases its amount once.
 * 7. A claim is paid only after its hold expired, and at most once; a settlement after expiry is refused.
 * 8. What `commit` answered is durable, and is read back by `accounts`, `holds`, `postings` and `attachments`.
 * 9. Postings carry gapless sequence numbers in the order of their effect; recomputing every balance from them gives the balances.
 * 10. Attachments are stored with their command or not at all, in the same order.
 * 11. A snapshot shows one moment: what is committed while it is read does not appear in it.
 *
 * Two postings are the same if their kind and their legs are; two holds, if account, amount, owner and definition are.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type * as Result from "effect/Result"
import type { AssetCode } from "@guildhall/core/Asset"
import type { Account, AccountId, AccountKind } from "./Account.ts"
import type { Hold, HoldId, HoldRequest } from "./Hold.ts"
import type { LedgerError } from "./LedgerError.ts"
import type { Attachment, Posting } from "./Posting.ts"

/**
 * What a store can be asked to do.
 *
 * - `Open`: open an account; opening it again with the same terms changes nothing.
 * - `Post`: make a posting.
 * - `Hold`: take a hold.
 * - `Settle`: post a hold. The posting takes at most the hold's amount from the hold's account; the rest is free again.
 * - `Void`: give a pending hold back whole.
 * - `Claim`: make a posting for a hold that expired, once.
 * - `Renew`: put off the expiry of every pending hold of an owner.
 * - `Expire`: expire at most `limit` holds whose time has passed, attaching each one's context under the kind `hold.expired`.
 *
 * @category models
 * @since 0.1.0
 */
export type Command =
  | {
      readonly _tag: "Open"
      readonly id: AccountId
      readonly kind: AccountKind
      readonly asset: AssetCode
      readonly floor: bigint | null
    }
  | { readonly _tag: "Post"; readonly posting: Posting }
  | { readonly _tag: "Hold"; readonly hold: HoldRequest }
  | { readonly _tag: "Settle"; readonly hold: HoldId; readonly posting: Posting }
  | { readonly _tag: "Void"; readonly hold: HoldId; readonly attachments: ReadonlyArray<Attachment> }
  | { readonly _tag: "Claim"; readonly hold: HoldId; readonly posting: Posting }
  | { readonly _tag: "Renew"; readonly owner: string; readonly lifeMs: number }
  | { readonly _tag: "Expire"; readonly limit: number }

/**
 * What a command led to. `replayed` says that the key was known and nothing new happened.
 *
 * @category models
 * @since 0.1.0
 */
export type Outcome =
  | { readonly _tag: "Opened"; readonly account: Account; readonly replayed: boolean }
  | { readonly _tag: "Posted"; readonly sequence: bigint; readonly replayed: boolean }
  | { readonly _tag: "Held"; readonly hold: Hold; readonly available: bigint; readonly replayed: boolean }
  | { readonly _tag: "Voided"; readonly replayed: boolean }
  | { readonly _tag: "Renewed"; readonly count: number }
  | { readonly _tag: "Expired"; readonly holds: ReadonlyArray<HoldId> }

/**
 * A posting as history keeps it. `balances` are the accounts' balances right after it, leg by leg. Its attachments are
 * not repeated here: `attachments` has them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Posted {
  readonly sequence: bigint
  readonly posting: Posting
  readonly hold: HoldId | null
  readonly balances: ReadonlyArray<bigint>
  readonly postedAtMs: number
}

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
  /** At most `limit` postings with a higher sequence than `after`, in order. */
  readonly postings: (after: bigint, limit: number) => Effect.Effect<ReadonlyArray<Posted>, LedgerError>
  /** At most `limit` attachments with a higher sequence than `after`, in order. */
  readonly attachments: (after: bigint, limit: number) => Effect.Effect<ReadonlyArray<Attached>, LedgerError>
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
