/**
 * Bytes that only their key opens, and only where they belong: AES-256-GCM with a random nonce. What a sealed piece is bound
 * to (whose it is, which row it stands in) is no part of it; said otherwise when it is opened, it does not open.
 *
 * @since 0.1.0
 */
import { createCipheriv, createDecipheriv, randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"

const VERSION = 1
const NONCE_BYTES = 12
const TAG_BYTES = 16
const HEAD_BYTES = 1 + NONCE_BYTES
/** So much is sealed at a stretch: a millisecond's work at most, then others have their turn. */
const STRETCH_BYTES = 512 * 1024

const inStretches = Effect.fnUntraced(function* (bytes: Uint8Array, update: (stretch: Uint8Array) => Buffer) {
  const out: Array<Buffer> = []
  for (let at = 0; at < bytes.length; at += STRETCH_BYTES) {
    if (at > 0) yield* Effect.yieldNow
    out.push(update(bytes.subarray(at, at + STRETCH_BYTES)))
  }
  return out
})

/**
 * Seals bytes with a key of 32 bytes, bound to what is said here. A key may seal 2³² pieces before two nonces could be alike.
 *
 * **Example** (Bound to its row)
 *
 * ```ts
 * import { Sealed } from "@guildhall/registry"
 * import { Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const key = Buffer.alloc(32, 7)
 *   const sealed = yield* Sealed.seal(key, Buffer.from("row 1"), Buffer.from("hello"))
 *   const opened = yield* Sealed.open(key, Buffer.from("row 1"), sealed)
 *   const moved = yield* Sealed.open(key, Buffer.from("row 2"), sealed)
 *   return [opened?.toString(), moved]
 * })
 * await Effect.runPromise(program) // => ["hello", undefined]
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const seal = Effect.fnUntraced(function* (key: Uint8Array, boundTo: Uint8Array, bytes: Uint8Array) {
  const nonce = randomBytes(NONCE_BYTES)
  const cipher = createCipheriv("aes-256-gcm", key, nonce)
  cipher.setAAD(boundTo)
  const body = yield* inStretches(bytes, (stretch) => cipher.update(stretch))
  const last = cipher.final()
  return Buffer.concat([Buffer.from([VERSION]), nonce, ...body, last, cipher.getAuthTag()])
})

/**
 * Opens what {@link seal} sealed; undefined where it was changed, is bound to something else, or was sealed with another key.
 *
 * @category decoding
 * @since 0.1.0
 */
export const open = Effect.fnUntraced(function* (key: Uint8Array, boundTo: Uint8Array, sealed: Uint8Array) {
  const end = sealed.length - TAG_BYTES
  if (end < HEAD_BYTES || sealed[0] !== VERSION) return undefined
  const decipher = createDecipheriv("aes-256-gcm", key, sealed.subarray(1, HEAD_BYTES))
  decipher.setAAD(boundTo)
  decipher.setAuthTag(sealed.subarray(end))
  const body = yield* inStretches(sealed.subarray(HEAD_BYTES, end), (stretch) => decipher.update(stretch))
  return yield* Effect.orElseSucceed(
    Effect.try(() => Buffer.concat([...body, decipher.final()])),
    () => undefined,
  )
})
