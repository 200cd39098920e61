/**
 * What an agent says at every beat, and what the market answers.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { InstanceId } from "@guildhall/core/Instance"
import { PublishedKey } from "@guildhall/core/KeyRing"
import { RequestId } from "@guildhall/core/Request"
import { UsageReport } from "./UsageLog.ts"

/**
 * The body of `POST /v1/providers/heartbeat`. `state` is `draining` once the agent is stopping.
 *
 * @category models
 * @since 0.1.0
 */
export const Heartbeat = Schema.Struct({
  instances: Schema.Array(
    Schema.Struct({
      instance_id: InstanceId,
      state: Schema.Literals(["serving", "draining"]),
      in_flight: Schema.Int,
    }),
  ),
  usage: Schema.optionalKey(UsageReport),
})
/** @since 0.1.0 */
export type Heartbeat = typeof Heartbeat.Type

/**
 * The answer. Lines up to `acknowledged` may be forgotten: each is settled, paid as a claim, or refused for a reason.
 *
 * @category models
 * @since 0.1.0
 */
export const HeartbeatAnswer = Schema.Struct({
  acknowledged: Schema.Int,
  refused: Schema.Array(Schema.Struct({ request_id: RequestId, code: Schema.String })),
  heartbeat_interval_ms: Schema.Int,
  keys: Schema.Array(PublishedKey),
})
/** @since 0.1.0 */
export type HeartbeatAnswer = typeof HeartbeatAnswer.Type
