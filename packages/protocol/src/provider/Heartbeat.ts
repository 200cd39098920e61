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
import { Attested } from "./Attested.ts"
import { SignedCommitment } from "./SignedCommitment.ts"
import { TunnelUrls } from "./TunnelHello.ts"
import { UsageReport } from "./UsageLog.ts"

/**
 * The body of `POST /v1/providers/heartbeat`. `state` is `draining` once the agent is stopping.
 *
 * - `nonce`: what the market answered to the beat before, or to the registration. So no beat can be made ahead of its time.
 * - `usage`: lines of the log, or its signed head alone. `commitment`: what the device serves, where the market does not hold it.
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
  commitment: Schema.optionalKey(SignedCommitment),
  queue: DeviceStatus.fields.queue,
  load_percent: DeviceStatus.fields.loadPercent,
  temperature_celsius: DeviceStatus.fields.temperatureCelsius,
  vram_used_mib: DeviceStatus.fields.vramUsedMib,
  versions: DeviceStatus.fields.versions,
})
/** @since 0.1.0 */
export type Heartbeat = typeof Heartbeat.Type

/**
 * Something that the market warns a device of: an id, a stable code, a sentence with what to do, since when it is so, and until when it
 * may be mended before anything follows from it. Times are milliseconds since 1970.
 *
 * @category models
 * @since 0.1.0
 */
export const Warning = Schema.Struct({
  id: Schema.String.pipe(Schema.check(Schema.isMaxLength(64))),
  code: Schema.String.pipe(Schema.check(Schema.isMaxLength(60))),
  detail: Schema.String.pipe(Schema.check(Schema.isMaxLength(2_000))),
  since_ms: Schema.Int,
  deadline_ms: Schema.optionalKey(Schema.Int),
})
/** @since 0.1.0 */
export type Warning = typeof Warning.Type

/**
 * The answer. Lines up to `acknowledged` may be forgotten: each is settled, paid as a claim, or refused for a reason.
 * The next beat carries `nonce`. `entry` is there where the market checks who enters: under this path, with the instance's id, it
 * says what it found. `attested` is what the market holds that the device has signed; `warnings` are at most 32.
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
  attested: Schema.optionalKey(Attested),
  warnings: Schema.optionalKey(Schema.Array(Warning).pipe(Schema.check(Schema.isMaxLength(32)))),
})
/** @since 0.1.0 */
export type HeartbeatAnswer = typeof HeartbeatAnswer.Type
