/**
 * What a member has.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { MemberId } from "@guildhall/core/Member"
import { Access } from "./Access.ts"
import { DisplayMoney } from "./DisplayMoney.ts"
import { errors } from "./Problem.ts"

/**
 * An account of the ledger. `held` is what requests under way may still take; `available` is what can be spent now,
 * null where there is no limit.
 *
 * @category models
 * @since 0.1.0
 */
export const AccountView = Schema.Struct({
  id: Schema.String,
  kind: Schema.String,
  state: Schema.Literals(["open", "frozen", "closed"]),
  balance: DisplayMoney,
  held: DisplayMoney,
  available: Schema.NullOr(DisplayMoney),
})
/** @since 0.1.0 */
export type AccountView = typeof AccountView.Type

/**
 * The accounts of a member: what it can spend, and what it earned, by the source of the money.
 *
 * @category models
 * @since 0.1.0
 */
export const Balance = Schema.Struct({
  member: MemberId,
  accounts: Schema.Array(AccountView),
})
/** @since 0.1.0 */
export type Balance = typeof Balance.Type

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
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Balance") {}
