/**
 * Warnings to providers, and the ways on which they come.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { ReasonCode } from "@guildhall/core/Reason"
import { Delivery, Topic, Way } from "@guildhall/core/rules/Warning"
import { Access, ByDevice, Roles } from "./Access.ts"
import { errors } from "./Problem.ts"

/**
 * A warning. `subject` is the instance or device that it is about; `deadlineMs` is when what it warns of happens, unless something
 * is done; `delivery` is when and how it first came, null while it did not. `waysLeft` are those on which it is still being sent.
 *
 * @category models
 * @since 0.1.0
 */
export const WarningView = Schema.Struct({
  id: Schema.String,
  topic: Topic,
  code: ReasonCode,
  subject: Schema.String,
  detail: Schema.String,
  atMs: Schema.Int,
  deadlineMs: Schema.optionalKey(Schema.Int),
  delivery: Schema.NullOr(Delivery),
  waysLeft: Schema.Array(Way),
})
/** @since 0.1.0 */
export type WarningView = typeof WarningView.Type

/**
 * Where warnings go beside the heartbeat: null for nowhere.
 *
 * @category models
 * @since 0.1.0
 */
export const WarningSettings = Schema.Struct({
  webhookUrl: Schema.NullOr(Schema.String.pipe(Schema.check(Schema.isMaxLength(2_000)))),
  email: Schema.NullOr(Schema.String.pipe(Schema.check(Schema.isPattern(/^[!-?A-~]{1,64}@[!-?A-~]{1,189}$/)))),
})
/** @since 0.1.0 */
export type WarningSettings = typeof WarningSettings.Type

/**
 * The group, for providers.
 *
 * @category groups
 * @since 0.1.0
 */
export class WarningsApi extends HttpApiGroup.make("warnings")
  .add(
    HttpApiEndpoint.get("warnings", "/v1/providers/warnings", {
      success: Schema.Struct({ data: Schema.Array(WarningView) }),
      error: errors(403, 503),
    })
      .annotate(ByDevice, true)
      .annotate(OpenApi.Summary, "The newest warnings to the caller, and how each was delivered.")
      .annotate(
        OpenApi.Description,
        "Nothing is taken from a provider before a warning of it was delivered, and the time of grace after that is over. A warning comes with the answer of a heartbeat, and by webhook and e-mail where these are set.",
      ),
    HttpApiEndpoint.get("settings", "/v1/settings/provider/warnings", {
      success: WarningSettings,
      error: errors(403, 503),
    }).annotate(OpenApi.Summary, "Where warnings to the caller go, beside the heartbeat."),
    HttpApiEndpoint.patch("change", "/v1/settings/provider/warnings", {
      payload: Schema.Struct({
        webhookUrl: Schema.optionalKey(WarningSettings.fields.webhookUrl),
        email: Schema.optionalKey(WarningSettings.fields.email),
      }),
      success: WarningSettings,
      error: errors(400, 403, 503),
    })
      // A misspelt field would leave warnings where they went before, and answer that all is well.
      .annotate(HttpApi.PayloadParseOptions, { onExcessProperty: "error" })
      .annotate(OpenApi.Summary, "Set where warnings go: a URL that is called, an e-mail address, or null for neither.")
      .annotate(
        OpenApi.Description,
        "A call carries `guildhall-webhook-id`, `guildhall-webhook-timestamp` (milliseconds) and `guildhall-webhook-signature` (`<key id>.<signature>`), by a key of the purpose `warning` from /.well-known/guildhall-keys.json, over `<id>.<timestamp>.<body>`. Answer 2xx; refuse old timestamps and ids that you have seen.",
      ),
  )
  .middleware(Access)
  .annotate(Roles, ["provider"])
  .annotate(OpenApi.Title, "Warnings") {}
