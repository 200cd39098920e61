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
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Signature from "effect/crypto/Signature"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"

/**
 * What a key is for. A key signs for one purpose only.
 *
 * @category models
 * @since 0.1.0
 */
export const KeyPurpose = Schema.Literals(["receipt", "ticket", "checkpoint", "warning"])
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
  reason: Schema.Literals(["NoKey", "Unavailable", "ReadOnly", "Corrupt"]),
  detail: Schema.String,
}) {
  get isRetryable(): boolean {
    return this.reason === "Unavailable"
  }
  override get message(): string {
    switch (this.reason) {
      case "NoKey":
        return `The key ring has no key for this. ${this.detail} Create one by rotating the purpose.`
      case "Unavailable":
        return `The key ring cannot be reached. ${this.detail} Try again once it is back.`
      case "ReadOnly":
        return `This key ring cannot make keys. ${this.detail}`
      case "Corrupt":
        return `The key ring holds what is not a key. ${this.detail}`
    }
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

/**
 * A key with its secret, as a {@link KeyStore} keeps it. The key signs from `validFromMs` until the next key of its
 * purpose begins.
 *
 * @category models
 * @since 0.1.0
 */
export interface StoredKey {
  readonly purpose: KeyPurpose
  readonly validFromMs: number
  readonly publicKey: Uint8Array
  readonly privateKey: Signature.PrivateKey<Signature.Ed25519>
}

/**
 * Where a key ring keeps its keys. Keys are only ever added: when one ends follows from the one after it, so two
 * processes on one store cannot lose each other's keys.
 *
 * @category models
 * @since 0.1.0
 */
export interface KeyStore {
  readonly load: Effect.Effect<ReadonlyArray<StoredKey>, KeyRingError>
  readonly add: (key: StoredKey) => Effect.Effect<void, KeyRingError>
}

const encoder = new TextEncoder()
const prefixes = new Map(
  KeyPurpose.literals.map((purpose) => [purpose, encoder.encode(`guildhall-${purpose}-v1\n`)] as const),
)

/** What is really signed: the purpose, then the payload. A signature for one purpose is noise for another. */
const signed = (purpose: KeyPurpose, payload: Uint8Array): Uint8Array => {
  const prefix = prefixes.get(purpose) ?? new Uint8Array()
  const message = new Uint8Array(prefix.length + payload.length)
  message.set(prefix)
  message.set(payload, prefix.length)
  return message
}

/** The id names the purpose and 96 bits of the public key, so it needs no registry. */
const idOf = (key: StoredKey): string => `${key.purpose}_${Base64Url.encode(key.publicKey.subarray(0, 12))}`

const unavailable = (detail: string) => () => new KeyRingError({ reason: "Unavailable", detail })

interface Ring {
  readonly published: ReadonlyArray<PublishedKey>
  readonly newest: ReadonlyMap<KeyPurpose, { readonly id: string; readonly key: StoredKey }>
}

const byAge = (a: StoredKey, b: StoredKey): number =>
  a.validFromMs - b.validFromMs || (idOf(a) < idOf(b) ? -1 : idOf(a) > idOf(b) ? 1 : 0)

const ringOf = (keys: ReadonlyArray<StoredKey>): Ring => {
  const sorted = [...keys].sort(byAge)
  const newest = new Map(sorted.map((key) => [key.purpose, { id: idOf(key), key }] as const))
  const published = sorted.map((key, at): PublishedKey => {
    const next = sorted.find((other, place) => place > at && other.purpose === key.purpose)
    const id = idOf(key)
    const publicKey = Base64Url.encode(key.publicKey)
    const base = { id, purpose: key.purpose, algorithm: "ed25519", publicKey, validFromMs: key.validFromMs } as const
    return next === undefined ? base : { ...base, validUntilMs: next.validFromMs }
  })
  return { published, newest }
}

/**
 * Whether a signature was made for this purpose and payload by one of the published keys. Needs nothing but the list,
 * so an auditor can check a receipt, and an agent a ticket, without asking the market. A wrong or malformed
 * signature, and an unknown key, answer `false`.
 *
 * @category verification
 * @since 0.1.0
 */
export const verifyPublished = Effect.fnUntraced(function* (
  keys: ReadonlyArray<PublishedKey>,
  purpose: KeyPurpose,
  payload: Uint8Array,
  signature: KeySignature,
): Effect.fn.Return<boolean, KeyRingError, Signature.Signature> {
  const key = keys.find((key) => key.id === signature.keyId && key.purpose === purpose)
  if (key === undefined) return false
  const publicKey = Base64Url.decode(key.publicKey)
  const value = Base64Url.decode(signature.value)
  // The second test refuses another spelling of the same bytes: unused bits of the last character.
  if (Result.isFailure(publicKey) || Result.isFailure(value)) return false
  if (value.success.length !== 64 || Base64Url.encode(value.success) !== signature.value) return false
  const service = yield* Signature.Signature
  return yield* Signature.publicKey(Signature.ed25519, publicKey.success).pipe(
    Effect.flatMap((publicKey) => service.verify(publicKey, value.success, signed(purpose, payload))),
    Effect.catch((error) =>
      error.reason._tag === "InvalidKey"
        ? Effect.succeed(false)
        : Effect.fail(new KeyRingError({ reason: "Unavailable", detail: "The platform cannot verify Ed25519." })),
    ),
  )
})

/**
 * Makes a key ring over a store. Keys that are missing for a purpose are made at once, so every purpose can sign.
 * Use it to keep keys somewhere of your own; {@link layerMemory} and `KeyRingFile.layer` are made with it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  store: KeyStore,
): Effect.fn.Return<KeyRing["Service"], KeyRingError, Signature.Signature> {
  const service = yield* Signature.Signature
  const lock = yield* Semaphore.make(1)
  let ring = ringOf(yield* store.load)
  let loadedAtMs = yield* Clock.currentTimeMillis

  const reload = Effect.gen(function* () {
    ring = ringOf(yield* store.load)
    loadedAtMs = yield* Clock.currentTimeMillis
  })
  const add = Effect.fnUntraced(function* (purpose: KeyPurpose) {
    const pair = yield* service
      .generateKeyPair(Signature.ed25519)
      .pipe(Effect.mapError(unavailable("The platform cannot make Ed25519 keys.")))
    const publicKey = yield* Signature.toBytes(pair.publicKey).pipe(
      Effect.mapError(unavailable("The platform cannot export Ed25519 keys.")),
    )
    const former = ring.newest.get(purpose)
    // Later than the former key even within one millisecond, so that "newest" is never a tie.
    const validFromMs = Math.max(yield* Clock.currentTimeMillis, (former?.key.validFromMs ?? -1) + 1)
    const key: StoredKey = { purpose, validFromMs, publicKey, privateKey: pair.privateKey }
    yield* store.add(key)
    return idOf(key)
  })
  const missing = KeyPurpose.literals.filter((purpose) => !ring.newest.has(purpose))
  yield* Effect.forEach(missing, add, { discard: true })
  if (missing.length > 0) yield* reload

  return KeyRing.of({
    sign: Effect.fnUntraced(function* (purpose, payload) {
      const newest = ring.newest.get(purpose)
      if (newest === undefined) {
        return yield* new KeyRingError({ reason: "NoKey", detail: `None was made for "${purpose}".` })
      }
      const value = yield* service
        .sign(newest.key.privateKey, signed(purpose, payload))
        .pipe(Effect.mapError(unavailable("The platform cannot sign with Ed25519.")))
      return { keyId: newest.id, value: Base64Url.encode(value) }
    }),
    verify: Effect.fn("KeyRing.verify")(function* (purpose, payload, signature) {
      // Another process may have rotated; a made-up id must not cost a read each.
      const unknown = !ring.published.some((key) => key.id === signature.keyId)
      if (unknown && (yield* Clock.currentTimeMillis) - loadedAtMs >= RELOAD_MS) yield* reload
      return yield* verifyPublished(ring.published, purpose, payload, signature).pipe(
        Effect.provideService(Signature.Signature, service),
      )
    }),
    list: Effect.map(reload, () => ring.published).pipe(Effect.withSpan("KeyRing.list")),
    rotate: Effect.fn("KeyRing.rotate")(function* (purpose) {
      yield* reload
      const id = yield* add(purpose)
      yield* reload
      const published = ring.published.find((key) => key.id === id)
      return published === undefined ? yield* Effect.fail(unavailable("The new key was not kept.")()) : published
    }, lock.withPermits(1)),
  })
})

/** How often an unknown key id may make a ring read its store again. */
const RELOAD_MS = 1000

/**
 * A key ring with fresh keys in this process's memory: for tests, demonstrations and simulations. What it signed
 * cannot be checked after a restart, unless the list was kept.
 *
 * **Example** (Signing and checking)
 *
 * ```ts
 * import { KeyRing } from "@guildhall/core"
 * import { Effect, Layer } from "effect"
 * import { SecureRandom, Signature } from "effect/crypto"
 *
 * const program = Effect.gen(function* () {
 *   const ring = yield* KeyRing.KeyRing
 *   const payload = new TextEncoder().encode("a ticket")
 *   const signature = yield* ring.sign("ticket", payload)
 *   return [yield* ring.verify("ticket", payload, signature), yield* ring.verify("receipt", payload, signature)]
 * })
 * const crypto = Signature.layerWebCrypto.pipe(Layer.provide(SecureRandom.layerWebCrypto))
 * await Effect.runPromise(program.pipe(Effect.provide(KeyRing.layerMemory), Effect.provide(crypto))) // => [true, false]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory: Layer.Layer<KeyRing, KeyRingError, Signature.Signature> = Layer.effect(
  KeyRing,
  Effect.suspend(() => {
    const keys: Array<StoredKey> = []
    return make({
      load: Effect.sync(() => [...keys]),
      add: (key) => Effect.sync(() => void keys.push(key)),
    })
  }),
)
