/**
 * A member's own accounts.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import * as Account from "@guildhall/ledger/Account"
import { Ledger } from "@guildhall/ledger/Ledger"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Market } from "../Market.ts"
import * as AccountViews from "./internal/AccountViews.ts"
import * as Problems from "./internal/Problems.ts"

/**
 * The handlers. A buyer's key sees what can be spent; a provider's or an operator's also what was earned, by source.
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
    const view = AccountViews.account(definition)
    return handlers.handleAll({
      get: Effect.fn("BalanceRoutes.get")(function* () {
        const { memberId, role } = yield* Caller
        const spending = Account.ids.buyer(memberId)
        // Sources of earnings are not listed anywhere but in the accounts themselves.
        const accounts = yield* role === "buyer" ? ledger.accounts([spending]) : ledger.accounts()
        const own = accounts.filter(
          ({ id, kind }) => id === spending || (kind !== "buyer" && id.endsWith(`:${memberId}`)),
        )
        return { member: memberId, accounts: own.map(view) }
      }, Problems.answer),
    })
  }),
)
