/**
 * What a router needs to know of a request beyond its model and length. It is kept with the decision, so that the decision
 * can be computed again.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Country, Input, Region } from "./Instance.ts"
import { BuyerClass, MemberId } from "./Member.ts"
import { ModelId } from "./Model.ts"

const Name = Schema.String.pipe(Schema.check(Schema.isMaxLength(100)))
const Count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 })))

/**
 * Who asks: the member, how it stands with the market, and the rail on which it pays (the name of a payment scheme).
 *
 * @category models
 * @since 0.1.0
 */
export const RoutingBuyer = Schema.Struct({ member: MemberId, class: BuyerClass, rail: Name })
/** @since 0.1.0 */
export type RoutingBuyer = typeof RoutingBuyer.Type

/**
 * The features.
 *
 * - `parameters`, `inputs`: members of the body (`tools`, `response_format`, `logprobs` …) and kinds of input that the
 *   request uses. An instance that has declared what it understands, and not this, cannot serve it.
 * - `regions`, `countries`: where alone it may be served. `confidential`: only where the operator cannot look.
 * - `affinity`: the same text for requests that begin alike (one conversation, one `prompt_cache_key`).
 * - `inputTokens`, `outputTokens`: how many there will likely be, of one answer.
 * - `owed`: the models at which this request is one that the market owes to instances of guaranteed tiers (see
 *   `rules/Guarantee`). Mostly the one that was asked for; of others, those that were to take its place.
 *
 * @category models
 * @since 0.1.0
 */
export const RoutingFeatures = Schema.Struct({
  buyer: Schema.optionalKey(RoutingBuyer),
  parameters: Schema.optionalKey(Schema.Array(Name).pipe(Schema.check(Schema.isMaxLength(100)))),
  inputs: Schema.optionalKey(Schema.Array(Input).pipe(Schema.check(Schema.isMaxLength(10)))),
  regions: Schema.optionalKey(Schema.Array(Region).pipe(Schema.check(Schema.isMaxLength(100)))),
  countries: Schema.optionalKey(Schema.Array(Country).pipe(Schema.check(Schema.isMaxLength(300)))),
  confidential: Schema.optionalKey(Schema.Boolean),
  affinity: Schema.optionalKey(Name),
  inputTokens: Schema.optionalKey(Count),
  outputTokens: Schema.optionalKey(Count),
  owed: Schema.optionalKey(Schema.Array(ModelId).pipe(Schema.check(Schema.isMaxLength(100)))),
})
/** @since 0.1.0 */
export type RoutingFeatures = typeof RoutingFeatures.Type
