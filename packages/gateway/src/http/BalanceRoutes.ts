/**
 * A member's own accounts, and where it pays to.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Ledger } from "@guildhall/ledger/Ledger"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Deposits } from "../Deposits.ts"
import * as Funds from "../Funds.ts"
import { Market } from "../Market.ts"
import * as AccountViews from "./internal/AccountViews.ts"
import * as Problems from "./internal/Problems.ts"

/**
 * The handlers. A buyer's key sees what can be spent, by source and in all; a provider's or an operator's also what was
 * earned.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "balance",
  Effect.fnUntraced(function* (handlers) {
    const { definition } = yield* Market
    const ledger = yield* Ledger
    const depositsOf = yield* Deposits
    const view = AccountViews.account(definition)
    const funds = AccountViews.funds(definition)
    return handlers.handleAll({
      get: Effect.fn("BalanceRoutes.get")(function* () {
        const { memberId, role } = yield* Caller
        const ids = Funds.sourcesOf(definition, memberId).map(({ account }) => account)
        // Sources of earnings are not listed anywhere but in the accounts themselves.
        const accounts = yield* role === "buyer" ? ledger.accounts(ids) : ledger.accounts()
        const spending = ids.flatMap((id) => accounts.find((account) => account.id === id) ?? [])
        const earned = accounts.filter(({ id, kind }) => kind !== "buyer" && id.endsWith(`:${memberId}`))
        return { member: memberId, funds: funds(spending), accounts: [...spending, ...earned].map(view) }
      }, Problems.answer),
      deposits: Effect.fn("BalanceRoutes.deposits")(function* () {
        const { memberId } = yield* Caller
        return { data: yield* depositsOf(memberId) }
      }, Problems.answer),
    })
  }),
)
