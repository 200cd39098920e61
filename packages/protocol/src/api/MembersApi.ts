/**
 * Who takes part: members, their keys, and the end of a device. For operators.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as HttpApi from "effect/http-api/HttpApi"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { Device, DeviceId } from "@guildhall/core/Device"
import { KeyTerms } from "@guildhall/core/KeyTerms"
import { DataCollection, KeyId, Member, MemberId, Role } from "@guildhall/core/Member"
import { Access, Roles } from "./Access.ts"
import { errors } from "./Problem.ts"

/** A restriction that is misspelt must not be none. */
const strict = { onExcessProperty: "error" } as const

const Name = Schema.String.pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(200)))

/**
 * An API key without its secret. `revokedAtMs` is null while it lives.
 *
 * @category models
 * @since 0.1.0
 */
export const KeyView = Schema.Struct({
  id: KeyId,
  member: MemberId,
  name: Schema.String,
  role: Role,
  dataCollection: DataCollection,
  terms: KeyTerms,
  createdAtMs: Schema.Int,
  revokedAtMs: Schema.NullOr(Schema.Int),
})
/** @since 0.1.0 */
export type KeyView = typeof KeyView.Type

/**
 * What a new member is called. With an `id` that exists, the answer is the member that has it.
 *
 * @category models
 * @since 0.1.0
 */
export const NewMember = Schema.Struct({ id: Schema.optionalKey(MemberId), name: Name })

/**
 * What a new key may do. `dataCollection` is `deny` unless told, and without `terms` nothing is restricted but by the
 * market's own limits.
 *
 * @category models
 * @since 0.1.0
 */
export const NewKey = Schema.Struct({
  member: MemberId,
  name: Name,
  role: Role,
  dataCollection: DataCollection.pipe(Schema.withDecodingDefaultKey(Effect.succeed("deny" as const))),
  terms: KeyTerms.pipe(Schema.withDecodingDefaultKey(Effect.succeed({}))),
})

/**
 * A new key with its secret, which is shown here and never again.
 *
 * @category models
 * @since 0.1.0
 */
export const IssuedKey = Schema.Struct({ ...KeyView.fields, secret: Schema.String })
/** @since 0.1.0 */
export type IssuedKey = typeof IssuedKey.Type

/**
 * The group, for keys of the role `operator`. Whatever is changed here is written to the journal.
 *
 * @category groups
 * @since 0.1.0
 */
export class MembersApi extends HttpApiGroup.make("members")
  .add(
    HttpApiEndpoint.post("createMember", "/v1/operator/members", {
      payload: NewMember,
      success: Member.pipe(HttpApiSchema.status(201)),
      error: errors(400, 503),
    }).annotate(OpenApi.Summary, "Create a member, with a buyer's account."),
    HttpApiEndpoint.post("issueKey", "/v1/operator/keys", {
      payload: NewKey,
      success: IssuedKey.pipe(HttpApiSchema.status(201)),
      error: errors(400, 404, 503),
    })
      .annotate(OpenApi.Summary, "Issue an API key. The secret is in this answer and nowhere else.")
      .annotate(HttpApi.PayloadParseOptions, strict),
    HttpApiEndpoint.get("listKeys", "/v1/operator/keys", {
      query: { member: MemberId },
      success: Schema.Struct({ data: Schema.Array(KeyView) }),
      error: errors(503),
    }).annotate(OpenApi.Summary, "A member's keys, newest first."),
    HttpApiEndpoint.put("setTerms", "/v1/operator/keys/:id/terms", {
      params: { id: KeyId },
      payload: KeyTerms,
      success: KeyView,
      error: errors(400, 404, 503),
    })
      .annotate(
        OpenApi.Summary,
        "Give a key other terms, in place of all it had: this gateway goes by them at once, the others within a second.",
      )
      .annotate(HttpApi.PayloadParseOptions, strict),
    HttpApiEndpoint.delete("revokeKey", "/v1/operator/keys/:id", {
      params: { id: KeyId },
      success: KeyView,
      error: errors(404, 503),
    }).annotate(OpenApi.Summary, "Revoke a key: this gateway refuses it at once, the others within a second."),
    HttpApiEndpoint.delete("revokeDevice", "/v1/operator/devices/:id", {
      params: { id: DeviceId },
      success: Device,
      error: errors(404, 503),
    }).annotate(OpenApi.Summary, "End a device for ever: its instances leave the market."),
  )
  .middleware(Access)
  .annotateEndpoints(Roles, ["operator"])
  .annotate(OpenApi.Title, "Members") {}
