/**
 * What a provider's instances earned, how they stand, what would make them earn more, and what anyone may expect of a machine.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as SchemaTransformation from "effect/SchemaTransformation"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { AssetCode } from "@guildhall/core/Asset"
import { DeviceId } from "@guildhall/core/Device"
import { InstanceId, Region } from "@guildhall/core/Instance"
import { MarketDefinition } from "@guildhall/core/MarketDefinition"
import { ModelId } from "@guildhall/core/Model"
import { Access, ByDevice, Roles } from "./Access.ts"
import { DisplayMoney } from "./DisplayMoney.ts"
import { errors } from "./Problem.ts"

const count = (minimum: number, maximum: number) =>
  Schema.String.pipe(
    Schema.check(Schema.isPattern(/^[0-9]{1,5}$/)),
    Schema.decodeTo(
      Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))),
      SchemaTransformation.numberFromString,
    ),
  )

/**
 * The most days that one question of earnings covers.
 *
 * @category constants
 * @since 0.1.0
 */
export const DAYS_MAX = 366

/**
 * The most rows of a page of earnings.
 *
 * @category constants
 * @since 0.1.0
 */
export const ROWS_MAX = 1_000

/**
 * What some requests came to, as their receipts say.
 *
 * - `gross`: what buyers were charged. `split`: who got how much of that. `fromLoss`: what the platform paid the provider for
 *   requests that a gateway lost. `net`: what the provider earned, its part of the split and that.
 * - `ratePerMillion`: what a million tokens earned, in and out together; null without tokens.
 * - `utilisationBps`: the part of the time and of the declared concurrency that requests took, in basis points; null where the
 *   instance is no longer on the market, since what it declared is not known then.
 *
 * @category models
 * @since 0.1.0
 */
export const EarningsSum = Schema.Struct({
  requests: Schema.Int,
  inputTokens: Schema.Int,
  outputTokens: Schema.Int,
  gross: DisplayMoney,
  split: Schema.Struct({ provider: DisplayMoney, others: DisplayMoney }),
  fromLoss: DisplayMoney,
  net: DisplayMoney,
  ratePerMillion: Schema.NullOr(DisplayMoney),
  utilisationBps: Schema.NullOr(Schema.Int),
})
/** @since 0.1.0 */
export type EarningsSum = typeof EarningsSum.Type

const Whose = Schema.Struct({ instance: InstanceId, device: Schema.NullOr(DeviceId), model: ModelId })

/**
 * Earnings of a member. `instances` sums the whole period for each instance, those that earned most first, `data` each day of UTC
 * (`2026-11-21`), newest first; `next` is the `before` of the next page. `pending` has been earned and may not be paid out yet,
 * `payable` may, and `owed` is what the member owes the market: of all its devices, whatever is asked for.
 *
 * @category models
 * @since 0.1.0
 */
export const EarningsView = Schema.Struct({
  fromMs: Schema.Int,
  toMs: Schema.Int,
  asset: AssetCode,
  total: EarningsSum,
  instances: Schema.Array(Schema.Struct({ ...Whose.fields, ...EarningsSum.fields })),
  data: Schema.Array(Schema.Struct({ day: Schema.String, ...Whose.fields, ...EarningsSum.fields })),
  next: Schema.optionalKey(Schema.String),
  pending: DisplayMoney,
  payable: DisplayMoney,
  owed: DisplayMoney,
})
/** @since 0.1.0 */
export type EarningsView = typeof EarningsView.Type

/**
 * How the instances of a member stand to the market's targets, which are null where it has none. Nulls are what was not measured,
 * or has no target. `measuredBy` says in a sentence each what counts. `requests`: of how many the latency is.
 *
 * @category models
 * @since 0.1.0
 */
export const TargetsView = Schema.Struct({
  targets: Schema.NullOr(Schema.Struct({ latencyMs: Schema.Int, uptimeBps: Schema.Int })),
  windowDays: Schema.Int,
  measuredBy: Schema.Struct({ latency: Schema.String, uptime: Schema.String }),
  data: Schema.Array(
    Schema.Struct({
      ...Whose.fields,
      latency: Schema.Struct({
        measuredMs: Schema.NullOr(Schema.Int),
        targetMs: Schema.NullOr(Schema.Int),
        met: Schema.NullOr(Schema.Boolean),
        requests: Schema.Int,
      }),
      uptime: Schema.Struct({
        measuredBps: Schema.NullOr(Schema.Int),
        targetBps: Schema.NullOr(Schema.Int),
        met: Schema.NullOr(Schema.Boolean),
      }),
    }),
  ),
})
/** @since 0.1.0 */
export type TargetsView = typeof TargetsView.Type

/**
 * What a member could do about an instance. While it is `counting`, nothing is advised until `speaksAtMs`. `numbers` are the
 * figures that led to an advice, `effect` what it would have brought a day in the period from `fromMs` to `toMs`; the first
 * brings the most.
 *
 * @category models
 * @since 0.1.0
 */
