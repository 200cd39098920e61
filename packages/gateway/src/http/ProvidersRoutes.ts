/**
 * What devices say: they join with a signed registration, beat, and leave.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import type * as HttpServerRequest from "effect/http/HttpServerRequest"
import { KeyRing } from "@guildhall/core/KeyRing"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Problem } from "@guildhall/protocol/api/Problem"
import { SIGNED_PATHS, type SignatureHeaders } from "@guildhall/protocol/api/ProvidersApi"
import { Heartbeat } from "@guildhall/protocol/provider/Heartbeat"
import { Registration } from "@guildhall/protocol/provider/Registration"
import { HEADERS } from "@guildhall/protocol/provider/SignedRequest"
import { Devices } from "@guildhall/registry/Devices"
import { Claims } from "../Claims.ts"
import * as Json from "../internal/Json.ts"
import { Market } from "../Market.ts"
import * as Acts from "./internal/Acts.ts"
import * as Problems from "./internal/Problems.ts"

/** The exact bytes that the device signed. The guard has read them, within its limits. */
const bytesOf = (request: HttpServerRequest.HttpServerRequest) =>
  Effect.map(Effect.orDie(request.arrayBuffer), (buffer) => new Uint8Array(buffer))

const decode = <S extends Schema.ConstraintDecoder<unknown>>(schema: S) => {
  const decodeValue = Schema.decodeUnknownResult(schema, { errors: "all" })
  return (body: Uint8Array): Effect.Effect<S["Type"], Problem> => {
    const value = Json.parse(new TextDecoder().decode(body))
    if (value === undefined) return Effect.fail(Problem.of("invalid_json"))
    const decoded = decodeValue(value)
    if (Result.isSuccess(decoded)) return Effect.succeed(decoded.success)
    const isPrice = Problems.paths(decoded.failure).every((path) => path.endsWith("_price_per_million"))
    return Effect.fail(Problem.of(isPrice ? "invalid_price" : "invalid_request", Problems.sentence(decoded.failure)))
  }
}

const decodeRegistration = decode(Registration)
const decodeHeartbeat = decode(Heartbeat)

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
    const { definition } = yield* Market
    const devices = yield* Devices
    const claims = yield* Claims
    const ring = yield* KeyRing
    const note = yield* Acts.make
    const { maxCentsPerMillion } = definition.prices
    const intervalMs = definition.heartbeat.intervalMs

    const authenticate = (path: string, headers: SignatureHeaders, body: Uint8Array) =>
      devices.authenticate({
        method: "POST",
        path,
        publicKey: headers[HEADERS.device],
        signature: headers[HEADERS.signature],
        issuedAtMs: headers[HEADERS.issuedAt],
        sequence: headers[HEADERS.sequence],
        body,
      })

    const ticketKeys = Effect.map(ring.list, (keys) => keys.filter(({ purpose }) => purpose === "ticket"))

    const checkPrice = ({ input_price_per_million, output_price_per_million }: Registration) =>
      Math.max(input_price_per_million, output_price_per_million) <= maxCentsPerMillion
        ? Effect.void
        : Effect.fail(
            Problem.of("invalid_price", `The market takes at most ${maxCentsPerMillion} cents for a million tokens.`),
          )

    return handlers
      .handleRaw(
        "register",
        Effect.fn("ProvidersRoutes.register")(function* ({ headers, request }) {
          const { memberId } = yield* Caller
          const body = yield* bytesOf(request)
          yield* authenticate(SIGNED_PATHS.register, headers, body)
          const terms = yield* decodeRegistration(body)
          yield* checkPrice(terms)
          const { device, instance } = yield* devices.register({
            memberId,
            publicKey: headers[HEADERS.device],
            model: terms.model,
            endpointUrl: terms.endpoint_url,
            price: PriceSheet.perMillionCents({
              input: BigInt(terms.input_price_per_million),
              output: BigInt(terms.output_price_per_million),
            }),
            contextLength: terms.context_length_offered,
            concurrency: terms.concurrency,
          })
          return {
            device_id: device.id,
            instance_id: instance.id,
            heartbeat_interval_ms: intervalMs,
            keys: yield* ticketKeys,
          }
        }, Problems.answer),
      )
      .handleRaw(
        "heartbeat",
        Effect.fn("ProvidersRoutes.heartbeat")(function* ({ headers, request }) {
          const body = yield* bytesOf(request)
          const id = yield* authenticate(SIGNED_PATHS.heartbeat, headers, body)
          const { instances, usage } = yield* decodeHeartbeat(body)
          yield* devices.beat(
            id,
            instances.map(({ instance_id, state }) => ({ id: instance_id, state })),
          )
          const verdict =
            usage === undefined
              ? { acknowledged: 0, refused: [] }
              : yield* claims.process({ id, publicKey: headers[HEADERS.device] }, usage)
          return {
            acknowledged: verdict.acknowledged,
            refused: verdict.refused.map(({ code, requestId }) => ({ request_id: requestId, code })),
            heartbeat_interval_ms: intervalMs,
            keys: yield* ticketKeys,
          }
        }, Problems.answer),
      )
      .handle(
        "leave",
        Effect.fn("ProvidersRoutes.leave")(function* ({ params }) {
          const { memberId } = yield* Caller
          yield* devices.deregister(params.id, memberId)
          yield* note(memberId, "instance.left", params.id)
        }, Problems.answer),
      )
  }),
)
