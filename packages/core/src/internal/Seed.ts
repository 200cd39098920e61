import * as Signature from "effect/crypto/Signature"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Redacted from "effect/Redacted"
import * as Result from "effect/Result"
import { type KeyPurpose, KeyRingError, type StoredKey } from "../KeyRing.ts"

/** The seed of a key in base64url: 43 characters, to be kept as a secret. */
export const write = (key: StoredKey): Effect.Effect<Redacted.Redacted, KeyRingError> =>
  Signature.toBytes(key.privateKey).pipe(
    Effect.map((seed) => Redacted.make(Base64Url.encode(seed))),
    Effect.mapError(
      () => new KeyRingError({ reason: "Unavailable", detail: "The platform does not give out this key's seed." }),
    ),
  )

/** The key of a seed. `where` says in an error which text was wrong; the text itself is never shown. */
export const read = Effect.fnUntraced(function* (options: {
  readonly purpose: KeyPurpose
  readonly validFromMs: number
  readonly seed: Redacted.Redacted
  readonly where: string
}): Effect.fn.Return<StoredKey, KeyRingError, Signature.Signature> {
  const { purpose, validFromMs, seed, where } = options
  const detail = `${where} must hold the 32-byte seed of an Ed25519 key in base64url (43 characters).`
  const corrupt = () => new KeyRingError({ reason: "Corrupt", detail })
  const bytes = Base64Url.decode(Redacted.value(seed))
  if (Result.isFailure(bytes)) return yield* Effect.fail(corrupt())
  const signature = yield* Signature.Signature
  const privateKey = yield* Signature.privateKey(Signature.ed25519, bytes.success).pipe(Effect.mapError(corrupt))
  const publicKey = yield* signature.publicKeyOf(privateKey).pipe(
    Effect.flatMap(Signature.toBytes),
    Effect.mapError(
      () => new KeyRingError({ reason: "Unavailable", detail: "The platform cannot import Ed25519 keys." }),
    ),
  )
  return { purpose, validFromMs, publicKey, privateKey }
})
