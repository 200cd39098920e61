/**
 * A provider's own instances: where they stand, and when they are under maintenance.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { DeviceId } from "@guildhall/core/Device"
import { EntryState } from "@guildhall/core/EntryVerification"
import { Instance, InstanceId } from "@guildhall/core/Instance"
import { Maintenance } from "@guildhall/core/Maintenance"
import { Access, ByDevice, Roles } from "./Access.ts"
import { errors } from "./Problem.ts"

/**
 * An instance as its provider sees it. `entry` is how the market's checks of it ended, where it makes some. Times are milliseconds
 * since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export const OwnInstance = Schema.Struct({
  instance: Instance,
  lastBeatAtMs: Schema.Int,
  registeredAtMs: Schema.Int,
  entry: Schema.NullOr(EntryState),
})
/** @since 0.1.0 */
export type OwnInstance = typeof OwnInstance.Type

const Which = {
  instance: Schema.optionalKey(InstanceId),
  device: Schema.optionalKey(DeviceId),
}

/** A device that misspells which instance it means would otherwise mean all of its own. */
const strict = { onExcessProperty: "error" } as const

/**
 * The body of `POST /v1/providers/maintenance`: the window, and of which instances: those of a device, or one alone. A device that
 * signs it need not say: it means its own. The window replaces the one that was announced before.
 *
 * @category models
 * @since 0.1.0
 */
export const Announcement = Schema.Struct({ ...Maintenance.fields, ...Which })
/** @since 0.1.0 */
export type Announcement = typeof Announcement.Type

/**
 * What a market answers to an announcement: the instances that it is about.
 *
 * @category models
 * @since 0.1.0
 */
export const Maintained = Schema.Struct({
  data: Schema.Array(
    Schema.Struct({
      id: InstanceId,
      model: Instance.fields.model,
      state: Instance.fields.state,
      maintenance: Schema.NullOr(Maintenance),
    }),
  ),
})
/** @since 0.1.0 */
export type Maintained = typeof Maintained.Type

/**
 * The group. It takes an API key of the role `provider`, or the signature of a device for what is its own.
 *
 * @category groups
 * @since 0.1.0
 */
export class InstancesApi extends HttpApiGroup.make("instances")
  .add(
    HttpApiEndpoint.get("own", "/v1/providers/instances", {
      success: Schema.Struct({ data: Schema.Array(OwnInstance) }),
      error: errors(503),
    }).annotate(OpenApi.Summary, "The caller's instances on the market, and where they stand."),
    HttpApiEndpoint.post("announce", "/v1/providers/maintenance", {
      payload: Announcement,
      success: Maintained,
      error: errors(400, 404, 503),
    })
      .annotate(HttpApi.PayloadParseOptions, strict)
      .annotate(
        OpenApi.Summary,
        "Announce maintenance: in its window no requests go to the instances, and their health stays as it is.",
      ),
    HttpApiEndpoint.delete("callOff", "/v1/providers/maintenance", {
      query: Which,
      success: Maintained,
      error: errors(400, 404, 503),
    })
      .annotate(HttpApi.QueryParseOptions, strict)
      .annotate(OpenApi.Summary, "Call maintenance off, or end it early."),
  )
  .middleware(Access)
  .annotateEndpoints(Roles, ["provider"])
  .annotateEndpoints(ByDevice, true)
  .annotate(OpenApi.Title, "Own instances") {}
