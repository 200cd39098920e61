/**
 * Warnings to providers, and where they go.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import type { WarningView } from "@guildhall/protocol/api/WarningsApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import * as Endpoint from "@guildhall/registry/Endpoint"
import { Notifier, type Warning } from "@guildhall/registry/Notifier"
import { Router } from "@guildhall/routing/Router"
import { Market } from "../Market.ts"
import { SentWays } from "../SentWays.ts"
import * as Acts from "./internal/Acts.ts"
import * as Problems from "./internal/Problems.ts"

const view = ({ key: _key, memberId: _memberId, ...warning }: Warning): WarningView => warning

/** Why a URL is not called; undefined where it may be. What its name resolves to is looked at when it is called. */
const wrongUrl = (text: string, allowPrivate: boolean): string | undefined => {
  const url = URL.parse(text)
  // A secret in the query is how many services know who calls.
  if (url !== null) url.search = ""
  const checked = Endpoint.check(url?.href ?? text, { allowPrivate })
  if (Result.isFailure(checked)) return checked.failure
  return allowPrivate || url?.protocol === "https:" ? undefined : "It has no encryption. Give a URL with https."
}

/**
 * The handlers. Without a `Notifier` there are no warnings. `SentWays` says on which ways this market sends; an address for
 * another one is refused.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "warnings",
  Effect.fnUntraced(function* (handlers) {
    const { definition } = yield* Market
    const router = yield* Router
    const ways = yield* SentWays
    const note = yield* Acts.make
    const found = Option.getOrUndefined(yield* Effect.serviceOption(Notifier))
    const notifier =
      found === undefined
        ? Effect.fail(Problem.of("not_found", "This market keeps no warnings, and sends none."))
        : Effect.succeed(found)
    const { allowPrivate } = definition.endpoints

    return handlers.handleAll({
      warnings: Effect.fn("WarningsRoutes.warnings")(function* () {
        const { deviceId, memberId } = yield* Caller
        if (found === undefined) return { data: [] }
        const all = yield* found.list(memberId)
        if (deviceId === undefined) return { data: all.map(view) }
        // What is about the member's other devices is not one device's to read.
        const own = new Set<string>([deviceId])
        for (const instance of router.instances()) if (instance.deviceId === deviceId) own.add(instance.id)
        const data = all.filter(({ subject }) => own.has(subject))
        return { data: data.map(view) }
      }, Problems.answer),
      settings: Effect.fn("WarningsRoutes.settings")(function* () {
        const { memberId } = yield* Caller
        return yield* (yield* notifier).addresses.get(memberId)
      }, Problems.answer),
      change: Effect.fn("WarningsRoutes.change")(function* ({ payload }) {
        const { memberId } = yield* Caller
        const { email, webhookUrl } = payload
        const wrong = webhookUrl == null ? undefined : wrongUrl(webhookUrl, allowPrivate)
        if (wrong !== undefined) return yield* Problem.of("invalid_endpoint", `webhookUrl: ${wrong}`)
        for (const [way, address] of [["webhook", webhookUrl] as const, ["email", email] as const]) {
          if (address == null || ways.includes(way)) continue
          const detail = `This market sends no warnings by ${way === "email" ? "e-mail" : way}. They come with the heartbeat${ways.length === 0 ? "" : ` and by ${ways.join(" and ")}`}.`
          return yield* Problem.of("invalid_request", detail)
        }
        const addresses = yield* (yield* notifier).addresses.set(memberId, payload)
        yield* note(memberId, "warning_addresses.changed", memberId)
        return addresses
      }, Problems.answer),
    })
  }),
)
