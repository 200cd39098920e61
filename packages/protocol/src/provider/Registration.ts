/**
 * What an agent says of an instance when it joins, and what the market answers.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { DeviceId } from "@guildhall/core/Device"
import { InstanceId } from "@guildhall/core/Instance"
import { PublishedKey } from "@guildhall/core/KeyRing"
import { ModelId } from "@guildhall/core/Model"

const Cents = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100_000_000 })))

/**
 * The body of `POST /v1/providers/register`. Prices are whole cents for a million tokens, context in tokens.
 *
 * @category models
 * @since 0.1.0
 */
export const Registration = Schema.Struct({
  provider_type: Schema.Literals(["agent"]),
  endpoint_url: Schema.String.pipe(Schema.check(Schema.isMaxLength(2000))),
  model: ModelId,
  input_price_per_million: Cents,
  output_price_per_million: Cents,
  context_length_offered: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000_000 }))),
  concurrency: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))),
})
/** @since 0.1.0 */
export type Registration = typeof Registration.Type

/**
 * The answer: ids, how often to beat, and the market's public ticket keys, by which the agent knows a ticket.
 *
 * @category models
 * @since 0.1.0
 */
export const Registered = Schema.Struct({
  device_id: DeviceId,
  instance_id: InstanceId,
  heartbeat_interval_ms: Schema.Int,
  keys: Schema.Array(PublishedKey),
})
/** @since 0.1.0 */
export type Registered = typeof Registered.Type
