/**
 * The answer of `GET /v1/models`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Endpoint } from "@guildhall/core/Endpoint"
import { Country, Input, Quantization, Region } from "@guildhall/core/Instance"
import { PriceSheet } from "@guildhall/core/PriceSheet"

/**
 * What one unit costs, as a decimal of whole ones of the model's `asset`. The names are OpenRouter's, but for
 * `audio_second`, which it has not: `prompt` and `completion` are tokens, `input_cache_read` is a token that was read from
 * a cache. What is left out costs nothing, but for that one, which then costs what a token of the prompt does.
 *
 * @category models
 * @since 0.1.0
 */
export const Pricing = Schema.Struct({
  prompt: Schema.optionalKey(Schema.String),
  completion: Schema.optionalKey(Schema.String),
  input_cache_read: Schema.optionalKey(Schema.String),
  image: Schema.optionalKey(Schema.String),
  audio_second: Schema.optionalKey(Schema.String),
  request: Schema.optionalKey(Schema.String),
})
/** @since 0.1.0 */
export type Pricing = typeof Pricing.Type

/**
 * A model on the market. The first four members are OpenAI's, and `context_length`, `pricing` and `supported_parameters`
 * are named as OpenRouter does.
 *
 * What the instances that are online declare stands side by side, whoever declared it: one instance need not have all of it.
 * Where `instances_online` is 0 nobody serves the model now, and it is what those declared that are away.
 *
 * - `context_length` is the longest that an instance offers, in tokens.
 * - `pricing` is the cheapest instance's, and `price_sheet` the same, exactly: in the smallest unit of `asset`.
 * - `endpoints` are those that instances speak themselves. A conversation in another dialect is translated.
 * - `quantizations`, `supported_parameters`, `providers`, `regions`, `countries` and `inputs` are what instances declared.
 * - `instances_online` counts who can serve it now, `instances_without_retention` those of them that declared to keep nothing,
 *   and `instances_attested` those that a device key stands behind.
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
  pricing: Pricing,
  price_sheet: PriceSheet,
  asset: Schema.String,
  endpoints: Schema.Array(Endpoint),
  quantizations: Schema.Array(Quantization),
  supported_parameters: Schema.Array(Schema.String),
  providers: Schema.Array(Schema.String),
  regions: Schema.Array(Region),
  countries: Schema.Array(Country),
  inputs: Schema.Array(Input),
  instances_online: Schema.Int,
  instances_without_retention: Schema.Int,
  instances_attested: Schema.Int,
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
