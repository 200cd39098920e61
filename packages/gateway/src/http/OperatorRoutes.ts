/**
 * What operators do.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Journal } from "@guildhall/journal/Journal"
import * as Account from "@guildhall/ledger/Account"
import { Ledger } from "@guildhall/ledger/Ledger"
import { Conflict, type LedgerError } from "@guildhall/ledger/LedgerError"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import type { KeyView } from "@guildhall/protocol/api/OperatorApi"
import { Devices } from "@guildhall/registry/Devices"
import { type ApiKey, Members } from "@guildhall/registry/Members"
import { Market } from "../Market.ts"
import { TopUps } from "../TopUps.ts"
import * as AccountViews from "./internal/AccountViews.ts"
import * as Acts from "./internal/Acts.ts"
import * as Problems from "./internal/Problems.ts"
import * as RequestViews from "./internal/RequestViews.ts"

const keyView = ({ memberId, ...key }: ApiKey): KeyView => ({ ...key, member: memberId })

/**
 * The handlers. The accesses are checked by `Access`; what is changed is noted in the journal, a top-up with its posting.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "operator",
  Effect.fnUntraced(function* (handlers) {
    const { definition } = yield* Market
    const members = yield* Members
    const devices = yield* Devices
    const journal = yield* Journal
    const ledger = yield* Ledger
    const topUps = yield* TopUps
    const note = yield* Acts.make
    const showAccount = AccountViews.account(definition)
    const showMoney = AccountViews.money(definition)
    const showRequest = RequestViews.request(definition)

    const openBuyer = (id: Account.AccountId) =>
      Effect.catch(ledger.open({ id, kind: "buyer", asset: definition.chargeAsset, floor: 0n }), (error: LedgerError) =>
        error.reason instanceof Conflict ? Effect.void : Effect.fail(error),
      )

    return handlers.handleAll({
      createMember: Effect.fn("OperatorRoutes.createMember")(function* ({ payload }) {
        const caller = yield* Caller
        const member = yield* members.create(payload)
        yield* openBuyer(Account.ids.buyer(member.id))
        yield* note(caller.memberId, "member.created", member.id)
        return member
      }, Problems.answer),
      issueKey: Effect.fn("OperatorRoutes.issueKey")(function* ({ payload: { member, ...terms } }) {
        const caller = yield* Caller
        const { key, secret } = yield* members.issueKey({ ...terms, memberId: member })
        yield* note(caller.memberId, "key.issued", key.id)
        return { ...keyView(key), secret: Redacted.value(secret) }
      }, Problems.answer),
      listKeys: Effect.fn("OperatorRoutes.listKeys")(function* ({ query }) {
        const keys = yield* members.keys(query.member)
        return { data: keys.map(keyView) }
      }, Problems.answer),
      revokeKey: Effect.fn("OperatorRoutes.revokeKey")(function* ({ params }) {
        const caller = yield* Caller
        const key = yield* members.revokeKey(params.id)
        yield* note(caller.memberId, "key.revoked", key.id)
        return keyView(key)
      }, Problems.answer),
      revokeDevice: Effect.fn("OperatorRoutes.revokeDevice")(function* ({ params }) {
        const caller = yield* Caller
        const device = yield* devices.revoke(params.id)
        yield* note(caller.memberId, "device.revoked", device.id)
        return device
      }, Problems.answer),
      topUp: Effect.fn("OperatorRoutes.topUp")(function* ({ payload }) {
        const caller = yield* Caller
        const { account, added, replayed } = yield* topUps.start({
          ...payload,
          rail: payload.rail,
          actor: caller.memberId,
        })
        return {
          member: payload.member,
          added: showMoney(added, account.asset),
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
      listInstances: Effect.fn("OperatorRoutes.listInstances")(
        () => Effect.map(devices.instances, (data) => ({ data })),
        Problems.answer,
      ),
    })
  }),
)
