/**
 * Accounts in a cloud: a member adds its own, gives it another token, and takes it away.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type { InstanceId } from "@guildhall/core/Instance"
import type { MemberId } from "@guildhall/core/Member"
import * as Reason from "@guildhall/core/Reason"
import { Caller } from "@guildhall/protocol/api/Access"
import type { CloudAccountView, NewCloudAccount } from "@guildhall/protocol/api/CloudApi"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import { priceSheet } from "@guildhall/protocol/provider/Registration"
import { checkToken, type CloudAccount, CloudAccounts } from "@guildhall/registry/CloudAccounts"
import { CloudAccountId } from "@guildhall/registry/CloudStore"
import { Devices, type ListedInstance } from "@guildhall/registry/Devices"
import * as EntrySubject from "@guildhall/registry/EntrySubject"
import type { RegistryError } from "@guildhall/registry/RegistryError"
import { CloudCheck, type Question } from "../CloudCheck.ts"
import * as Acts from "./internal/Acts.ts"
import * as Problems from "./internal/Problems.ts"
import * as Terms from "./internal/Terms.ts"

/** Each question goes to a service that a member names, which may be slow: a member asks one at a time, all of them so many. */
const QUESTIONS_MAX = 32

const isOf =
  (id: string) =>
  ({ instance: { reach } }: ListedInstance): boolean =>
    reach._tag === "Cloud" && reach.account === id

const isChat = (endpoints: ReadonlyArray<string> | undefined): boolean =>
  endpoints === undefined || endpoints.includes("chat/completions")

const view = (account: CloudAccount, listed: ReadonlyArray<ListedInstance>): CloudAccountView => {
  const own = listed.filter(isOf(account.id))
  const { parked } = account
  return {
    id: account.id,
    name: account.name,
    base_url: account.baseUrl,
    token: { ends_with: account.tokenEnd, sealed_with: account.keyId },
    parked:
      parked === null
        ? null
        : {
            code: parked.code,
            because: Reason.describe(parked.code).sentence,
            since_ms: parked.sinceMs,
            until_ms: parked.untilMs,
          },
    created_at_ms: account.createdAtMs,
    models: account.models.map(({ model, serviceModel }) => {
      const instance = own.find((one) => one.instance.model === model)?.instance
      return {
        model,
        service_model: serviceModel,
        device_id: instance?.deviceId ?? null,
        instance_id: instance?.id ?? null,
        state: instance?.state ?? null,
      }
    }),
  }
}

/** Asks services: one at a time for each member. */
const makeCheck = Effect.gen(function* () {
  const { check } = yield* CloudCheck
  const asking = new Set<MemberId>()
  return (memberId: MemberId, question: Question) =>
    Effect.suspend((): Effect.Effect<void, Problem | RegistryError> => {
      if (asking.has(memberId) || asking.size >= QUESTIONS_MAX) {
        const whose = asking.has(memberId) ? "this service or another one for you" : "other services"
        const detail = `The market is asking ${whose} at the moment. Send this again in a few seconds.`
        return Effect.fail(Problem.of("service_unavailable", detail))
      }
      asking.add(memberId)
      return Effect.ensuring(
        check(question),
        Effect.sync(() => asking.delete(memberId)),
      )
    })
})

const makeAdd = Effect.gen(function* () {
  const accounts = yield* CloudAccounts
  const devices = yield* Devices
  const checkTerms = yield* Terms.makeCheck

  /** Lists a model of an account. What the service was asked is what an account is checked for before it serves. */
  const enter = Effect.fnUntraced(function* (account: CloudAccount, asked: NewCloudAccount, at: number) {
    const terms = asked.models[at]
    if (terms === undefined) return undefined
    const { instance } = yield* devices.register({
      memberId: account.memberId,
      keyless: `cloud:${account.name}`,
      model: terms.model,
      reach: { _tag: "Cloud", account: account.id },
      price: priceSheet(terms),
      contextLength: terms.context_length_offered,
      concurrency: terms.concurrency,
      ...(yield* checkTerms({ ...terms, ...(asked.provider === undefined ? {} : { provider: asked.provider }) })),
    })
    return instance
  })

  /** Takes back what was done of an account that could not be listed as a whole. */
  const undo = Effect.fnUntraced(function* (account: CloudAccount, listed: ReadonlyArray<InstanceId>) {
    yield* Effect.forEach(listed, (id) => Effect.ignore(devices.deregister(id, account.memberId)))
    yield* Effect.ignore(accounts.remove(account.id, account.memberId))
  })

  const list = Effect.fnUntraced(function* (account: CloudAccount, asked: NewCloudAccount) {
    const listed: Array<InstanceId> = []
    const all = Effect.forEach(
      asked.models.keys(),
      Effect.fnUntraced(function* (at) {
        const instance = yield* enter(account, asked, at)
        if (instance === undefined) return
        listed.push(instance.id)
        yield* devices.setEntry(instance.id, "passed", EntrySubject.digest(instance))
      }),
      { discard: true },
    )
    yield* Effect.tapError(all, () => undo(account, listed))
  })

  return { accounts, checkTerms, devices, list } as const
})

