/**
 * What a device signs before it works: everything that it serves, under a number that counts up. Whoever holds two that differ
 * under one number holds a proof, signed twice by the device, that it says one thing here and another there.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Canonical from "@guildhall/core/Canonical"
import { DevicePublicKey } from "@guildhall/core/Device"
import { Commitment } from "./DeviceProof.ts"

/**
 * A number of a commitment or of a usage head: what a clock in microseconds could not reach.
 *
 * @category models
 * @since 0.1.0
 */
export const Position = Schema.Int.pipe(
  Schema.check(Schema.isBetween({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER - 1 })),
)

/**
 * A signed commitment: the device's key, the number (the first is 1), what it serves, and an Ed25519 signature over {@link bytes}, in
 * base64url. One with a higher number takes the place of those before it.
 *
 * @category models
 * @since 0.1.0
 */
export const SignedCommitment = Schema.Struct({
  device: DevicePublicKey,
  number: Position,
  serves: Schema.Array(Commitment).pipe(Schema.check(Schema.isMaxLength(64))),
  signature: Schema.String.pipe(Schema.check(Schema.isMaxLength(100))),
})
/** @since 0.1.0 */
export type SignedCommitment = typeof SignedCommitment.Type

/**
 * The bytes that the device signs. SHA-256 of them in hexadecimal is the commitment's digest, by which a receipt names it.
 *
 * @category encoding
 * @since 0.1.0
 */
export const bytes = ({ device, number, serves }: Omit<SignedCommitment, "signature">): Uint8Array =>
  Canonical.bytes({
    what: "guildhall-commitment-v1",
    device,
    number,
    serves: serves.map((commitment) => ({ ...commitment })),
  })
