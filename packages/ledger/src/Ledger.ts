/**
 * The only writer of money. A thin service over `LedgerStore` that gathers concurrent commands into batches, so that
 * one commit to the disk serves many callers.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { AssetCode } from "@guildhall/core/Asset"
import type { Account, AccountId, AccountKind } from "./Account.ts"
import type { Hold, HoldId, HoldRequest } from "./Hold.ts"
import type { LedgerError } from "./LedgerError.ts"
import type { Attached } from "./LedgerStore.ts"
import type { Attachment, Posting } from "./Posting.ts"

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class Ledger extends Context.Service<
  Ledger,
  {
    /** Opens an account. Opening it again with the same terms changes nothing. */
    readonly open: (account: {
      readonly id: AccountId
      readonly kind: AccountKind
      readonly asset: AssetCode
      readonly floor: bigint | null
    }) => Effect.Effect<Account, LedgerError>
    /** Makes a posting, once per idempotency key. Answers its sequence number. */
    readonly post: (
      posting: Posting,
    ) => Effect.Effect<{ readonly sequence: bigint; readonly replayed: boolean }, LedgerError>
    /** Takes a hold; returns once it is durable. `available` is what the account has left. */
    readonly hold: (
      hold: HoldRequest,
    ) => Effect.Effect<{ readonly hold: Hold; readonly available: bigint }, LedgerError>
    /** Posts a hold, up to its amount; the rest is free again. */
    readonly settle: (
      hold: HoldId,
      posting: Posting,
    ) => Effect.Effect<{ readonly sequence: bigint; readonly replayed: boolean }, LedgerError>
    /** Gives a pending hold back whole. */
    readonly void: (hold: HoldId, attachments: ReadonlyArray<Attachment>) => Effect.Effect<void, LedgerError>
    /** Pays a claim for a hold that expired, once. */
    readonly claim: (
      hold: HoldId,
      posting: Posting,
    ) => Effect.Effect<{ readonly sequence: bigint; readonly replayed: boolean }, LedgerError>
    /** Puts off the expiry of every pending hold of an owner; answers how many there are. */
    readonly renew: (owner: string, lifeMs: number) => Effect.Effect<number, LedgerError>
    /** Expires holds whose time has passed; answers which. */
    readonly expire: (limit: number) => Effect.Effect<ReadonlyArray<HoldId>, LedgerError>
    /** One account, as the store has it. */
    readonly account: (id: AccountId) => Effect.Effect<Account, LedgerError>
    readonly accounts: (ids?: ReadonlyArray<AccountId>) => Effect.Effect<ReadonlyArray<Account>, LedgerError>
    readonly findHold: (id: HoldId) => Effect.Effect<Hold | undefined, LedgerError>
    readonly attachments: (after: bigint, limit: number) => Effect.Effect<ReadonlyArray<Attached>, LedgerError>
    /** The last `available` this process saw of an account, without asking the store; undefined where it saw none. */
    readonly lastAvailable: (id: AccountId) => bigint | undefined
  }
>()("@guildhall/ledger/Ledger") {}
