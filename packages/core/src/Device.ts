/**
 * A machine that a member brings to the market. Its Ed25519 key signs its heartbeats and its usage log and
 * can act for that device only.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Hardware } from "./Hardware.ts"
import { MemberId } from "./Member.ts"

/**
 * The id of a device: `dev_` and the first 32 hexadecimal digits of SHA-256 of its first public key; where it has none, of its
 * member and the name that it was given.
 *
 * @category models
 * @since 0.1.0
 */
export const DeviceId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^dev_[0-9a-f]{32}$/)),
  Schema.brand("DeviceId"),
)
/** @since 0.1.0 */
export type DeviceId = typeof DeviceId.Type

/**
 * A raw 32-byte Ed25519 public key in base64url without padding (43 characters).
 *
 * @category models
 * @since 0.1.0
 */
export const DevicePublicKey = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^[A-Za-z0-9_-]{43}$/)),
  Schema.brand("DevicePublicKey"),
)
/** @since 0.1.0 */
export type DevicePublicKey = typeof DevicePublicKey.Type

/**
 * What a member calls a device: 1 to 60 printable ASCII characters.
 *
 * @category models
 * @since 0.1.0
 */
export const DeviceName = Schema.String.pipe(Schema.check(Schema.isPattern(/^[!-~](?:[ -~]{0,58}[!-~])?$/)))
/** @since 0.1.0 */
export type DeviceName = typeof DeviceName.Type

/**
 * The versions of what runs on a device, by name, such as `agent` and `engine`: at most 16.
 *
 * @category models
 * @since 0.1.0
 */
export const Versions = Schema.Record(
  Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,31}$/))),
  Schema.String.pipe(Schema.check(Schema.isPattern(/^[!-~](?:[ -~]{0,62}[!-~])?$/))),
).pipe(Schema.check(Schema.isMaxProperties(16)))
/** @since 0.1.0 */
export type Versions = typeof Versions.Type

/**
 * What is known of a device beside its key: its name, and what it said when it was paired. `address` is where it asked
 * from. Nothing here is proved.
 *
 * @category models
 * @since 0.1.0
 */
export const DeviceFacts = Schema.Struct({
  name: Schema.optionalKey(DeviceName),
  hardware: Schema.optionalKey(Hardware),
  versions: Schema.optionalKey(Versions),
  address: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isMaxLength(64)))),
  pairedAtMs: Schema.optionalKey(Schema.Int),
})
/** @since 0.1.0 */
export type DeviceFacts = typeof DeviceFacts.Type

/**
 * The fingerprint of a device's key, by the SHA-256 of the key in hexadecimal: its first 64 bits in four groups, which two
 * people compare in a moment. To find another key with the same one takes about 2^64 tries.
 *
 * **Example** (What the agent prints and the market shows)
 *
 * ```ts
 * import { Device } from "@guildhall/core"
 *
 * Device.fingerprint("a1b2c3d4e5f60718ffff") // => "a1b2 c3d4 e5f6 0718"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const fingerprint = (sha256: string): string => sha256.slice(0, 16).replace(/(.{4})(?=.)/g, "$1 ")

const reading = (minimum: number, maximum: number) =>
  Schema.optionalKey(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum, maximum }))))

/**
 * How a device says it is doing: requests that wait in it, the load of its GPU or processor in percent, its temperature in
 * degrees Celsius, the GPU memory in use in MiB, and versions.
 *
 * @category models
 * @since 0.1.0
 */
export const DeviceStatus = Schema.Struct({
  queue: reading(0, 1_000_000),
  loadPercent: reading(0, 100),
  temperatureCelsius: reading(-60, 250),
  vramUsedMib: reading(0, 16_777_216),
  versions: Schema.optionalKey(Versions),
})
/** @since 0.1.0 */
export type DeviceStatus = typeof DeviceStatus.Type

/**
 * A device as the registry knows it. `sequence` is the highest one it has signed: a message with the same or a
 * lower one is a replay. One without a key never signs. `status` is what its last beat said.
 *
 * @category models
 * @since 0.1.0
 */
export const Device = Schema.Struct({
  id: DeviceId,
  memberId: MemberId,
  publicKey: Schema.optionalKey(DevicePublicKey),
  state: Schema.Literals(["active", "revoked"]),
  facts: DeviceFacts,
  sequence: Schema.Int,
  lastSeenAtMs: Schema.Int,
  status: Schema.NullOr(DeviceStatus),
})
/** @since 0.1.0 */
export type Device = typeof Device.Type
