import { createHash, createPublicKey, verify as verifyEd25519 } from "node:crypto"
import { DeviceId, type DevicePublicKey, fingerprint as inGroups } from "@guildhall/core/Device"
import { InstanceId } from "@guildhall/core/Instance"
import type { MemberId } from "@guildhall/core/Member"
import type { ModelId } from "@guildhall/core/Model"

/** The fixed head of an Ed25519 key in SPKI (RFC 8410); the 32 raw bytes follow. */
const SPKI_HEAD = Buffer.from("302a300506032b6570032100", "hex")

/** Reads base64url of so many bytes, in its one canonical spelling: two spellings would be two names of one key. */
const decode = (text: string, length: number): Buffer | undefined => {
  const bytes = Buffer.from(text, "base64url")
  return bytes.length === length && bytes.toString("base64url") === text ? bytes : undefined
}

/** The id of a device by its key, or undefined where the key is not 32 bytes in canonical base64url. */
export const deviceId = (publicKey: DevicePublicKey): DeviceId | undefined => {
  const raw = decode(publicKey, 32)
  return raw === undefined
    ? undefined
    : DeviceId.make(`dev_${createHash("sha256").update(raw).digest("hex").slice(0, 32)}`)
}

/** The id of a device without a key, by its member and its name there. A key has 32 bytes and what is hashed here more. */
export const keylessId = (member: MemberId, name: string): DeviceId =>
  DeviceId.make(
    `dev_${createHash("sha256").update(`guildhall/keyless/v1\n${member}\n${name}`).digest("hex").slice(0, 32)}`,
  )

/** What people compare a key by. */
export const fingerprint = (publicKey: DevicePublicKey): string =>
  inGroups(createHash("sha256").update(Buffer.from(publicKey, "base64url")).digest("hex"))

/** The id of the instance by which a device serves a model. */
export const instanceId = (device: DeviceId, model: ModelId): InstanceId =>
  InstanceId.make(`ins_${createHash("sha256").update(`${device}\n${model}`).digest("hex").slice(0, 32)}`)

/** Whether the signature, in base64url, was made by this key over these bytes. */
export const verify = (publicKey: DevicePublicKey, bytes: Uint8Array, signature: string): boolean => {
  const raw = decode(publicKey, 32)
  const value = decode(signature, 64)
  if (raw === undefined || value === undefined) return false
  const key = createPublicKey({ key: Buffer.concat([SPKI_HEAD, raw]), format: "der", type: "spki" })
  return verifyEd25519(null, bytes, key, value)
}
