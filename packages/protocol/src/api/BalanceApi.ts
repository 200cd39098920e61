/**
 * What a member has.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { Access } from "./Access.ts"
import { DisplayMoney } from "./DisplayMoney.ts"
import { errors } from "./Problem.ts"

/**
 * An account of the ledger. `held` is what requests under way may still take; `available` is what can be spent now,
 * null where there is no limit. `source` is where its money comes from, on what a member spends and on what it earned.
 *
 * @category models
 * @since 0.1.0
 */
export const AccountView = Schema.Struct({
  id: Schema.String,
  kind: Schema.String,
  source: Schema.optionalKey(Schema.String),
  state: Schema.Literals(["open", "frozen", "closed"]),
  balance: DisplayMoney,
  held: DisplayMoney,
  available: Schema.NullOr(DisplayMoney),
})
/** @since 0.1.0 */
export type AccountView = typeof AccountView.Type

/**
 * What a member can spend, of all sources together. While one of its accounts is frozen, nothing is available.
 *
 * @category models
 * @since 0.1.0
 */
export const Funds = Schema.Struct({
  balance: DisplayMoney,
  held: DisplayMoney,
  available: Schema.NullOr(DisplayMoney),
})
/** @since 0.1.0 */
export type Funds = typeof Funds.Type

/**
 * The accounts of a member: what it can spend, by the source of the money in the order in which it is spent, and what it earned.
 * `funds` is all that it can spend, added up.
 *
 * @category models
 * @since 0.1.0
 */
export const Balance = Schema.Struct({
  member: MemberId,
  funds: Funds,
  accounts: Schema.Array(AccountView),
})
/** @since 0.1.0 */
export type Balance = typeof Balance.Type

/**
 * Where a member pays to by a transfer on a chain: an address of its own, for good. What arrives there of the `token`, whose amounts have
 * so many `decimals`, is credited to the account of `source` once the chain is final, whatever the amount.
 *
 * @category models
 * @since 0.1.0
 */
export const DepositAddress = Schema.Struct({
  rail: Schema.String,
  source: Schema.String,
  asset: AssetCode,
  chainId: Schema.Int,
  token: Schema.String,
  decimals: Schema.Int,
  address: Schema.String,
})
/** @since 0.1.0 */
export type DepositAddress = typeof DepositAddress.Type

/**
 * The group.
 *
 * @category groups
 * @since 0.1.0
 */
export class BalanceApi extends HttpApiGroup.make("balance")
  .add(
    HttpApiEndpoint.get("get", "/v1/balance", { success: Balance, error: errors(503) }).annotate(
      OpenApi.Summary,
      "The caller's accounts.",
    ),
    HttpApiEndpoint.get("deposits", "/v1/deposits", {
      success: Schema.Struct({ data: Schema.Array(DepositAddress) }),
      error: errors(503),
    }).annotate(OpenApi.Summary, "Where the caller tops up by a transfer on a chain."),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Balance") {}
