/**
 * What devices say: they join with a signed registration, beat, and leave.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Digest from "effect/crypto/Digest"
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type { DeviceId } from "@guildhall/core/Device"
import type { InstanceId } from "@guildhall/core/Instance"
import * as Reason from "@guildhall/core/Reason"
import { Journal } from "@guildhall/journal/Journal"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import { SIGNED_PATHS, type WhyView } from "@guildhall/protocol/api/ProvidersApi"
import { Devices } from "@guildhall/registry/Devices"
import { Router } from "@guildhall/routing/Router"
import * as WhyNotQuery from "@guildhall/routing/WhyNotQuery"
import * as Acts from "./internal/Acts.ts"
import * as Beats from "./internal/Beats.ts"
import * as CallerDevice from "./internal/CallerDevice.ts"
import * as PlainBeats from "./internal/PlainBeats.ts"
import * as Problems from "./internal/Problems.ts"
import * as Registering from "./internal/Registering.ts"
import * as Signed from "./internal/Signed.ts"
import * as Turns from "./internal/Turns.ts"

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
    const { memberId } = yield* Caller
    const { instance } = asked
    const device = yield* CallerDevice.of(asked.device)
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
    const register = yield* Registering.make
    const registerPlain = yield* Registering.makePlain
    const beat = yield* Beats.make(SIGNED_PATHS.heartbeat)
    const beatPlain = yield* PlainBeats.make
    const why = yield* makeWhy

    return handlers
      .handleRaw(
        "register",
        Effect.fnUntraced(function* (signed) {
          const { request } = signed
          const headers = yield* Signed.of(signed.headers)
          return yield* headers === undefined ? registerPlain(request) : register({ headers, request })
        }, Problems.answer),
      )
      .handleRaw(
        "heartbeat",
        Effect.fnUntraced(function* (signed) {
          const { request } = signed
          const headers = yield* Signed.of(signed.headers)
          return yield* headers === undefined ? beatPlain(request) : beat({ headers, request })
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
