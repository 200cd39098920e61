/**
 * How a running agent is doing, as it says itself.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { DeviceId } from "@guildhall/core/Device"
import { Endpoint } from "@guildhall/core/Endpoint"
import { InstanceId } from "@guildhall/core/Instance"
import { Registration } from "@guildhall/protocol/provider/Registration"

const Cents = Registration.fields.input_price_per_million

/**
 * The prices of an agent, in whole cents, as a registration has them.
 *
 * @category models
 * @since 0.1.0
 */
export const AskedPrices = Schema.Struct({
  input_price_per_million: Cents,
  output_price_per_million: Cents,
  cached_input_price_per_million: Schema.optionalKey(Cents),
  image_price_per_thousand: Schema.optionalKey(Cents),
  audio_second_price_per_thousand: Schema.optionalKey(Cents),
  request_price_per_thousand: Schema.optionalKey(Cents),
})
/** @since 0.1.0 */
export type AskedPrices = typeof AskedPrices.Type

/**
 * What an agent does: it `starts` (looks for its model and loads it), it `joins` the market, or waits for it; it `serves`; it
 * `drains`.
 *
 * @category models
 * @since 0.1.0
 */
export const Phase = Schema.Literals(["starts", "joins", "serves", "drains"])
/** @since 0.1.0 */
export type Phase = typeof Phase.Type

/**
 * The status. `way` is how requests come; `instances` are there once the market has taken them. Times are milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export const AgentStatus = Schema.Struct({
  phase: Phase,
  pid: Schema.Int,
  version: Schema.String,
  startedAtMs: Schema.Int,
  home: Schema.String,
  market: Schema.String,
  device: DeviceId,
  fingerprint: Schema.String,
  engine: Schema.NullOr(Schema.String),
  way: Schema.NullOr(Schema.String),
  endpoints: Schema.Array(Endpoint),
  concurrency: Schema.NullOr(Schema.Int),
  prices: AskedPrices,
  instances: Schema.Array(
    Schema.Struct({ id: InstanceId, model: Schema.String, contextLength: Schema.Int, inFlight: Schema.Int }),
  ),
  readings: Schema.Struct({
    loadPercent: Schema.optionalKey(Schema.Int),
    temperatureCelsius: Schema.optionalKey(Schema.Int),
    vramUsedMib: Schema.optionalKey(Schema.Int),
  }),
})
/** @since 0.1.0 */
export type AgentStatus = typeof AgentStatus.Type
