/**
 * What a buyer asks of the instance that serves a request: which may, at what price, and which rather than others.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Quantization } from "./Instance.ts"
import { NonNegativeAmount } from "./Money.ts"

/** So many names or values stand in a list at most. */
const LIST_MAX = 100

const Names = Schema.Array(Schema.String.pipe(Schema.check(Schema.isMaxLength(100)))).pipe(
  Schema.check(Schema.isMaxLength(LIST_MAX)),
)

/**
 * The shares of an instance's recent answers that are measured.
 *
 * @category models
 * @since 0.1.0
 */
export const Percentile = Schema.Literals(["p50", "p75", "p90", "p99"])
/** @since 0.1.0 */
export type Percentile = typeof Percentile.Type

const Bounds = Schema.Struct({
  p50: Schema.optionalKey(Schema.Finite),
  p75: Schema.optionalKey(Schema.Finite),
  p90: Schema.optionalKey(Schema.Finite),
  p99: Schema.optionalKey(Schema.Finite),
})

/**
 * Bounds by percentile; each that is given counts.
 *
 * @category models
 * @since 0.1.0
 */
export type Bounds = typeof Bounds.Type

/**
 * The preferences.
 *
 * - `order`: providers in the order in which they are tried; `fallbacks: false` lets no other be tried after them or,
 *   where there is no order, after the first.
 * - `only`, `ignore`: providers that alone may serve, or that may not. A provider is named by its public name, or by the id
 *   of the member, the device or the instance.
 * - `parameters`: members of the request that the instance must have declared to understand.
 * - `quantizations`: precisions of the weights that are accepted; one that is not declared is not.
 * - `maxPrice`: the most for a million tokens, a request or an image, in the smallest unit of the price's asset.
 * - `denyRetention`: the instance must have declared that it keeps nothing.
 * - `sort`: what the instances are ordered by. `throughputMin` (tokens a second) and `latencyMaxMs` (to the first token)
 *   put those that miss them behind the others, and leave none out.
 *
 * @category models
 * @since 0.1.0
 */
export const ProviderPreferences = Schema.Struct({
  order: Schema.optionalKey(Names),
  only: Schema.optionalKey(Names),
  ignore: Schema.optionalKey(Names),
  fallbacks: Schema.optionalKey(Schema.Boolean),
  parameters: Schema.optionalKey(Names),
  quantizations: Schema.optionalKey(Schema.Array(Quantization).pipe(Schema.check(Schema.isMaxLength(LIST_MAX)))),
  maxPrice: Schema.optionalKey(
    Schema.Struct({
      inputTokens: Schema.optionalKey(NonNegativeAmount),
      outputTokens: Schema.optionalKey(NonNegativeAmount),
      request: Schema.optionalKey(NonNegativeAmount),
      image: Schema.optionalKey(NonNegativeAmount),
    }),
  ),
  denyRetention: Schema.optionalKey(Schema.Boolean),
  sort: Schema.optionalKey(Schema.Literals(["price", "throughput", "latency"])),
  throughputMin: Schema.optionalKey(Bounds),
  latencyMaxMs: Schema.optionalKey(Bounds),
})
/** @since 0.1.0 */
export type ProviderPreferences = typeof ProviderPreferences.Type

/**
 * How preferences travel in JSON: amounts as texts.
 *
 * @category models
 * @since 0.1.0
 */
export const ProviderPreferencesJson = Schema.toCodecJson(ProviderPreferences)
