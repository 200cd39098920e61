/**
 * Members, their keys, and the end of a device.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { chargeAssetOf } from "@guildhall/core/MarketDefinition"
import type { AccountId } from "@guildhall/ledger/Account"
import { Ledger } from "@guildhall/ledger/Ledger"
import { Conflict, type LedgerError } from "@guildhall/ledger/LedgerError"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import type { KeyView } from "@guildhall/protocol/api/MembersApi"
import { Devices } from "@guildhall/registry/Devices"
import { type ApiKey, Members } from "@guildhall/registry/Members"
import * as Funds from "../Funds.ts"
import { Market } from "../Market.ts"
import * as Acts from "./internal/Acts.ts"
import * as Problems from "./internal/Problems.ts"

const keyView = ({ memberId, ...key }: ApiKey): KeyView => ({ ...key, member: memberId })

/**
 * The handlers. What is changed is noted in the journal, with who changed it.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "members",
  Effect.fnUntraced(function* (handlers) {
    const { definition } = yield* Market
    const members = yield* Members
    const devices = yield* Devices
    const ledger = yield* Ledger
    const note = yield* Acts.make

    const openBuyer = (id: AccountId) =>
      Effect.catch(
        ledger.open({ id, kind: "buyer", asset: chargeAssetOf(definition), floor: 0n }),
        (error: LedgerError) => (error.reason instanceof Conflict ? Effect.void : Effect.fail(error)),
      )

    return handlers.handleAll({
      createMember: Effect.fn("MembersRoutes.createMember")(function* ({ payload }) {
        const caller = yield* Caller
        const member = yield* members.create(payload)
        yield* Effect.forEach(Funds.sourcesOf(definition, member.id), ({ account }) => openBuyer(account))
        yield* note(caller.memberId, "member.created", member.id)
        return member
      }, Problems.answer),
      issueKey: Effect.fn("MembersRoutes.issueKey")(function* ({ payload: { member, ...terms } }) {
        const caller = yield* Caller
        const { key, secret } = yield* members.issueKey({ ...terms, memberId: member })
        yield* note(caller.memberId, "key.issued", key.id)
        return { ...keyView(key), secret: Redacted.value(secret) }
      }, Problems.answer),
      listKeys: Effect.fn("MembersRoutes.listKeys")(function* ({ query }) {
        const keys = yield* members.keys(query.member)
        return { data: keys.map(keyView) }
      }, Problems.answer),
      setTerms: Effect.fn("MembersRoutes.setTerms")(function* ({ params, payload }) {
        const caller = yield* Caller
        const key = yield* members.setTerms(params.id, payload)
        yield* note(caller.memberId, "key.restricted", key.id)
        return keyView(key)
      }, Problems.answer),
      revokeKey: Effect.fn("MembersRoutes.revokeKey")(function* ({ params }) {
        const caller = yield* Caller
        const key = yield* members.revokeKey(params.id)
        yield* note(caller.memberId, "key.revoked", key.id)
        return keyView(key)
      }, Problems.answer),
      revokeDevice: Effect.fn("MembersRoutes.revokeDevice")(function* ({ params }) {
        const caller = yield* Caller
        const device = yield* devices.revoke(params.id)
        yield* note(caller.memberId, "device.revoked", device.id)
        return device
      }, Problems.answer),
    })
  }),
)
