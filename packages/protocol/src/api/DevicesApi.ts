/**
 * Members' machines: pairing, names, keys, and the end of one. The paths are those of the dashboards that agents know.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { DeviceId, DeviceName, DevicePublicKey, DeviceStatus, Versions } from "@guildhall/core/Device"
import { Hardware } from "@guildhall/core/Hardware"
import { InstanceId, InstanceState } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { Heartbeat, HeartbeatAnswer } from "../provider/Heartbeat.ts"
import { KeyChange } from "../provider/KeyChange.ts"
import { PairAnswer, PairRequest } from "../provider/PairRequest.ts"
import { WalletBinding } from "../provider/WalletBinding.ts"
import { Access, Roles } from "./Access.ts"
import { errors } from "./Problem.ts"
import { SignatureHeaders } from "./ProvidersApi.ts"

/**
 * The paths of this group whose requests a device signs.
 *
 * @category constants
 * @since 0.1.0
 */
export const SIGNED_PATHS = {
  pair: "/api/devices/pair",
  heartbeat: "/api/devices/heartbeat",
  key: (id: DeviceId) => `/api/devices/${id}/key`,
  wallet: (id: DeviceId) => `/api/devices/${id}/wallet`,
} as const

/**
 * A code, shown here and never again: six digits to type, or the command to copy, whose longer code is heard even while others
 * try codes.
 *
 * @category models
 * @since 0.1.0
 */
export const PairCode = Schema.Struct({
  code: Schema.String,
  longCode: Schema.String,
  command: Schema.String,
  endsAtMs: Schema.Int,
})
/** @since 0.1.0 */
export type PairCode = typeof PairCode.Type

/**
 * A device as its member sees it. Compare `fingerprint` with what the agent prints before you approve one that is `waiting`:
 * what it says of itself, `hardware` and `versions`, is not proved. `deviceClass` is null where its hardware fits none of the
 * market's, and `misses` says why it fits no higher one. `wallet` is the one that the device is bound to, and whether by the key that
 * it has now; `equivocatedAtMs` when it was first found to have signed what contradicts itself.
 *
 * @category models
 * @since 0.1.0
 */
export const DeviceView = Schema.Struct({
  id: DeviceId,
  state: Schema.Literals(["waiting", "active", "revoked"]),
  name: Schema.NullOr(Schema.String),
  publicKey: Schema.NullOr(DevicePublicKey),
  fingerprint: Schema.NullOr(Schema.String),
  hardware: Schema.NullOr(Hardware),
  deviceClass: Schema.NullOr(Schema.String),
  misses: Schema.Array(Schema.Struct({ name: Schema.String, reasons: Schema.Array(Schema.String) })),
  versions: Versions,
  address: Schema.NullOr(Schema.String),
  askedAtMs: Schema.NullOr(Schema.Int),
  pairedAtMs: Schema.NullOr(Schema.Int),
  lastSeenAtMs: Schema.NullOr(Schema.Int),
  status: Schema.NullOr(DeviceStatus),
  wallet: Schema.NullOr(Schema.Struct({ address: Schema.String, boundAtMs: Schema.Int, byCurrentKey: Schema.Boolean })),
  equivocatedAtMs: Schema.NullOr(Schema.Int),
  instances: Schema.Array(
    Schema.Struct({ id: InstanceId, model: ModelId, state: InstanceState, lastBeatAtMs: Schema.Int }),
  ),
})
/** @since 0.1.0 */
export type DeviceView = typeof DeviceView.Type

const id = { id: DeviceId }

/**
 * The group. Members use an API key of the role `provider`; a device signs what it sends, and needs no key. The signature of a
 * device opens nothing but what stands here and under `/v1/providers`, for that device alone.
 *
 * @category groups
 * @since 0.1.0
 */
