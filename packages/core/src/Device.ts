/**
 * A machine that a member brings to the market. Its Ed25519 key signs its heartbeats and its usage log and
 * can act for that device only.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { MemberId } from "./Member.ts"

/**
 * The id of a device: `dev_` and the first 32 hexadecimal digits of SHA-256 of its public key; where it has none, of its
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
 * A device as the registry knows it. `sequence` is the highest one it has signed: a message with the same or a
 * lower one is a replay. One without a key never signs.
 *
 * @category models
 * @since 0.1.0
 */
export const Device = Schema.Struct({
  id: DeviceId,
  memberId: MemberId,
  publicKey: Schema.optionalKey(DevicePublicKey),
  state: Schema.Literals(["active", "revoked"]),
  sequence: Schema.Int,
  lastSeenAtMs: Schema.Int,
})
/** @since 0.1.0 */
export type Device = typeof Device.Type
