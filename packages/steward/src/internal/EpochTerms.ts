import * as Schema from "effect/Schema"
import type * as Effect from "effect/Effect"
import * as Address from "@guildhall/chain/Address"
import type { ChainError } from "@guildhall/chain/ChainError"
import type { Settlement } from "@guildhall/chain/Settlement"
import { Beginning, type Of, type SettlementRecord } from "@guildhall/chain/SettlementRecord"
import { Asset } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { NonNegativeAmount } from "@guildhall/core/Money"
import type { AccountId } from "@guildhall/ledger/Account"
import type { Ledger } from "@guildhall/ledger/Ledger"
import type { LedgerStore } from "@guildhall/ledger/LedgerStore"

/** The rail of these payouts: the last word but one of `payable:Settlement:<member>`, and of `external:Settlement`. */
export const RAIL = "Settlement"

/**
 * What an epoch begins with, and keeps to its end. `untilMs` says for each source before when what was earned is safe; `boostCap` is
 * null where tiers multiply nothing.
 */
export const Order = Schema.Struct({
  beginning: Beginning,
  asset: Asset,
  untilMs: Schema.Record(Schema.String, Schema.Int),
  minimum: NonNegativeAmount,
  boostCap: Schema.NullOr(NonNegativeAmount),
  by: Address.Address,
  firstWaitMs: Schema.Int,
  longestWaitMs: Schema.Int,
  finalityMs: Schema.Int,
})
export type Order = typeof Order.Type

/** What the steps need of the process that makes them. */
export interface Desk {
  readonly ledger: Ledger["Service"]
  readonly store: LedgerStore["Service"]
  readonly record: SettlementRecord["Service"]
  readonly settlement: Settlement["Service"]
  /** The wallets of those members that have one. */
  readonly wallets: (
    members: ReadonlyArray<MemberId>,
  ) => Effect.Effect<ReadonlyMap<MemberId, Address.Address>, { readonly message: string }>
  /** What tiers multiplied these accounts' earnings by at a second that is over, in basis points; 10,000 is once. */
  readonly multipliers: (
    accounts: ReadonlyArray<Address.Address>,
    atS: number,
  ) => Effect.Effect<ReadonlyMap<Address.Address, number>, ChainError>
}

/** The epoch's name in the books: no other rail's epoch has it, and none of another chain, contract or token. */
export const nameOf = ({ chainId, contract, epoch, token }: Of): string =>
  [RAIL, chainId, contract.slice(2, 14), token.slice(2, 14), epoch].join("-")

/** The member at the end of an account's id. */
export const memberOf = (id: AccountId): MemberId => MemberId.make(id.slice(id.lastIndexOf(":") + 1))
