/**
 * GPUs that members offer by name: registering them, listing those of a region, and changing what they cost.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as HttpApiSchema from "effect/http-api/HttpApiSchema"
import * as OpenApi from "effect/http-api/OpenApi"
import { DeviceId } from "@guildhall/core/Device"
import { InstanceId, InstanceState, Region } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { Access, ByDevice, Roles } from "./Access.ts"
import { DisplayMoney } from "./DisplayMoney.ts"
import { errors } from "./Problem.ts"

/** A GPU's id in a path. */
const Id = Schema.String.pipe(Schema.check(Schema.isPattern(/^gpu_[0-9a-f]{24}$/)))

/** A decimal of whole ones of the market's price asset, for an hour. */
const Price = Schema.String.pipe(Schema.check(Schema.isMaxLength(60)))

/** The name of a pricing strategy of the market. */
const Strategy = Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z][A-Za-z0-9-]{0,59}$/)))

/**
 * The body of `POST /v1/providers/gpus`. `memory_mib` is the GPU's memory in MiB; `base_price_per_hour` a decimal such as `"0.45"`;
 * `strategy` one of the market's, the first where it is left out.
 *
 * @category models
 * @since 0.1.0
 */
export const NewGpu = Schema.Struct({
  name: Schema.String.pipe(Schema.check(Schema.isPattern(/^[!-~](?:[ -~]{0,98}[!-~])?$/))),
  memory_mib: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 16_777_216 }))),
  cuda_version: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isPattern(/^\d{1,3}(?:\.\d{1,4}){0,2}$/)))),
  base_price_per_hour: Price,
  region: Region,
  strategy: Schema.optionalKey(Strategy),
})
/** @since 0.1.0 */
export type NewGpu = typeof NewGpu.Type

/**
 * The body of `PATCH /v1/providers/gpus/:id`. What is left out stays.
 *
 * @category models
 * @since 0.1.0
 */
export const GpuChange = Schema.Struct({
  base_price_per_hour: Schema.optionalKey(Price),
  region: Schema.optionalKey(Region),
  strategy: Schema.optionalKey(Strategy),
})
/** @since 0.1.0 */
export type GpuChange = typeof GpuChange.Type

/**
 * A GPU as anybody sees it who provides on the market. `is_mine` where it is the caller's; `device_id` and `instances`, those that
 * the device has on the market, are there for its owner alone. Times are milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export const GpuView = Schema.Struct({
  id: Id,
  name: Schema.String,
  memory_mib: Schema.Int,
  cuda_version: Schema.NullOr(Schema.String),
  base_price_per_hour: DisplayMoney,
  region: Region,
  strategy: Schema.String,
  is_mine: Schema.Boolean,
  device_id: Schema.NullOr(DeviceId),
  instances: Schema.Array(Schema.Struct({ id: InstanceId, model: ModelId, state: InstanceState })),
  created_at_ms: Schema.Int,
  changed_at_ms: Schema.Int,
})
/** @since 0.1.0 */
export type GpuView = typeof GpuView.Type

/**
 * The group. It takes an API key of the role `provider`, or the signature of a device: that is for the GPUs that the device
 * registered itself.
 *
 * @category groups
 * @since 0.1.0
 */
export class GpusApi extends HttpApiGroup.make("gpus")
  .add(
    HttpApiEndpoint.post("registerOne", "/v1/providers/gpus", {
      payload: NewGpu,
      success: GpuView.pipe(HttpApiSchema.status(201)),
      error: errors(400, 409, 503),
    }).annotate(OpenApi.Summary, "Register a GPU by name, with what an hour of it costs and where it stands."),
    HttpApiEndpoint.get("listAll", "/v1/providers/gpus", {
      query: { region: Schema.optionalKey(Region), owner: Schema.optionalKey(Schema.Literals(["me"])) },
      success: Schema.Struct({ data: Schema.Array(GpuView) }),
      error: errors(503),
    }).annotate(OpenApi.Summary, "The GPUs of the market, of a region or of the caller: at most 1,000, oldest first."),
    HttpApiEndpoint.get("findOne", "/v1/providers/gpus/:id", {
      params: { id: Id },
      success: GpuView,
      error: errors(404, 503),
    }).annotate(OpenApi.Summary, "A GPU."),
    HttpApiEndpoint.patch("changeOne", "/v1/providers/gpus/:id", {
      params: { id: Id },
      payload: GpuChange,
      success: GpuView,
      error: errors(400, 404, 503),
    }).annotate(OpenApi.Summary, "Change what a GPU costs, by which strategy, or where it stands."),
    HttpApiEndpoint.delete("removeOne", "/v1/providers/gpus/:id", {
      params: { id: Id },
      success: HttpApiSchema.NoContent,
      error: errors(404, 503),
    }).annotate(OpenApi.Summary, "Remove a GPU."),
  )
  .middleware(Access)
  .annotateEndpoints(Roles, ["provider"])
  .annotateEndpoints(ByDevice, true)
  .annotate(OpenApi.Title, "GPUs") {}
