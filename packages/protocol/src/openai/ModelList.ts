/**
 * The answer of `GET /v1/models`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { PriceSheet } from "@guildhall/core/PriceSheet"

/**
 * A model on the market. The first four members are OpenAI's; `context_length` is the longest that an instance
 * offers, in tokens; `pricing` is the cheapest sheet; `instances_online` counts who can serve it now.
 *
 * @category models
 * @since 0.1.0
 */
export const Model = Schema.Struct({
  id: Schema.String,
  object: Schema.Literal("model"),
  created: Schema.Int,
  owned_by: Schema.String,
  context_length: Schema.Int,
  pricing: PriceSheet,
  asset: Schema.String,
  instances_online: Schema.Int,
})
/** @since 0.1.0 */
export type Model = typeof Model.Type

/**
 * The list of models.
 *
 * @category models
 * @since 0.1.0
 */
export const ModelList = Schema.Struct({ object: Schema.Literal("list"), data: Schema.Array(Model) })
/** @since 0.1.0 */
export type ModelList = typeof ModelList.Type

/** The list as JSON: amounts as strings. @category encoding @since 0.1.0 */
export const ModelListJson = Schema.toCodecJson(ModelList)
/** One model as JSON. @category encoding @since 0.1.0 */
export const ModelJson = Schema.toCodecJson(Model)
