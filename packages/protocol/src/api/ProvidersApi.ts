/**
 * What agents say to the market: they register, they beat, and they leave.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { DevicePublicKey } from "@guildhall/core/Device"
import { InstanceId } from "@guildhall/core/Instance"
import { Heartbeat, HeartbeatAnswer } from "../provider/Heartbeat.ts"
import { Registered, Registration } from "../provider/Registration.ts"
import { HEADERS } from "../provider/SignedRequest.ts"
import { Access, Roles } from "./Access.ts"
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

const Digits = Schema.NumberFromString.pipe(
  Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER })),
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
 * The group. Registering needs the API key of a provider and the device's signature; a heartbeat the signature only,
 * so a device goes on although its key was rotated; leaving the market the API key only.
 *
 * @category groups
 * @since 0.1.0
 */
export class ProvidersApi extends HttpApiGroup.make("providers")
  .add(
    HttpApiEndpoint.post("register", SIGNED_PATHS.register, {
      headers: SignatureHeaders,
      payload: Registration,
      success: Registered,
      error: errors(400, 401, 403, 409, 503),
    })
      .middleware(Access)
      .annotate(Roles, ["provider"])
      .annotate(OpenApi.Summary, "Register a device with a model that it serves, or give it new terms."),
    HttpApiEndpoint.post("heartbeat", SIGNED_PATHS.heartbeat, {
      headers: SignatureHeaders,
      payload: Heartbeat,
      success: HeartbeatAnswer,
      error: errors(400, 401, 403, 404, 409, 503),
    }).annotate(OpenApi.Summary, "Say that the device is alive, and hand over its usage log."),
    HttpApiEndpoint.delete("leave", "/v1/providers/:id", {
      params: { id: InstanceId },
      success: HttpApiSchema.NoContent,
      error: errors(403, 404, 503),
    })
      .middleware(Access)
      .annotate(Roles, ["provider"])
      .annotate(OpenApi.Summary, "Take an instance off the market."),
  )
  .annotate(OpenApi.Title, "Providers") {}
