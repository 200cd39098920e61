/**
 * PORT. The market's own keys: sign, verify, list. Every signature names its key, keys have a purpose and a
 * validity, and their history is published, so what was signed stays checkable after a rotation.
 *
 * Guarantees, each proved by `KeyRingTest.suite`:
 *
 * 1. What was signed for a purpose verifies for that purpose, by the key that the signature names.
 * 2. One changed bit of the payload, of the signature, or of the key's id makes verification answer false.
 * 3. A signature for one purpose does not verify for another.
 * 4. The list holds the public key and validity of every key that ever signed, and no secret.
 * 5. After a rotation, new signatures name the new key and old signatures still verify.
 * 6. A signature verifies offline, with nothing but the published list.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"

/**
 * What a key is for. A key signs for one purpose only.
 *
 * @category models
 * @since 0.1.0
 */
export const KeyPurpose = Schema.Literals(["receipt", "ticket", "checkpoint"])
/** @since 0.1.0 */
export type KeyPurpose = typeof KeyPurpose.Type

/**
 * A signature with the id of the key that made it. `value` is base64url without padding (Ed25519, 64 bytes).
 *
 * @category models
 * @since 0.1.0
 */
export const KeySignature = Schema.Struct({
  keyId: Schema.String,
  value: Schema.String,
})
/** @since 0.1.0 */
export type KeySignature = typeof KeySignature.Type

/**
 * A public key as it is published at `/.well-known/guildhall-keys.json`. `publicKey` is the raw 32-byte Ed25519
 * key in base64url; `validUntilMs` is absent while the key signs.
 *
 * @category models
 * @since 0.1.0
 */
export const PublishedKey = Schema.Struct({
  id: Schema.String,
  purpose: KeyPurpose,
  algorithm: Schema.Literal("ed25519"),
  publicKey: Schema.String,
  validFromMs: Schema.Int,
  validUntilMs: Schema.optionalKey(Schema.Int),
})
/** @since 0.1.0 */
export type PublishedKey = typeof PublishedKey.Type

/**
 * Why a key ring could not do what it was asked to.
 *
 * @category errors
 * @since 0.1.0
 */
export class KeyRingError extends Schema.TaggedError<KeyRingError>()("KeyRingError", {
  reason: Schema.Literals(["NoKey", "Unavailable"]),
  detail: Schema.String,
}) {
  get isRetryable(): boolean {
    return this.reason === "Unavailable"
  }
  override get message(): string {
    return this.reason === "NoKey"
      ? `The key ring has no key for this. ${this.detail} Create one by rotating the purpose.`
      : `The key ring cannot be reached. ${this.detail} Try again once it is back.`
  }
}

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class KeyRing extends Context.Service<
  KeyRing,
  {
    /** Signs with the newest key of the purpose. The purpose is part of what is signed. */
    readonly sign: (purpose: KeyPurpose, payload: Uint8Array) => Effect.Effect<KeySignature, KeyRingError>
    /** Whether the signature was made for this purpose and payload by a key of this ring. */
    readonly verify: (
      purpose: KeyPurpose,
      payload: Uint8Array,
      signature: KeySignature,
    ) => Effect.Effect<boolean, KeyRingError>
    /** Every key that ever signed, oldest first. */
    readonly list: Effect.Effect<ReadonlyArray<PublishedKey>, KeyRingError>
    /** Makes a new key for a purpose; the former one ends and stays listed. */
    readonly rotate: (purpose: KeyPurpose) => Effect.Effect<PublishedKey, KeyRingError>
  }
>()("@guildhall/core/KeyRing") {}
