/**
 * Devices to test a registry with: fresh keys, so a suite can run twice on one database.
 *
 * @since 0.1.0
 */
import { generateKeyPairSync, randomBytes, sign } from "node:crypto"
import { DevicePublicKey } from "@guildhall/core/Device"
import { MemberId } from "@guildhall/core/Member"
import { ModelId } from "@guildhall/core/Model"
import { perMillionCents } from "@guildhall/core/PriceSheet"
import * as SignedRequest from "@guildhall/protocol/provider/SignedRequest"
import type { SignedMessage } from "../Devices.ts"
import type { Registration } from "../Registration.ts"

/** A member that no test has used. @since 0.1.0 */
export const member = (): MemberId => MemberId.make(`mem_${randomBytes(8).toString("hex")}`)

/** A device: its key, a signer, and the terms that it would register with. @since 0.1.0 */
export interface SampleDevice {
  readonly publicKey: DevicePublicKey
  /** Signs any bytes, in base64url. */
  readonly signBytes: (bytes: Uint8Array) => string
  readonly sign: (message: Partial<Omit<SignedMessage, "publicKey" | "signature">>) => SignedMessage
  readonly registration: (values?: Partial<Registration>) => Registration
}

/** Makes a device of a member with a new key. @since 0.1.0 */
export const make = (memberId: MemberId = member()): SampleDevice => {
  const pair = generateKeyPairSync("ed25519")
  const raw = pair.publicKey.export({ format: "der", type: "spki" }).subarray(-32)
  const publicKey = DevicePublicKey.make(raw.toString("base64url"))
  return {
    publicKey,
    signBytes: (bytes) => sign(null, bytes, pair.privateKey).toString("base64url"),
    sign: (values) => {
      const message = {
        method: "POST",
        path: "/v1/providers/heartbeat",
        issuedAtMs: 0,
        sequence: 1,
        body: new TextEncoder().encode('{"instances":[]}'),
        ...values,
      }
      const signature = sign(null, SignedRequest.bytes(message), pair.privateKey).toString("base64url")
      return { ...message, publicKey, signature }
    },
    registration: (values) => ({
      memberId,
      publicKey,
      model: ModelId.make("guildhall/demo"),
      reach: { _tag: "Endpoint", url: "https://gpu.example.com:8443" },
      price: perMillionCents({ input: 100n, output: 200n }),
      contextLength: 8192,
      concurrency: 4,
      ...values,
    }),
  }
}
