/**
 * What devices say: they join with a signed registration, beat, and leave.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type { DeviceId } from "@guildhall/core/Device"
import type { InstanceId, Reach } from "@guildhall/core/Instance"
import * as Reason from "@guildhall/core/Reason"
import { Journal } from "@guildhall/journal/Journal"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import { SIGNED_PATHS, type WhyView } from "@guildhall/protocol/api/ProvidersApi"
import { priceSheet, Registration } from "@guildhall/protocol/provider/Registration"
import { Devices } from "@guildhall/registry/Devices"
import { Router } from "@guildhall/routing/Router"
import * as WhyNotQuery from "@guildhall/routing/WhyNotQuery"
import * as Acts from "./internal/Acts.ts"
import * as Beats from "./internal/Beats.ts"
import * as Problems from "./internal/Problems.ts"
import * as Signed from "./internal/Signed.ts"
import * as Terms from "./internal/Terms.ts"
import * as Turns from "./internal/Turns.ts"
import * as KeyAccess from "./KeyAccess.ts"

const decodeRegistration = Signed.decode(Registration)

/** How requests reach what is registered. */
const reachOf = ({ endpoint_url, provider_type, reach }: Registration): Effect.Effect<Reach, Problem> => {
  const way = reach ?? (endpoint_url === undefined ? "tunnel" : "endpoint")
  if (way === "endpoint" && endpoint_url !== undefined && provider_type === "agent") {
    return Effect.succeed({ _tag: "Endpoint", url: endpoint_url })
  }
  const problem =
    way !== "endpoint"
      ? endpoint_url === undefined
        ? undefined
        : `endpoint_url: nobody calls it where requests come by ${way}. Leave it out, or leave out reach.`
      : provider_type === "browser"
        ? "endpoint_url: a browser cannot be called. Leave it out, and open a tunnel."
        : "endpoint_url: it is missing. Say where the market calls the instance, or leave out reach and open a tunnel."
  if (problem !== undefined) return Effect.fail(Problem.of("invalid_request", problem))
  return Effect.succeed(way === "pull" ? { _tag: "Pull" } : { _tag: "Tunnel" })
}

const BEARER = /^Bearer +(.*)$/i

/** Whose device registers: of whom the API key is that comes with it, else of whom it is paired with. */
const makeOwner = Effect.gen(function* () {
  const devices = yield* Devices
  const callerOf = yield* KeyAccess.make
  return Effect.fnUntraced(function* (id: DeviceId, authorization: string | undefined) {
    if (authorization !== undefined) {
      const secret = Redacted.make(BEARER.exec(authorization)?.[1]?.trim() ?? "")
      return (yield* callerOf(secret, ["provider"])).memberId
    }
    const device = yield* devices.find(id)
    if (device !== undefined) return device.memberId
    return yield* Problem.of(
      "device_not_paired",
      "Make a code in the market's dashboard and run `guildhall-agent pair <code>` here, or send a provider's API key: `Authorization: Bearer sk-…`.",
    )
  })
})

const makeRegister = Effect.gen(function* () {
  const devices = yield* Devices
  const authenticate = yield* Signed.makeAuthenticate
  const ownerOf = yield* makeOwner
  const checkTerms = yield* Terms.makeCheck

  return Effect.fn("ProvidersRoutes.register")(function* (signed: Signed.Signed) {
    const { body, id, publicKey } = yield* authenticate(SIGNED_PATHS.register, signed)
    const memberId = yield* ownerOf(id, signed.request.headers["authorization"])
    const terms = yield* decodeRegistration(body)
    yield* checkTerms(terms)
    const reach = yield* reachOf(terms)
    // Before it is listed: from then on it may be asked, so what is left to do until it hears the answer is little.
    const nonce = yield* devices.giveNonce(id)
    const registered = yield* devices.register({
      memberId,
      publicKey,
      model: terms.model,
      reach,
      price: priceSheet(terms),
      contextLength: terms.context_length_offered,
      concurrency: terms.concurrency,
      ...Terms.declared(terms),
    })
    return { ...registered, nonce }
  })
})

/** So many requests one question looks at, so close together: it costs as much whoever asks. */
const WHY_SAMPLE = 256
const WHY_VERSIONS_MAX = 20_000
/** So many are answered at a time, one of each member, while so many wait. */
const WHY_AT_ONCE = 2
const WHY_WAITING = 32
const DAY_MS = 86_400_000