export const GuidanceView = Schema.Struct({
  data: Schema.Array(
    Schema.Struct({
      ...Whose.fields,
      state: Schema.Literals(["counting", "ready"]),
      sinceMs: Schema.Int,
      speaksAtMs: Schema.Int,
      fromMs: Schema.Int,
      toMs: Schema.Int,
      advice: Schema.Array(
        Schema.Struct({
          code: Schema.String,
          text: Schema.String,
          numbers: Schema.Record(Schema.String, Schema.Union([Schema.Finite, Schema.String])),
          effect: Schema.Struct({ requestsPerDay: Schema.Finite, earnedPerDay: Schema.NullOr(DisplayMoney) }),
        }),
      ),
    }),
  ),
})
/** @since 0.1.0 */
export type GuidanceView = typeof GuidanceView.Type

const MoneyRange = Schema.Struct({ low: DisplayMoney, median: DisplayMoney, high: DisplayMoney })

/**
 * What a device of a class may earn a day, from what such devices earned on the market's last whole days: the middle, and what
 * nine in ten days exceeded and one in ten did (`low` and `high`). Where fewer than `providersNeeded` providers stand behind it, or
 * one of them for too much, `state` is `too_few`, `reason` says why, and there is no figure.
 *
 * - `atUptime`: the same as if the devices had been online for 80 % and for 90 % of the time: empty where that is not known.
 * - `assumptions`: what the figures take for given; `tierFactorBps` is what a tier multiplies them by, here 10,000: once.
 *
 * @category models
 * @since 0.1.0
 */
export const EstimatesView = Schema.Struct({
  state: Schema.Literals(["known", "too_few"]),
  reason: Schema.optionalKey(Schema.String),
  class: Schema.NullOr(Schema.String),
  model: Schema.NullOr(ModelId),
  region: Schema.NullOr(Region),
  windowDays: Schema.Int,
  providersNeeded: Schema.Int,
  perDeviceDay: Schema.optionalKey(MoneyRange),
  atUptime: Schema.Array(Schema.Struct({ uptimeBps: Schema.Int, perDeviceDay: MoneyRange })),
  perMillionTokens: Schema.optionalKey(DisplayMoney),
  devices: Schema.optionalKey(Schema.Int),
  deviceDays: Schema.optionalKey(Schema.Int),
  assumptions: Schema.Struct({
    uptimeBps: Schema.NullOr(Schema.Int),
    tierFactorBps: Schema.Int,
    providerShareBps: Schema.Int,
    prices: MarketDefinition.fields.prices,
    said: Schema.Array(Schema.String),
  }),
})
/** @since 0.1.0 */
export type EstimatesView = typeof EstimatesView.Type

const whose = { instance: Schema.optionalKey(InstanceId), device: Schema.optionalKey(DeviceId) }

/**
 * The group. A provider sees its own, a device that signs what is its; `estimates` needs no key.
 *
 * @category groups
 * @since 0.1.0
 */
export class EarningsApi extends HttpApiGroup.make("earnings")
  .add(
    HttpApiEndpoint.get("earnings", "/v1/providers/earnings", {
      query: {
        ...whose,
        gpu: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isPattern(/^gpu_[0-9a-f]{24}$/)))),
        days: Schema.optionalKey(count(1, DAYS_MAX)),
        limit: Schema.optionalKey(count(1, ROWS_MAX)),
        before: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isMaxLength(120)))),
      },
      success: EarningsView,
      error: errors(400, 403, 404, 429, 503),
    })
      .annotate(
        OpenApi.Summary,
        "What the caller's instances earned, by instance and day: 30 days, unless told otherwise.",
      )
      .annotate(
        OpenApi.Description,
        "Summed from the newest revision of each receipt. `gpu` stands for the device that the GPU was registered from. What is pending and payable stands on the caller's accounts.",
      ),
    HttpApiEndpoint.get("targets", "/v1/providers/targets", {
      query: whose,
      success: TargetsView,
      error: errors(403, 404, 503),
    })
      .annotate(OpenApi.Summary, "How the caller's instances stand to the market's targets of latency and uptime.")
      .annotate(
        OpenApi.Description,
        "For people to look at: nothing is taken for a target that is missed. Penalties have rules of their own, and a warning comes first.",
      ),
    HttpApiEndpoint.get("guidance", "/v1/providers/guidance", {
      query: whose,
      success: GuidanceView,
      error: errors(400, 403, 404, 429, 503),
    })
      .annotate(
        OpenApi.Summary,
        "What would have made the caller's instances earn more in the last two days, the most first.",
      )
      .annotate(
        OpenApi.Description,
        "Found by routing the requests of the period once more with one change at a time, and from the prices, latencies, regions and uptimes of the others. An instance is advised once it has been on the market for 48 hours.",
      ),
  )
  .middleware(Access)
  .annotateEndpoints(Roles, ["provider"])
  .annotateEndpoints(ByDevice, true)
  .add(
    HttpApiEndpoint.get("estimates", "/v1/market/estimates", {
      query: {
        class: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,39}$/)))),
        model: Schema.optionalKey(ModelId),
        region: Schema.optionalKey(Region),
      },
      success: EstimatesView,
      error: errors(400, 503),
    })
      .annotate(OpenApi.Summary, "What a device of a class may earn a day, from the market's own last 14 days.")
      .annotate(
        OpenApi.Description,
        "Without a class, a model or a region, those of all. No figure rests on fewer providers than `providersNeeded`: it would tell what one of them earns.",
      ),
  )
  .annotate(OpenApi.Title, "Earnings") {}
