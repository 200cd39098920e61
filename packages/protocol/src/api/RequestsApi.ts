/**
 * What became of a member's requests, and why they went where they went.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { DeviceId } from "@guildhall/core/Device"
import { Endpoint } from "@guildhall/core/Endpoint"
import { InstanceId } from "@guildhall/core/Instance"
import { KeyId, MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import { PriceSheet } from "@guildhall/core/PriceSheet"
import { ProviderPreferencesJson } from "@guildhall/core/ProviderPreferences"
import { ReasonCode } from "@guildhall/core/Reason"
import { Outcome, UsageSource } from "@guildhall/core/Receipt"
import { RequestId } from "@guildhall/core/Request"
import { RoutingFeatures } from "@guildhall/core/RoutingFeatures"
import { Party } from "@guildhall/core/rules/Split"
import { Usage } from "@guildhall/core/Usage"
import { Access } from "./Access.ts"
import { DisplayMoney } from "./DisplayMoney.ts"
import { errors } from "./Problem.ts"

/**
 * A request. Times are milliseconds since 1970. `refused` is one that was turned away before any money was held; it
 * has a reason, no receipt, and no charge.
 *
 * @category models
 * @since 0.1.0
 */
export const RequestView = Schema.Struct({
  id: RequestId,
  outcome: Schema.Literals([...Outcome.literals, "refused"]),
  reason: Schema.NullOr(ReasonCode),
  model: Schema.NullOr(Schema.String),
  buyer: Schema.NullOr(MemberId),
  keyId: Schema.NullOr(KeyId),
  provider: Schema.NullOr(MemberId),
  device: Schema.NullOr(DeviceId),
  instance: Schema.NullOr(InstanceId),
  usage: Usage,
  usageSource: UsageSource,
  price: PriceSheet,
  charge: DisplayMoney,
  split: Schema.Array(Schema.Struct({ party: Party, amount: DisplayMoney })),
  paidFromLoss: DisplayMoney,
  attempts: Schema.Int,
  revision: Schema.Int,
  startedAtMs: Schema.Int,
  firstByteAtMs: Schema.NullOr(Schema.Int),
  endedAtMs: Schema.Int,
})
/** @since 0.1.0 */
export type RequestView = typeof RequestView.Type

/**
 * How a list is paged: at most `limit` items (20 unless told, 100 at most), older than the one with the id `before`.
 *
 * @category models
 * @since 0.1.0
 */
export const PageQuery = {
  before: Schema.optionalKey(RequestId),
  limit: Schema.NumberFromString.pipe(
    Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 100 })),
    Schema.withDecodingDefaultKey(Effect.succeed("20")),
  ),
}

/**
 * A page of requests, newest first. `nextBefore` is what to ask for next, null on the last page.
 *
 * @category models
 * @since 0.1.0
 */
export const RequestPage = Schema.Struct({
  data: Schema.Array(RequestView),
  nextBefore: Schema.NullOr(RequestId),
})
/** @since 0.1.0 */
export type RequestPage = typeof RequestPage.Type

/** Who could serve, the best first, and who could not. */
const RankingFields = {
  ranked: Schema.Array(Schema.Struct({ instance: InstanceId, because: Schema.String })),
  excluded: Schema.Array(Schema.Struct({ instance: InstanceId, code: ReasonCode, because: Schema.String })),
}

/**
 * How a request was routed, computed again from the directory's log: for each attempt every instance of the model, in
 * its rank and why, or why it was left out. `replica`, `version` and `seed` say on which state it was decided. What the
 * router knew of the request are its `endpoint`, what the buyer prefers and `features`; these two are null for a
 * caller who is not the buyer, and where there is nothing.
 * An attempt's `model` is the one that took the place of the one asked for, null where none did; `passed` are the models that
 * had nobody left then, for the buyer only. `unattested` are the instances in its ranking that no device key stands behind.
 *
 * @category models
 * @since 0.1.0
 */
export const ExplanationView = Schema.Struct({
  id: RequestId,
  model: Schema.String,
  contextTokens: Schema.Int,
  endpoint: Schema.NullOr(Endpoint),
  preferences: Schema.NullOr(ProviderPreferencesJson),
  features: Schema.NullOr(RoutingFeatures),
  policy: Schema.String,
  replica: Schema.String,
  version: Schema.Int,
  seed: Schema.Int,
  attempts: Schema.Array(
    Schema.Struct({
      chosen: Schema.NullOr(InstanceId),
      model: Schema.NullOr(ModelId),
      reason: Schema.NullOr(ReasonCode),
      ...RankingFields,
      unattested: Schema.Array(InstanceId),
      passed: Schema.Array(Schema.Struct({ model: ModelId, ...RankingFields })),
    }),
  ),
})
/** @since 0.1.0 */
export type ExplanationView = typeof ExplanationView.Type

/**
 * The group. A member sees the requests that it bought or served; what is someone else's is `not_found`.
 *
 * @category groups
 * @since 0.1.0
 */
export class RequestsApi extends HttpApiGroup.make("requests")
  .add(
    HttpApiEndpoint.get("list", "/v1/requests", {
      query: PageQuery,
      success: RequestPage,
      error: errors(503),
    }).annotate(OpenApi.Summary, "The requests that the caller made, newest first."),
    HttpApiEndpoint.get("get", "/v1/requests/:id", {
      params: { id: RequestId },
      success: RequestView,
      error: errors(404, 503),
    }).annotate(OpenApi.Summary, "One request."),
    HttpApiEndpoint.get("explain", "/v1/requests/:id/explain", {
      params: { id: RequestId },
      success: ExplanationView,
      error: errors(404, 503),
    }).annotate(OpenApi.Summary, "Why a request went where it went, computed again from the log."),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Requests") {}
