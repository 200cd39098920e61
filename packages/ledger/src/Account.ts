/**
 * One balance in one asset. A member has several: what it spends, what it earned, what is about to be paid out.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Asset, type AssetCode } from "@guildhall/core/Asset"
import type { MemberId } from "@guildhall/core/Member"
import { Amount } from "@guildhall/core/Money"

const FORM = /^[a-z]{1,20}(:[A-Za-z0-9_.-]{1,80}){1,3}$/

/**
 * The id of an account: words joined by `:`, such as `buyer:mem_1` or `platform:loss`.
 *
 * @category models
 * @since 0.1.0
 */
export const AccountId = Schema.String.pipe(Schema.check(Schema.isPattern(FORM)), Schema.brand("AccountId"))
/** @since 0.1.0 */
export type AccountId = typeof AccountId.Type

/** The same as `AccountId.make`, which takes microseconds: several of these are made for every request. */
const idOf = (text: string): AccountId => (FORM.test(text) ? (text as AccountId) : AccountId.make(text))

/**
 * What an account is for.
 *
 * - `buyer`: what a member can spend. `accrual`: what it earned, by the source of the money. `payable`: what is about to
 *   be paid out. `receivable`: what it owes, as a balance of zero or below.
 * - `platform`, `pool`, `escrow`, `insurance`: the market's own, and what it keeps for others.
 * - `external`: the world outside; its balance is minus what came in.
 * - `chain`: a mirror of what a contract on a chain owes and holds. The chain decides; the books follow.
 * - `clearing`: what left this book for another, or came from it. `exchange` and `rounding`: the two that a posting in
 *   more than one asset goes through.
 *
 * @category models
 * @since 0.1.0
 */
export const AccountKind = Schema.Literals([
  "buyer",
  "accrual",
  "payable",
  "receivable",
  "platform",
  "pool",
  "escrow",
  "insurance",
  "external",
  "chain",
  "clearing",
  "exchange",
  "rounding",
])
/** @since 0.1.0 */
export type AccountKind = typeof AccountKind.Type

/**
 * Whether an account takes part. A `frozen` one takes no new postings and holds; what an earlier hold promised it still
 * gives. A `closed` one is empty and stays so.
 *
 * @category models
 * @since 0.1.0
 */
export const AccountState = Schema.Literals(["open", "frozen", "closed"])
/** @since 0.1.0 */
export type AccountState = typeof AccountState.Type

/**
 * What may change about an account. `balance - held` never falls below `floor`, and `balance` never rises above
 * `ceiling`, whatever is held of it: what is pending may still come back. `null` means no limit; a credit line of 5 is a
 * floor of -5.
 *
 * @category models
 * @since 0.1.0
 */
export const Terms = Schema.Struct({
  floor: Schema.NullOr(Amount),
  ceiling: Schema.NullOr(Amount),
  state: AccountState,
})
/** @since 0.1.0 */
export type Terms = typeof Terms.Type

/**
 * An account. `balance` is what was posted to it, `held` what its pending holds may still take. Amounts are in the
 * asset's smallest unit.
 *
 * @category models
 * @since 0.1.0
 */
export const Account = Schema.Struct({
  id: AccountId,
  kind: AccountKind,
  asset: Asset,
  ...Terms.fields,
  balance: Amount,
  held: Amount,
})
/** @since 0.1.0 */
export type Account = typeof Account.Type

/**
 * The accounts that the market's own rules name.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ids = {
  /** What a member can spend, where all its money is of one source. */
  buyer: (member: MemberId): AccountId => idOf(`buyer:${member}`),
  /** What a member can spend of the money of one source. */
  funds: (source: string, member: MemberId): AccountId => idOf(`buyer:${source}:${member}`),
  /** What a member earned, by the source of the money, before it may be paid out. */
  accrual: (source: string, member: MemberId): AccountId => idOf(`accrual:${source}:${member}`),
  /** What a member is about to be paid by a rail. */
  payable: (rail: string, member: MemberId): AccountId => idOf(`payable:${rail}:${member}`),
  /** What a member owes the market, as a balance of zero or below; its later earnings serve it first. */
  receivable: (member: MemberId): AccountId => idOf(`receivable:${member}`),
  /** A pool that pays boosts, bounties or grants. */
  pool: (name: string): AccountId => idOf(`pool:${name}`),
  /** Money kept for a booking, a case or another agreement until it ends. */
  escrow: (agreement: string): AccountId => idOf(`escrow:${agreement}`),
  /** Where slashes go and buyers' losses are paid from. */
  insurance: idOf("insurance:pool"),
  /** What went from this book to another one, less what came from there. */
  clearing: (book: number, asset: AssetCode): AccountId => idOf(`clearing:${book}:${asset}`),
  /** The market's side of every exchange in an asset. */
  exchange: (asset: AssetCode): AccountId => idOf(`exchange:${asset}`),
  /** What exchanges into an asset rounded away. */
  rounding: (asset: AssetCode): AccountId => idOf(`rounding:${asset}`),
  /** The platform's share of charges. */
  platformFees: idOf("platform:fees"),
  /** What the platform pays for its own crashes. Alarmed when it moves. */
  platformLoss: idOf("platform:loss"),
  /** The other side of money that enters or leaves by a rail. */
  external: (rail: string): AccountId => idOf(`external:${rail}`),
  /** What a contract on a chain has in a bucket of an asset, such as `USDC.funded`. */
  chain: (chainId: number, contract: string, bucket: string): AccountId =>
    idOf(`chain:${chainId}:${contract}:${bucket}`),
} as const

/**
 * The source of the money on an account of a member, what it spends as well as what it earned, as {@link ids}`.funds` and
 * `.accrual` name it; undefined for any other.
 *
 * **Example** (By card)
 *
 * ```ts
 * import { Member } from "@guildhall/core"
 * import { Account } from "@guildhall/ledger"
 *
 * const ann = Member.MemberId.make("mem_1")
 * Account.fundingSourceOf(Account.ids.funds("card", ann)) // => "card"
 * Account.fundingSourceOf(Account.ids.accrual("credit", ann)) // => "credit"
 * Account.fundingSourceOf(Account.ids.buyer(ann)) // => undefined
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const fundingSourceOf = (id: AccountId): string | undefined => /^(?:buyer|accrual):([^:]+):[^:]+$/.exec(id)?.[1]