interface WhyQuery {
  readonly instance?: InstanceId
  readonly device?: DeviceId
  readonly from?: number
  readonly to?: number
}

/** The period of a question: the last day unless told otherwise, and nothing that is still to come. */
const periodOf = ({ from, to }: WhyQuery, nowMs: number) => {
  const toMs = Math.min(to ?? nowMs, nowMs)
  const fromMs = from ?? Math.max(0, toMs - DAY_MS)
  if (fromMs < toMs) return Effect.succeed({ fromMs, toMs })
  const end = to === undefined || to > nowMs ? `now (${nowMs})` : `\`to\` (${to})`
  return Problem.of(
    "invalid_request",
    `The period is empty: \`from\` (${fromMs}) is not before ${end}. Both are milliseconds since 1970.`,
  )
}

const makeWhy = Effect.gen(function* () {
  const journal = yield* Journal
  const router = yield* Router
  const inTurn = yield* Turns.make(WHY_AT_ONCE, WHY_WAITING)

  const answer = Effect.fn("ProvidersRoutes.why")(function* (asked: WhyQuery) {
    const { deviceId, memberId } = yield* Caller
    const { device = deviceId, instance } = asked
    if (deviceId !== undefined && device !== deviceId) {
      return yield* Problem.of("not_found", `A device asks for itself: ${deviceId}. Ask for others with an API key.`)
    }
    const { fromMs, toMs } = yield* periodOf(asked, yield* Clock.currentTimeMillis)
    const { policyOf } = router
    yield* router.flush
    // Whatever else is asked for: only the caller's own.
    const target = { member: memberId, device, instance }
    const query = { target, fromMs, toMs, sample: WHY_SAMPLE, versionsMax: WHY_VERSIONS_MAX, policyOf }
    const found = yield* WhyNotQuery.run(query).pipe(
      Effect.provideService(Journal, journal),
      Effect.provide(Digest.layerWebCrypto),
    )
    const isOwn = router
      .instances()
      .some(
        (one) =>
          one.memberId === memberId &&
          (instance === undefined || one.id === instance) &&
          (device === undefined || one.deviceId === device),
      )
    if (found.requests === 0 && !isOwn && (instance ?? device) !== undefined) {
      // The same for what is not there and for what is somebody else's.
      const named = [instance, device].filter((id) => id !== undefined).join(" of ")
      const detail = `You have no ${named} on the market, and no request of this period could have gone to one. GET /v1/providers/why without it is about all of yours.`
      return yield* Problem.of("not_found", detail)
    }
    const reasons = found.reasons.map((one) => ({ ...one, because: Reason.describe(one.code).sentence }))
    return { fromMs, toMs, ...found, reasons } satisfies WhyView
  })
  return Effect.fnUntraced(function* (query: WhyQuery) {
    const { memberId } = yield* Caller
    return yield* inTurn(memberId, answer(query))
  })
})

/**
 * The handlers. The price range is the definition's; which endpoints are allowed, the registry's to judge. A public name
 * is judged as it is written: what it resolves to is not looked at yet.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "providers",
  Effect.fnUntraced(function* (handlers) {
    const devices = yield* Devices
    const note = yield* Acts.make
    const register = yield* makeRegister
    const beat = yield* Beats.make(SIGNED_PATHS.heartbeat)
    const advice = yield* Beats.makeAdvice
    const why = yield* makeWhy

    return handlers
      .handleRaw(
        "register",
        Effect.fnUntraced(function* (signed) {
          const { device, instance, nonce } = yield* register(signed)
          return { device_id: device.id, instance_id: instance.id, nonce, ...(yield* advice) }
        }, Problems.answer),
      )
      .handleRaw(
        "heartbeat",
        Effect.fnUntraced(function* (signed) {
          return yield* beat(signed)
        }, Problems.answer),
      )
      .handle(
        "leave",
        Effect.fn("ProvidersRoutes.leave")(function* ({ params }) {
          const { deviceId, memberId } = yield* Caller
          yield* devices.deregister(params.id, memberId, deviceId)
          yield* note(memberId, "instance.left", params.id)
        }, Problems.answer),
      )
      .handle(
        "why",
        Effect.fnUntraced(function* ({ query }) {
          return yield* why(query)
        }, Problems.answer),
      )
  }),
)