export class DevicesApi extends HttpApiGroup.make("devices")
  .add(
    HttpApiEndpoint.post("pairCode", "/api/devices/pair-code", {
      success: PairCode.pipe(HttpApiSchema.status(201)),
      error: errors(429, 503),
    })
      .middleware(Access)
      .annotate(Roles, ["provider"])
      .annotate(OpenApi.Summary, "Make a code that pairs one device with you: good once, for ten minutes."),
    HttpApiEndpoint.post("pair", SIGNED_PATHS.pair, {
      headers: SignatureHeaders,
      payload: PairRequest,
      success: [PairAnswer, PairAnswer.pipe(HttpApiSchema.status(202))],
      error: errors(400, 401, 403, 409, 413, 429, 503),
    }).annotate(
      OpenApi.Summary,
      "Send a code, signed by the device: 202 while its member has to approve. Send it again to hear what became of it.",
    ),
    HttpApiEndpoint.get("list", "/api/devices", {
      success: Schema.Struct({ data: Schema.Array(DeviceView) }),
      error: errors(503),
    })
      .middleware(Access)
      .annotate(Roles, ["provider"])
      .annotate(OpenApi.Summary, "The caller's devices, those that wait for approval first."),
    HttpApiEndpoint.post("approve", "/api/devices/:id/approve", {
      params: id,
      success: DeviceView,
      error: errors(403, 404, 409, 503),
    })
      .middleware(Access)
      .annotate(Roles, ["provider"])
      .annotate(OpenApi.Summary, "Take a device that waits: it is the caller's from then on."),
    HttpApiEndpoint.post("refuse", "/api/devices/:id/refuse", {
      params: id,
      success: HttpApiSchema.NoContent,
      error: errors(404, 503),
    })
      .middleware(Access)
      .annotate(Roles, ["provider"])
      .annotate(OpenApi.Summary, "Refuse a device that waits."),
  )
  .add(
    HttpApiEndpoint.patch("rename", "/api/devices/:id", {
      params: id,
      payload: Schema.Struct({ name: DeviceName }),
      success: DeviceView,
      error: errors(400, 404, 503),
    })
      .middleware(Access)
      .annotate(Roles, ["provider"])
      .annotate(OpenApi.Summary, "Name a device."),
    HttpApiEndpoint.delete("revoke", "/api/devices/:id", {
      params: id,
      success: HttpApiSchema.NoContent,
      error: errors(404, 503),
    })
      .middleware(Access)
      .annotate(Roles, ["provider", "operator"])
      .annotate(OpenApi.Summary, "End a device for ever. It is asked nothing more within a second, by any gateway."),
    HttpApiEndpoint.post("changeKey", "/api/devices/:id/key", {
      params: id,
      headers: SignatureHeaders,
      payload: KeyChange,
      success: Schema.Struct({ device_id: DeviceId, fingerprint: Schema.String }),
      error: errors(400, 401, 403, 404, 409, 413, 429, 503),
    }).annotate(OpenApi.Summary, "Give a device another key: signed by the old one, proved by the new one."),
    HttpApiEndpoint.post("bindWallet", "/api/devices/:id/wallet", {
      params: id,
      headers: SignatureHeaders,
      payload: WalletBinding,
      success: Schema.Struct({ device_id: DeviceId, wallet: Schema.String, bound_at_ms: Schema.Int }),
      error: errors(400, 401, 403, 404, 409, 413, 429, 503),
    }).annotate(OpenApi.Summary, "Bind the device to a wallet: signed by the wallet, and by the device."),
    HttpApiEndpoint.post("heartbeat", SIGNED_PATHS.heartbeat, {
      headers: SignatureHeaders,
      payload: Heartbeat,
      success: HeartbeatAnswer,
      error: errors(400, 401, 403, 404, 409, 503),
    }).annotate(OpenApi.Summary, "The same as `POST /v1/providers/heartbeat`; what is signed names this path."),
    HttpApiEndpoint.post("registerGpu", "/api/network/register-gpu", {
      success: HttpApiSchema.NoContent,
      error: errors(410),
    }).annotate(OpenApi.Summary, "Gone: says how to pair a machine instead."),
  )
  .annotate(OpenApi.Title, "Devices") {}
