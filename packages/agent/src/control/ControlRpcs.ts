/**
 * What the commands of the command line ask of a running agent, over a socket in its home.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Rpc from "effect/rpc/Rpc"
import * as RpcGroup from "effect/rpc/RpcGroup"
import { AgentError } from "../AgentError.ts"
import { AgentStatus, AskedPrices } from "./AgentStatus.ts"

const { cached_input_price_per_million, input_price_per_million, output_price_per_million } = AskedPrices.fields

/**
 * Prices to ask from now on, in whole cents. What is left out stays.
 *
 * @category models
 * @since 0.1.0
 */
export const PriceChange = Schema.Struct({
  input_price_per_million: Schema.optionalKey(input_price_per_million),
  output_price_per_million: Schema.optionalKey(output_price_per_million),
  cached_input_price_per_million,
  image_price_per_thousand: AskedPrices.fields.image_price_per_thousand,
  audio_second_price_per_thousand: AskedPrices.fields.audio_second_price_per_thousand,
  request_price_per_thousand: AskedPrices.fields.request_price_per_thousand,
})
/** @since 0.1.0 */
export type PriceChange = typeof PriceChange.Type

/**
 * What became of a change of prices: the market asks them `now`, or `soon`, once it is there again.
 *
 * @category models
 * @since 0.1.0
 */
export const PricesSet = Schema.Struct({ prices: AskedPrices, holds: Schema.Literals(["now", "soon"]) })
/** @since 0.1.0 */
export type PricesSet = typeof PricesSet.Type

/**
 * A question to the market that the agent signs with its key; only what stands under these paths.
 *
 * @category models
 * @since 0.1.0
 */
export const MarketQuestion = Schema.Struct({
  method: Schema.Literals(["GET", "POST", "PATCH", "PUT", "DELETE"]),
  path: Schema.String.pipe(
    Schema.check(Schema.isPattern(/^\/v1\/(?:providers|settings\/provider)(?:[/?]|$)/), Schema.isMaxLength(2000)),
  ),
  body: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isMaxLength(65_536)))),
})
/** @since 0.1.0 */
export type MarketQuestion = typeof MarketQuestion.Type

/**
 * The calls.
 *
 * - `Status`: how it is doing.
 * - `SetPrices`: asks other prices, without a restart; what is under way is paid as it was asked.
 * - `AskMarket`: asks the market in the device's name; the answer is its JSON.
 * - `Drain`: takes nothing more, and stops when everything under way has ended.
 *
 * @category groups
 * @since 0.1.0
 */
export class ControlRpcs extends RpcGroup.make(
  Rpc.make("Status", { success: AgentStatus }),
  Rpc.make("SetPrices", { payload: PriceChange, success: PricesSet, error: AgentError }),
  Rpc.make("AskMarket", { payload: MarketQuestion, success: Schema.String, error: AgentError }),
  Rpc.make("Drain", { payload: { limitMs: Schema.Int }, success: Schema.Void }),
) {}
