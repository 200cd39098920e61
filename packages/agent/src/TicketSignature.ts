/**
 * Checks the market's signature on a ticket, with its published keys and nothing else.
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"
import type { KeySignature, PublishedKey } from "@guildhall/core/KeyRing"

/**
 * A check of a payload against a signature.
 *
 * @category models
 * @since 0.1.0
 */
export type Verifier = (payload: Uint8Array, signature: KeySignature) => boolean

/**
 * The bytes that a ticket key signs: the purpose is part of them, so a signature for another purpose does not pass.
 *
 * @category encoding
 * @since 0.1.0
 */
export const signed = (payload: Uint8Array): Uint8Array =>
  Buffer.concat([Buffer.from("guildhall-ticket-v1\n"), payload])

const publicKey = (key: PublishedKey) =>
  Crypto.createPublicKey({ format: "jwk", key: { kty: "OKP", crv: "Ed25519", x: key.publicKey } })

/**
 * Makes a check from the market's keys. Keys of other purposes are left out; the others are read once, since a check
 * with a ready key takes about 50 µs.
 *
 * @category constructors
 * @since 0.1.0
 */
export const verifier = (keys: ReadonlyArray<PublishedKey>): Verifier => {
  const ready = new Map<string, Crypto.KeyObject>()
  for (const key of keys) {
    if (key.purpose === "ticket" && /^[A-Za-z0-9_-]{43}$/.test(key.publicKey)) ready.set(key.id, publicKey(key))
  }
  return (payload, signature) => {
    const key = ready.get(signature.keyId)
    const value = Buffer.from(signature.value, "base64url")
    return key !== undefined && value.length === 64 && Crypto.verify(null, signed(payload), key, value)
  }
}