/**
 * The handlers. A service is asked before its account is taken; what is changed is noted in the journal.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "cloud",
  Effect.fnUntraced(function* (handlers) {
    const { accounts, checkTerms, devices, list } = yield* makeAdd
    const check = yield* makeCheck
    const note = yield* Acts.make

    const own = Effect.fnUntraced(function* (id: string, memberId: MemberId) {
      const account = (yield* accounts.list(memberId)).find((one) => one.id === id)
      return (
        account ?? (yield* Problem.of("not_found", `You have no account ${id}. GET /v1/providers/cloud lists yours.`))
      )
    })

    return handlers.handleAll({
      addCloud: Effect.fn("CloudRoutes.add")(function* ({ payload }) {
        const { memberId } = yield* Caller
        yield* Effect.forEach(payload.models, checkTerms, { discard: true })
        const { base_url: baseUrl, name, token } = payload
        const models = payload.models.map(({ endpoints, model, service_model }) => ({
          model,
          serviceModel: service_model ?? model,
          isChat: isChat(endpoints),
        }))
        const names = models.map(({ model, serviceModel }) => ({ model, serviceModel }))
        const wanted = { memberId, name, baseUrl, token, models: names }
        // Its shape, its URL and its name are looked at before anybody is called.
        yield* accounts.inspect(wanted)
        yield* check(memberId, {
          baseUrl,
          token,
          models: models.map(({ isChat, serviceModel }) => ({ name: serviceModel, isChat })),
        })
        const account = yield* accounts.add(wanted)
        yield* list(account, payload)
        yield* note(memberId, "cloud.added", account.id)
        return view(account, yield* devices.instancesOf(memberId))
      }, Problems.answer),
      listCloud: Effect.fn("CloudRoutes.list")(function* () {
        const { memberId } = yield* Caller
        const found = yield* accounts.list(memberId)
        const listed = found.length === 0 ? [] : yield* devices.instancesOf(memberId)
        return { data: found.map((account) => view(account, listed)) }
      }, Problems.answer),
      changeCloud: Effect.fn("CloudRoutes.change")(function* ({ params: { id }, payload: { token } }) {
        const { memberId } = yield* Caller
        const { baseUrl, models } = yield* own(id, memberId)
        yield* checkToken(token)
        const listed = (yield* devices.instancesOf(memberId)).filter(isOf(id))
        const endpointsOf = (model: string) =>
          listed.find(({ instance }) => instance.model === model)?.instance.endpoints
        yield* check(memberId, {
          baseUrl,
          token,
          models: models.map(({ model, serviceModel }) => ({ name: serviceModel, isChat: isChat(endpointsOf(model)) })),
        })
        const changed = yield* accounts.setToken(CloudAccountId.make(id), memberId, token)
        yield* note(memberId, "cloud.token_changed", id)
        return view(changed, listed)
      }, Problems.answer),
      removeCloud: Effect.fn("CloudRoutes.remove")(function* ({ params: { id } }) {
        const { memberId } = yield* Caller
        yield* own(id, memberId)
        const listed = (yield* devices.instancesOf(memberId)).filter(isOf(id))
        yield* Effect.forEach(listed, ({ instance }) => devices.deregister(instance.id, memberId), { discard: true })
        yield* accounts.remove(CloudAccountId.make(id), memberId)
        yield* note(memberId, "cloud.removed", id)
      }, Problems.answer),
    })
  }),
)
