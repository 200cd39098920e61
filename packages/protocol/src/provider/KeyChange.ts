/**
 * How a device gets another key: it says so under the old one, and the new one signs that it belongs there.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { type DeviceId, DevicePublicKey } from "@guildhall/core/Device"

/**
 * The body of `POST /api/devices/:id/key`, signed by the key that is replaced. `proof` is the new key's signature, in base64url,
 * over {@link proofBytes}.
 *
 * @category models
 * @since 0.1.0
 */
export const KeyChange = Schema.Struct({
  public_key: DevicePublicKey,
  proof: Schema.String.pipe(Schema.check(Schema.isMaxLength(200))),
})
/** @since 0.1.0 */
export type KeyChange = typeof KeyChange.Type

/**
 * What the new key signs: it is for this device, and in place of this key.
 *
 * @category encoding
 * @since 0.1.0
 */
export const proofBytes = (id: DeviceId, former: DevicePublicKey, publicKey: DevicePublicKey): Uint8Array =>
  new TextEncoder().encode(`guildhall-device-key-v1\n${id}\n${former}\n${publicKey}\n`)
