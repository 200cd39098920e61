/**
 * Texts that a device signed, and lines that lead from one to the next.
 *
 * @since 0.1.0
 */
import { createHash, createPublicKey, verify } from "node:crypto"
import type { DevicePublicKey } from "@guildhall/core/Device"

/** The fixed head of an Ed25519 key in SPKI (RFC 8410); the 32 raw bytes follow. */
const SPKI_HEAD = Buffer.from("302a300506032b6570032100", "hex")

/**
 * Whether a device's key signed these bytes. Never fails: a key or a signature of another shape is none.
 *
 * @category predicates
 * @since 0.1.0
 */
export const isSigned = (publicKey: DevicePublicKey, bytes: Uint8Array, signature: string): boolean => {
  const raw = Buffer.from(publicKey, "base64url")
  const value = Buffer.from(signature, "base64url")
  if (raw.length !== 32 || value.length !== 64) return false
  return verify(
    null,
    bytes,
    createPublicKey({ key: Buffer.concat([SPKI_HEAD, raw]), format: "der", type: "spki" }),
    value,
  )
}

/**
 * SHA-256 in hexadecimal.
 *
 * @category getters
 * @since 0.1.0
 */
export const sha256 = (bytes: Uint8Array | string): string => createHash("sha256").update(bytes).digest("hex")
