/**
 * The rails by which a provider is paid: which there are, which are on, and what must be set up first.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { InstanceId } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import { Onboarding } from "@guildhall/core/ProviderRails"
import { Access, Roles } from "./Access.ts"
import { errors } from "./Problem.ts"

/**
 * A member's rails. `accepts_stripe` and `accepts_tempo` are two of them in words that other markets' clients use, false where this
 * market has none such.
 *
 * - `rails`: each by the name of its payment scheme. One that `needs` something is not `is_ready` until that is set up; `todo` says how.
 *   One that was never turned off is on as soon as it is ready.
 * - `payout_targets`: what was set up: the account, or the wallet's address, and since when.
 * - `instances`: by which rails each on the market is paid, of those that it declared, and which are off for it alone.
 *
 * @category models
 * @since 0.1.0
 */
export const RailsView = Schema.Struct({
  accepts_stripe: Schema.Boolean,
  accepts_tempo: Schema.Boolean,
  rails: Schema.Array(
    Schema.Struct({
      name: Schema.String,
      is_on: Schema.Boolean,
      is_ready: Schema.Boolean,
      needs: Schema.NullOr(Onboarding),
      todo: Schema.NullOr(Schema.String),
    }),
  ),
  payout_targets: Schema.Array(Schema.Struct({ kind: Onboarding, target: Schema.String, since_ms: Schema.Int })),
  instances: Schema.Array(
    Schema.Struct({
      instance_id: InstanceId,
      model: ModelId,
      rails: Schema.Array(Schema.String),
      off: Schema.Array(Schema.String),
    }),
  ),
})
/** @since 0.1.0 */
export type RailsView = typeof RailsView.Type

const RailName = Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z][A-Za-z0-9-]{0,39}$/)))

/**
 * Which rails shall be on and which off; those that it does not name stay as they are. With `instance_id` for that instance alone.
 *
 * @category models
 * @since 0.1.0
 */
export const RailChanges = Schema.Struct({
  accepts_stripe: Schema.optionalKey(Schema.Boolean),
  accepts_tempo: Schema.optionalKey(Schema.Boolean),
  rails: Schema.optionalKey(Schema.Record(RailName, Schema.Boolean).pipe(Schema.check(Schema.isMaxProperties(20)))),
  instance_id: Schema.optionalKey(InstanceId),
})
/** @since 0.1.0 */
export type RailChanges = typeof RailChanges.Type

/**
 * Where a member is paid to: an account's name, or a wallet's address.
 *
 * @category models
 * @since 0.1.0
 */
export const NewTarget = Schema.Struct({
  target: Schema.String.pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(200))),
})

const target = { id: MemberId, kind: Onboarding }
const strict = { onExcessProperty: "error" } as const

/**
 * The group. Providers see and turn their own; what is set up is noted by an operator, who has checked it.
 *
 * @category groups
 * @since 0.1.0
 */
export class RailsApi extends HttpApiGroup.make("rails")
  .add(
    HttpApiEndpoint.get("rails", "/v1/settings/provider/rails", { success: RailsView, error: errors(503) })
      .annotate(Roles, ["provider"])
      .annotate(OpenApi.Summary, "The rails by which you are paid: which are on, and what others need."),
    HttpApiEndpoint.patch("turnRails", "/v1/settings/provider/rails", {
      payload: RailChanges,
      success: RailsView,
      error: errors(400, 404, 409, 503),
    })
      .annotate(Roles, ["provider"])
      .annotate(HttpApi.PayloadParseOptions, strict)
      .annotate(OpenApi.Summary, "Turn rails on or off, for all of your instances or for one. One stays on."),
    HttpApiEndpoint.put("setTarget", "/v1/operator/members/:id/payout-targets/:kind", {
      params: target,
      payload: NewTarget,
      success: RailsView,
      error: errors(400, 404, 503),
    })
      .annotate(Roles, ["operator"])
      .annotate(HttpApi.PayloadParseOptions, strict)
      .annotate(
        OpenApi.Summary,
        "Note that a member has set up where it is paid to. Check that it is the member's first.",
      ),
    HttpApiEndpoint.delete("removeTarget", "/v1/operator/members/:id/payout-targets/:kind", {
      params: target,
      success: HttpApiSchema.NoContent,
      error: errors(404, 503),
    })
      .annotate(Roles, ["operator"])
      .annotate(
        OpenApi.Summary,
        "Note that a member is paid there no more: the rail that needs it is off from then on.",
      ),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Rails") {}
