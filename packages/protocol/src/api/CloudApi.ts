/**
 * Accounts in a cloud: a member's own account at a service that speaks OpenAI's API, as a provider here.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { DeviceId } from "@guildhall/core/Device"
import { InstanceId, InstanceState, ProviderName } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { ReasonCode } from "@guildhall/core/Reason"
import { ContextLength, Registration } from "../provider/Registration.ts"
import { Access, Roles } from "./Access.ts"
import { errors } from "./Problem.ts"

/** An account's id in a path. */
const AccountId = Schema.String.pipe(Schema.check(Schema.isPattern(/^cld_[A-Za-z0-9_-]{1,64}$/)))

/** Hidden wherever a request or its errors are shown. What a token may be is the registry's to say. */
const Token = Schema.RedactedFromValue(Schema.String, { label: "token" })

const { endpoint_url: _url, provider: _provider, provider_type: _type, reach: _reach, ...terms } = Registration.fields

/**
 * A model of an account, with the terms of a registration: prices in whole cents, context in tokens, and what is declared.
 * `service_model` is its name at the service; without it, it has the same there as here.
 *
 * @category models
 * @since 0.1.0
 */
export const NewCloudModel = Schema.Struct({
  ...terms,
  context_length_offered: ContextLength,
  service_model: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(200)))),
})
/** @since 0.1.0 */
export type NewCloudModel = typeof NewCloudModel.Type

/**
 * The body of `POST /v1/providers/cloud`. `base_url` is what OpenAI's clients take as such, e.g. `https://api.openai.com/v1`;
 * `token` is what stands after `Authorization: Bearer`; `name` is one among the member's accounts. `provider` is the public
 * name of all its models.
 *
 * @category models
 * @since 0.1.0
 */
export const NewCloudAccount = Schema.Struct({
  name: Schema.String.pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(100))),
  base_url: Schema.String.pipe(Schema.check(Schema.isMaxLength(2000))),
  token: Token,
  provider: Schema.optionalKey(ProviderName),
  models: Schema.Array(NewCloudModel).pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(64))),
})
/** @since 0.1.0 */
export type NewCloudAccount = typeof NewCloudAccount.Type

/**
 * An account as its member sees it. Of the token there are the last four characters and the id of the key that seals it, and
 * no way to get more. `parked` says why the market leaves the account alone, and until when; it is null while it does not.
 * Times are milliseconds since 1970. A model's `state` is null where it is not on the market.
 *
 * @category models
 * @since 0.1.0
 */
export const CloudAccountView = Schema.Struct({
  id: AccountId,
  name: Schema.String,
  base_url: Schema.String,
  token: Schema.Struct({ ends_with: Schema.String, sealed_with: Schema.String }),
  parked: Schema.NullOr(
    Schema.Struct({ code: ReasonCode, because: Schema.String, since_ms: Schema.Int, until_ms: Schema.Int }),
  ),
  created_at_ms: Schema.Int,
  models: Schema.Array(
    Schema.Struct({
      model: ModelId,
      service_model: Schema.String,
      device_id: Schema.NullOr(DeviceId),
      instance_id: Schema.NullOr(InstanceId),
      state: Schema.NullOr(InstanceState),
    }),
  ),
})
/** @since 0.1.0 */
export type CloudAccountView = typeof CloudAccountView.Type

/**
 * The group. The service is asked once whether it takes a token, before the market does.
 *
 * @category groups
 * @since 0.1.0
 */
export class CloudApi extends HttpApiGroup.make("cloud")
  .add(
    HttpApiEndpoint.post("addCloud", "/v1/providers/cloud", {
      payload: NewCloudAccount,
      success: CloudAccountView.pipe(HttpApiSchema.status(201)),
      error: errors(400, 403, 404, 409, 422, 503),
    }).annotate(
      OpenApi.Summary,
      "Serve models from an account at a service. Its token is sealed and never shown again.",
    ),
    HttpApiEndpoint.get("listCloud", "/v1/providers/cloud", {
      success: Schema.Struct({ data: Schema.Array(CloudAccountView) }),
      error: errors(503),
    }).annotate(OpenApi.Summary, "The caller's accounts, oldest first."),
    HttpApiEndpoint.patch("changeCloud", "/v1/providers/cloud/:id", {
      params: { id: AccountId },
      payload: Schema.Struct({ token: Token }),
      success: CloudAccountView,
      error: errors(400, 404, 422, 503),
    }).annotate(OpenApi.Summary, "Give an account another token. It is used everywhere within a second."),
    HttpApiEndpoint.delete("removeCloud", "/v1/providers/cloud/:id", {
      params: { id: AccountId },
      success: HttpApiSchema.NoContent,
      error: errors(404, 503),
    }).annotate(OpenApi.Summary, "Take an account off the market, and forget its token."),
  )
  .middleware(Access)
  .annotateEndpoints(Roles, ["provider"])
  .annotate(OpenApi.Title, "Cloud accounts") {}
