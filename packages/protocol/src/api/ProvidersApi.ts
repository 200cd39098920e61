/**
 * What agents say to the market: they register, they beat, and they leave.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { DeviceId, DevicePublicKey } from "@guildhall/core/Device"
import { InstanceId } from "@guildhall/core/Instance"
import { ReasonCode } from "@guildhall/core/Reason"
import { Heartbeat, HeartbeatAnswer } from "../provider/Heartbeat.ts"
import { PlainBeat, PlainBeatAnswer } from "../provider/PlainBeat.ts"
import { Registered, RegisteredPlain, Registration } from "../provider/Registration.ts"
import { HEADERS } from "../provider/SignedRequest.ts"
import { Access, ByDevice, Roles } from "./Access.ts"
import { errors } from "./Problem.ts"

/**
 * The paths whose requests a device signs. What is signed is this path, whatever the API is mounted under.
 *
 * @category constants
 * @since 0.1.0
 */
export const SIGNED_PATHS = {
  register: "/v1/providers/register",
  heartbeat: "/v1/providers/heartbeat",
} as const

/** A number in digits: not `1e3`, and not nothing, which a number could be read from as well. */
const Digits = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[0-9]{1,16}$/)),
  Schema.decodeTo(
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }))),
    SchemaTransformation.numberFromString,
  ),
)

/**
 * The headers of a signed request, as `SignedRequest.HEADERS` names them.
 *
 * @category models
 * @since 0.1.0
 */
export const SignatureHeaders = Schema.Struct({
  [HEADERS.device]: DevicePublicKey,
  [HEADERS.signature]: Schema.String.pipe(Schema.check(Schema.isMaxLength(200))),
  [HEADERS.issuedAt]: Digits,
  [HEADERS.sequence]: Digits,
})
/** @since 0.1.0 */
export type SignatureHeaders = typeof SignatureHeaders.Type

/**
 * The same where an API key may stand in place of a signature: all of the headers, or none.
 *
 * @category models
 * @since 0.1.0
 */
export const OptionalSignature = Schema.Struct({
  [HEADERS.device]: Schema.optionalKey(SignatureHeaders.fields[HEADERS.device]),
  [HEADERS.signature]: Schema.optionalKey(SignatureHeaders.fields[HEADERS.signature]),
  [HEADERS.issuedAt]: Schema.optionalKey(SignatureHeaders.fields[HEADERS.issuedAt]),
  [HEADERS.sequence]: Schema.optionalKey(SignatureHeaders.fields[HEADERS.sequence]),
})
/** @since 0.1.0 */
export type OptionalSignature = typeof OptionalSignature.Type

/**
 * Why a provider's instances were not routed to over a period: of the requests of the models that they serve, how many they
 * served, how many went to one that ranked before them, for how many they were left out, and how many came while none was
 * listed. It is computed again from the log, of `looked` requests of all models at most 256; `isSample` where the period had
 * more (then they are the newest of each eighth of it), and `notSeen` of them could not be computed.
 *
 * - `reasons`: why they were left out. `terms`: the words in which the one that was ranked first differs from theirs.
 * - `guaranteed`: for an owner of a guaranteed tier, how many requests it could take, or could but for being full; how many of
 *   them were `offered` to such tiers, how many were `promised`, by how many that was too few, and at how many all of the tier
 *   were `full`.
 * - `changes`: how many of `tried` requests they would have won with one change, most first: `online`; the `price` or the `speed`
 *   of the one ranked first; twice the `concurrency`; no failures (`health`); `declarations` that fit the request; a `context` that is
 *   long enough; the first's `stake` or `quality`; no longer new (`age`); `confidential`.
 *
 * @category models
 * @since 0.1.0
 */
export const WhyView = Schema.Struct({
  fromMs: Schema.Int,
  toMs: Schema.Int,
  looked: Schema.Int,
  isSample: Schema.Boolean,
  notSeen: Schema.Int,
  requests: Schema.Int,
  served: Schema.Int,
  outranked: Schema.Int,
  excluded: Schema.Int,
  absent: Schema.Int,
  reasons: Schema.Array(Schema.Struct({ code: ReasonCode, count: Schema.Int, because: Schema.String })),
  terms: Schema.Array(
    Schema.Struct({
      term: Schema.String,
      count: Schema.Int,
      example: Schema.Struct({ rank: Schema.Int, mine: Schema.String, first: Schema.String }),
    }),
  ),
  guaranteed: Schema.optionalKey(
    Schema.Struct({
      matching: Schema.Int,
      offered: Schema.Int,
      promised: Schema.Int,
      shortfall: Schema.Int,
      full: Schema.Int,
    }),
  ),
  tried: Schema.Int,
  changes: Schema.Array(Schema.Struct({ change: Schema.String, wins: Schema.Int })),
})
/** @since 0.1.0 */
export type WhyView = typeof WhyView.Type

/**
 * The group. Registering needs the device's signature, and of a device that is paired with nobody a provider's API key as well;
 * a heartbeat needs the signature only. The others take an API key, or the signature of a device for what is its own.
 *
 * @category groups
 * @since 0.1.0
 */
export class ProvidersApi extends HttpApiGroup.make("providers")
  .add(
    HttpApiEndpoint.post("register", SIGNED_PATHS.register, {
      headers: OptionalSignature,
      payload: Registration,
      success: [Registered, RegisteredPlain],
      error: errors(400, 401, 403, 409, 503),
    }).annotate(OpenApi.Summary, "Register a model that you serve, or give it new terms."),
    HttpApiEndpoint.post("heartbeat", SIGNED_PATHS.heartbeat, {
      headers: OptionalSignature,
      payload: [Heartbeat, PlainBeat],
      success: [HeartbeatAnswer, PlainBeatAnswer],
      error: errors(400, 401, 403, 404, 409, 503),
    }).annotate(OpenApi.Summary, "Say that what you serve is alive, or about to stop."),
    HttpApiEndpoint.delete("leave", "/v1/providers/:id", {
      params: { id: InstanceId },
      success: HttpApiSchema.NoContent,
      error: errors(403, 404, 503),
    })
      .middleware(Access)
      .annotate(Roles, ["provider"])
      .annotate(ByDevice, true)
      .annotate(OpenApi.Summary, "Take an instance off the market."),
  )
  .add(
    HttpApiEndpoint.get("why", "/v1/providers/why", {
      query: {
        instance: Schema.optionalKey(InstanceId),
        device: Schema.optionalKey(DeviceId),
        from: Schema.optionalKey(Digits),
        to: Schema.optionalKey(Digits),
      },
      success: WhyView,
      error: errors(403, 404, 503),
    })
      .middleware(Access)
      .annotate(Roles, ["provider"])
      .annotate(ByDevice, true)
      .annotate(OpenApi.Summary, "Why the caller's instances were not routed to: the last day, unless told otherwise."),
  )
  .annotate(OpenApi.Title, "Providers") {}
