/**
 * What operators see, and money in.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Journal } from "@guildhall/journal/Journal"
import { Ledger } from "@guildhall/ledger/Ledger"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Devices } from "@guildhall/registry/Devices"
import { Market } from "../Market.ts"
import { TopUps } from "../TopUps.ts"
import * as AccountViews from "./internal/AccountViews.ts"
import * as Problems from "./internal/Problems.ts"
import * as RequestViews from "./internal/RequestViews.ts"

/**
 * The handlers. A top-up is noted in the journal by its posting.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "operator",
  Effect.fnUntraced(function* (handlers) {
    const { definition } = yield* Market
    const devices = yield* Devices
    const journal = yield* Journal
    const ledger = yield* Ledger
    const topUps = yield* TopUps
    const showAccount = AccountViews.account(definition)
    const showMoney = AccountViews.money(definition)
    const showRequest = RequestViews.request(definition)

    return handlers.handleAll({
      topUp: Effect.fn("OperatorRoutes.topUp")(function* ({ payload }) {
        const caller = yield* Caller
        const { account, added, replayed } = yield* topUps.start({
          ...payload,
          rail: payload.rail,
          actor: caller.memberId,
        })
        return {
          member: payload.member,
          added: showMoney(added, account.asset.code),
          account: showAccount(account),
          replayed,
        }
      }, Problems.answer),
      listAccounts: Effect.fn("OperatorRoutes.listAccounts")(function* ({ query: { after, limit } }) {
        const accounts = yield* ledger.accounts()
        const rest = accounts
          .filter(({ id }) => after === undefined || id > after)
          .sort((a, b) => (a.id < b.id ? -1 : 1))
        const data = rest.slice(0, limit).map(showAccount)
        return { data, nextAfter: rest.length > limit ? (data.at(-1)?.id ?? null) : null }
      }, Problems.answer),
      listRequests: Effect.fn("OperatorRoutes.listRequests")(function* ({ query: { before, limit, member } }) {
        const records = yield* journal.requests({ member: member ?? null, before, limit: limit + 1 })
        return RequestViews.page(showRequest, records, limit)
      }, Problems.answer),
      listInstances: Effect.fn("OperatorRoutes.listInstances")(function* () {
        const statuses = yield* devices.statuses
        const listed = yield* devices.instances
        return { data: listed.map((one) => ({ ...one, status: statuses.get(one.instance.deviceId) ?? null })) }
      }, Problems.answer),
    })
  }),
)
