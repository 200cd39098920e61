/**
 * What an agent says at every beat, and what the market answers.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { InstanceId } from "@guildhall/core/Instance"
import { DeviceStatus } from "@guildhall/core/Device"
import { PublishedKey } from "@guildhall/core/KeyRing"
import { RequestId } from "@guildhall/core/Request"
import { TunnelUrls } from "./TunnelHello.ts"
import { UsageReport } from "./UsageLog.ts"

/**
 * The body of `POST /v1/providers/heartbeat`. `state` is `draining` once the agent is stopping.
 *
 * - `nonce`: what the market answered to the beat before, or to the registration. So no beat can be made ahead of its time.
 * - The others are how the device is doing, as `DeviceStatus` has it. They are shown and not believed.
 *
 * @category models
 * @since 0.1.0
 */
export const Heartbeat = Schema.Struct({
  nonce: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isMaxLength(64)))),
  instances: Schema.Array(
    Schema.Struct({
      instance_id: InstanceId,
      state: Schema.Literals(["serving", "draining"]),
      in_flight: Schema.Int,
    }),
  ),
  usage: Schema.optionalKey(UsageReport),
  queue: DeviceStatus.fields.queue,
  load_percent: DeviceStatus.fields.loadPercent,
  temperature_celsius: DeviceStatus.fields.temperatureCelsius,
  vram_used_mib: DeviceStatus.fields.vramUsedMib,
  versions: DeviceStatus.fields.versions,
})
/** @since 0.1.0 */
export type Heartbeat = typeof Heartbeat.Type

/**
 * The answer. Lines up to `acknowledged` may be forgotten: each is settled, paid as a claim, or refused for a reason.
 * The next beat carries `nonce`. `entry` is there where the market checks who enters: under this path, with the instance's id, it
 * says what it found.
 *
 * @category models
 * @since 0.1.0
 */
export const HeartbeatAnswer = Schema.Struct({
  acknowledged: Schema.Int,
  refused: Schema.Array(Schema.Struct({ request_id: RequestId, code: Schema.String })),
  nonce: Schema.String,
  heartbeat_interval_ms: Schema.Int,
  keys: Schema.Array(PublishedKey),
  tunnels: Schema.optionalKey(TunnelUrls),
  entry: Schema.optionalKey(Schema.String),
})
/** @since 0.1.0 */
export type HeartbeatAnswer = typeof HeartbeatAnswer.Type
