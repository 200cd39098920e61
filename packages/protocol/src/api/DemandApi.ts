/**
 * What is asked for: how often each model was of late, who serves it, and at which prices.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { ModelId } from "@guildhall/core/Model"
import { Access, ByDevice } from "./Access.ts"
import { errors } from "./Problem.ts"

/**
 * The prices that instances which are online ask for a million tokens, in whole cents. With an even number of them the median is the
 * lower of the two in the middle, so that it is a price that somebody asks.
 *
 * @category models
 * @since 0.1.0
 */
export const PriceRange = Schema.Struct({ min: Schema.Int, median: Schema.Int, max: Schema.Int })
/** @since 0.1.0 */
export type PriceRange = typeof PriceRange.Type

/** What to ask for a million tokens, in whole cents. */
const Suggested = {
  suggested_input_price_per_million: Schema.Int,
  suggested_output_price_per_million: Schema.Int,
}

/**
 * The demand for a model. `requests_24h` came in the last 24 hours, counted in steps of ten minutes; of them `refused_no_capacity_24h`
 * were not served since every instance was offline, busy or left alone. A provider is a member, however many instances it has
 * online. A range is null where none is; then the suggestion is what providers of the market ask by default, else it is the median.
 *
 * @category models
 * @since 0.1.0
 */
export const ModelDemandView = Schema.Struct({
  model: ModelId,
  requests_24h: Schema.Int,
  refused_no_capacity_24h: Schema.Int,
  providers_online: Schema.Int,
  instances_online: Schema.Int,
  input_price_per_million: Schema.NullOr(PriceRange),
  output_price_per_million: Schema.NullOr(PriceRange),
  ...Suggested,
})
/** @since 0.1.0 */
export type ModelDemandView = typeof ModelDemandView.Type

/**
 * The demand for all models that were asked for in the window or are online, most requests first: at most 1,000. The suggestion beside
 * `data` is for a model that is not in it.
 *
 * @category models
 * @since 0.1.0
 */
export const DemandView = Schema.Struct({
  as_of_ms: Schema.Int,
  window_ms: Schema.Int,
  ...Suggested,
  data: Schema.Array(ModelDemandView),
})
/** @since 0.1.0 */
export type DemandView = typeof DemandView.Type

/**
 * The group. It tells of the market as a whole and of nobody in it, so any key may ask.
 *
 * @category groups
 * @since 0.1.0
 */
export class DemandApi extends HttpApiGroup.make("demand")
  .add(
    HttpApiEndpoint.get("demand", "/v1/providers/demand", {
      query: { model: Schema.optionalKey(ModelId) },
      success: DemandView,
      error: errors(503),
    })
      .annotate(ByDevice, true)
      .annotate(
        OpenApi.Summary,
        "What is asked for: requests of each model in the last day, who serves it, and the prices.",
      ),
  )
  .middleware(Access)
  .annotate(OpenApi.Title, "Demand") {}
