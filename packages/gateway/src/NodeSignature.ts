/**
 * Signing for a gateway on Node. Every dispatch carries a ticket, so a market signs once for each request: `node:crypto`
 * does it on the spot, in half the CPU time of WebCrypto, which hands each signature to another thread and back.
 *
 * @since 0.1.0
 */
import { createPrivateKey, type KeyObject, sign } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Signature from "effect/crypto/Signature"

/** The fixed head of an Ed25519 private key in PKCS#8 (RFC 8410); the 32 bytes of the seed follow. */
const PKCS8_HEAD = Buffer.from("302e020100300506032b657004220420", "hex")

/**
 * Makes the service over another one, which does everything but sign with Ed25519.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (other: Signature.Signature["Service"]): Signature.Signature["Service"] => {
  const keys = new WeakMap<Signature.PrivateKey, KeyObject>()

  const keyOf = Effect.fnUntraced(function* (privateKey: Signature.PrivateKey) {
    const seed = yield* Signature.toBytes(privateKey)
    const key = createPrivateKey({ key: Buffer.concat([PKCS8_HEAD, seed]), format: "der", type: "pkcs8" })
    keys.set(privateKey, key)
    return key
  })

  return Signature.Signature.of({
    ...other,
    sign: (privateKey, data) => {
      if (privateKey.algorithm._tag !== "Ed25519") return other.sign(privateKey, data)
      const known = keys.get(privateKey)
      return known === undefined
        ? Effect.map(keyOf(privateKey), (key) => new Uint8Array(sign(null, data, key)))
        : Effect.sync(() => new Uint8Array(sign(null, data, known)))
    },
  })
}

/**
 * The service over the one in context, such as `NodeCrypto.layer`'s. Give it to the key ring's layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Signature.Signature, never, Signature.Signature> = Layer.effect(
  Signature.Signature,
  Effect.map(Signature.Signature, make),
)
