/**
 * One balance in one asset. A member has several: what it spends, what it earned, what is about to be paid out.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AssetCode } from "@guildhall/core/Asset"
import type { MemberId } from "@guildhall/core/Member"
import { Amount } from "@guildhall/core/Money"

/**
 * The id of an account: words joined by `:`, such as `buyer:mem_1` or `platform:loss`.
 *
 * @category models
 * @since 0.1.0
 */
export const AccountId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[a-z]+(:[A-Za-z0-9_.-]{1,80}){1,3}$/)),
  Schema.brand("AccountId"),
)
/** @since 0.1.0 */
export type AccountId = typeof AccountId.Type

/**
 * What an account is for. `external` is the world outside: its balance is minus what came in.
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
  "external",
])
/** @since 0.1.0 */
export type AccountKind = typeof AccountKind.Type

/**
 * An account. `balance` is what was posted to it, `held` what its pending holds may still take, and
 * `balance - held` never falls below `floor`; a floor of `null` means no limit. A credit line of 5 is a floor of -5.
 * Amounts are in the asset's smallest unit.
 *
 * @category models
 * @since 0.1.0
 */
export const Account = Schema.Struct({
  id: AccountId,
  kind: AccountKind,
  asset: AssetCode,
  floor: Schema.NullOr(Amount),
  state: Schema.Literals(["open", "frozen", "closed"]),
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
  /** What a member can spend. */
  buyer: (member: MemberId): AccountId => AccountId.make(`buyer:${member}`),
  /** What a member earned, by the source of the money, before it may be paid out. */
  accrual: (source: string, member: MemberId): AccountId => AccountId.make(`accrual:${source}:${member}`),
  /** The platform's share of charges. */
  platformFees: AccountId.make("platform:fees"),
  /** What the platform pays for its own crashes. Alarmed when it moves. */
  platformLoss: AccountId.make("platform:loss"),
  /** The other side of money that enters or leaves by a rail. */
  external: (rail: string): AccountId => AccountId.make(`external:${rail}`),
} as const
