/**
 * How a market finds out that the device's key stands behind an endpoint: it makes up a nonce, asks for a proof through the
 * endpoint, and gets it signed, together with what the device commits to serve.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Canonical from "@guildhall/core/Canonical"
import { DevicePublicKey } from "@guildhall/core/Device"
import { Quantization } from "@guildhall/core/Instance"
import { ModelId } from "@guildhall/core/Model"
import { TokenizerDigest } from "@guildhall/core/Tokenizer"

/**
 * Where an agent answers with a proof: `GET` with the nonce as `?nonce=`.
 *
 * @category constants
 * @since 0.1.0
 */
export const PATH = "/.well-known/guildhall-device"

/**
 * A nonce: 32 random bytes in base64url. An agent signs nothing else.
 *
 * @category models
 * @since 0.1.0
 */
export const Nonce = Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z0-9_-]{43}$/)))

/**
 * What a device says it serves under a model's id. `weights` is SHA-256 of the file of weights, in hexadecimal, where there is
 * one; `engine` the name of what runs them.
 *
 * @category models
 * @since 0.1.0
 */
export const Commitment = Schema.Struct({
  model: ModelId,
  contextLength: Schema.Int,
  weights: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/)))),
  quantization: Schema.optionalKey(Quantization),
  tokenizer: Schema.optionalKey(TokenizerDigest),
  engine: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isMaxLength(80)))),
})
/** @since 0.1.0 */
export type Commitment = typeof Commitment.Type

/**
 * A proof: the device's key, the nonce, what it serves, and an Ed25519 signature over {@link bytes}, in base64url.
 *
 * @category models
 * @since 0.1.0
 */
export const DeviceProof = Schema.Struct({
  device: DevicePublicKey,
  nonce: Nonce,
  serves: Schema.Array(Commitment).pipe(Schema.check(Schema.isMaxLength(64))),
  signature: Schema.String.pipe(Schema.check(Schema.isMaxLength(100))),
})
/** @since 0.1.0 */
export type DeviceProof = typeof DeviceProof.Type

/**
 * The bytes that the device signs. They begin with what they are for, so they are nothing else that a device signs.
 *
 * @category encoding
 * @since 0.1.0
 */
export const bytes = ({ device, nonce, serves }: Omit<DeviceProof, "signature">): Uint8Array =>
  Canonical.bytes({
    what: "guildhall-device-proof-v1",
    device,
    nonce,
    serves: serves.map((commitment) => ({ ...commitment })),
  })
