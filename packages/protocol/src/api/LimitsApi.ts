/**
 * How much a key may use, and how much of that is left.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { LimitName, LimitScope } from "@guildhall/core/Allowance"
import { KeyTerms } from "@guildhall/core/KeyTerms"
import { KeyId, MemberId } from "@guildhall/core/Member"
import { Access } from "./Access.ts"
import { errors } from "./Problem.ts"

/**
 * One limit: whose, which, how much it allows, how much of it is used, and of that how much by requests under way.
 * `resetsInMs` is when nothing of it will be used any more if no more requests come; null for requests under way, whose
 * end nobody knows. Money is in cents, with fractions.
 *
 * @category models
 * @since 0.1.0
 */
export const LimitView = Schema.Struct({
  scope: LimitScope,
  name: LimitName,
  limit: Schema.Finite,
  used: Schema.Finite,
  underWay: Schema.Finite,
  resetsInMs: Schema.NullOr(Schema.Int),
})
/** @since 0.1.0 */
export type LimitView = typeof LimitView.Type

/**
 * The limits that apply to a key, and its terms.
 *
 * @category models
 * @since 0.1.0
 */
export const LimitsView = Schema.Struct({
  key: KeyId,
  member: MemberId,
  terms: KeyTerms,
  limits: Schema.Array(LimitView),
})
/** @since 0.1.0 */
export type LimitsView = typeof LimitsView.Type

/**
 * The group.
 *
 * @category groups
 * @since 0.1.0
 */
export class LimitsApi extends HttpApiGroup.make("limits")
  .add(
    HttpApiEndpoint.get("get", "/v1/limits", { success: LimitsView, error: errors(503) }).annotate(
      OpenApi.Summary,
      "The limits of the caller's key, of its member and of the market, and what is used of them.",
    ),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Limits") {}
