/**
 * What operators do and see: top-ups, and a look at everything.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { DeviceStatus } from "@guildhall/core/Device"
import { Instance } from "@guildhall/core/Instance"
import { MemberId } from "@guildhall/core/Member"
import { Access, Roles } from "./Access.ts"
import { AccountView } from "./BalanceApi.ts"
import { DisplayMoney } from "./DisplayMoney.ts"
import { errors } from "./Problem.ts"
import { PageQuery, RequestPage } from "./RequestsApi.ts"

/**
 * A top-up: `amount` is a decimal in whole ones of the market's charge asset, such as `"12.50"`; `rail` is one that the
 * definition's `topUps` names, the first unless told. The same `idempotencyKey` tops up once.
 *
 * @category models
 * @since 0.1.0
 */
export const TopUp = Schema.Struct({
  member: MemberId,
  amount: Schema.String.pipe(Schema.check(Schema.isMaxLength(60))),
  idempotencyKey: Schema.String.pipe(Schema.check(Schema.isMinLength(1), Schema.isMaxLength(100))),
  rail: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isMaxLength(100)))),
})
/** @since 0.1.0 */
export type TopUp = typeof TopUp.Type

/**
 * What a top-up did. `replayed` says that it had been made before and nothing new happened.
 *
 * @category models
 * @since 0.1.0
 */
export const ToppedUp = Schema.Struct({
  member: MemberId,
  added: DisplayMoney,
  account: AccountView,
  replayed: Schema.Boolean,
})
/** @since 0.1.0 */
export type ToppedUp = typeof ToppedUp.Type

/**
 * An instance on the market. Times are milliseconds since 1970. `status` is what its device last said of itself, unproved.
 *
 * @category models
 * @since 0.1.0
 */
export const InstanceView = Schema.Struct({
  instance: Instance,
  lastBeatAtMs: Schema.Int,
  registeredAtMs: Schema.Int,
  status: Schema.NullOr(DeviceStatus),
})
/** @since 0.1.0 */
export type InstanceView = typeof InstanceView.Type

/**
 * The group, for keys of the role `operator`.
 *
 * @category groups
 * @since 0.1.0
 */
export class OperatorApi extends HttpApiGroup.make("operator")
  .add(
    HttpApiEndpoint.post("topUp", "/v1/operator/top-ups", {
      payload: TopUp,
      success: ToppedUp,
      error: errors(400, 403, 404, 422, 503),
    }).annotate(OpenApi.Summary, "Top up a buyer through one of the market's rails."),
    HttpApiEndpoint.get("listAccounts", "/v1/operator/accounts", {
      query: {
        after: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isMaxLength(300)))),
        limit: Schema.NumberFromString.pipe(
          Schema.check(Schema.isInt(), Schema.isBetween({ minimum: 1, maximum: 1000 })),
          Schema.withDecodingDefaultKey(Effect.succeed("1000")),
        ),
      },
      success: Schema.Struct({ data: Schema.Array(AccountView), nextAfter: Schema.NullOr(Schema.String) }),
      error: errors(503),
    }).annotate(OpenApi.Summary, "The ledger's accounts by id, a page after the id `after`."),
    HttpApiEndpoint.get("listRequests", "/v1/operator/requests", {
      query: { ...PageQuery, member: Schema.optionalKey(MemberId) },
      success: RequestPage,
      error: errors(503),
    }).annotate(OpenApi.Summary, "Everyone's requests, or a buyer's, newest first."),
    HttpApiEndpoint.get("listInstances", "/v1/operator/instances", {
      success: Schema.Struct({ data: Schema.Array(InstanceView) }),
      error: errors(503),
    }).annotate(OpenApi.Summary, "Every instance that is on the market."),
  )
  .middleware(Access)
  .annotateEndpoints(Roles, ["operator"])
  .annotate(OpenApi.Title, "Operator") {}
