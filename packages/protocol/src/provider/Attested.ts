/**
 * What a market holds that a device has signed: told to the device, so that one whose home was restored from an old copy goes
 * on from there and signs nothing twice.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { DevicePublicKey } from "@guildhall/core/Device"
import { Position } from "./SignedCommitment.ts"
import { UsageHead } from "./UsageLog.ts"

/**
 * A usage head with the key that signed it.
 *
 * @category models
 * @since 0.1.0
 */
export const KeyedHead = Schema.Struct({ device: DevicePublicKey, ...UsageHead.fields })
/** @since 0.1.0 */
export type KeyedHead = typeof KeyedHead.Type

/**
 * The number and the digest of the last commitment of the device, and its last usage head, where there are any.
 *
 * @category models
 * @since 0.1.0
 */
export const Attested = Schema.Struct({
  commitment: Schema.optionalKey(
    Schema.Struct({ number: Position, digest: Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/))) }),
  ),
  usage_head: Schema.optionalKey(KeyedHead),
})
/** @since 0.1.0 */
export type Attested = typeof Attested.Type
