/**
 * The keys that credentials are sealed with, from the environment: the database has none of them, so who reads it reads no
 * credential. Each has an id, which stands beside what it sealed, so that keys can follow each other.
 *
 * @since 0.1.0
 */
import { hkdfSync } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as Sealed from "./Sealed.ts"

/**
 * The variable of the environment that the keys come from, as letters name it.
 *
 * @category constants
 * @since 0.1.0
 */
export const VARIABLE = "GUILDHALL_SEAL_KEYS"

/**
 * Why there are no keys to seal with, or not the right ones.
 *
 * - `Invalid`: what is given is not a list of keys.
 * - `Missing`: something was sealed with a key that is not given.
 * - `Wrong`: something was sealed with a key of this id, and the one that is given does not open it.
 *
 * @category errors
 * @since 0.1.0
 */
export class SealKeysError extends Schema.TaggedError<SealKeysError>()("SealKeysError", {
  reason: Schema.Literals(["Invalid", "Missing", "Wrong"]),
  detail: Schema.String,
}) {
  get isRetryable(): boolean {
    return false
  }
  override get message(): string {
    switch (this.reason) {
      case "Invalid":
        return `${VARIABLE} does not hold keys to seal with. ${this.detail} Write each as an id, a colon and 32 random bytes in base64url (43 characters), the newest last, parted by commas.`
      case "Missing":
        return `A key to seal with is missing. ${this.detail} Put it back into ${VARIABLE}, before the others, and start again.`
      case "Wrong":
        return `A key to seal with is another one than it was. ${this.detail} Put the right one into ${VARIABLE}, and start again.`
    }
  }
}

/**
 * What was sealed, and with which key.
 *
 * @category models
 * @since 0.1.0
 */
export interface SealedSecret {
  readonly keyId: string
  readonly bytes: Uint8Array
}

/**
 * The service. What a secret is bound to is any text; it must be the same when it is opened.
 *
 * @category services
 * @since 0.1.0
 */
export class SealKeys extends Context.Service<
  SealKeys,
  {
    /** The id of the key that seals; undefined where there is none, and nothing can be sealed. */
    readonly newest: string | undefined
    /** Whether there is a key of this id. */
    readonly has: (keyId: string) => boolean
    /** Seals with the newest key; undefined where there is none. */
    readonly seal: (boundTo: string, secret: Redacted.Redacted) => Effect.Effect<SealedSecret | undefined>
    /** Opens; undefined where the key is gone, or anything was changed. */
    readonly open: (boundTo: string, sealed: SealedSecret) => Effect.Effect<Redacted.Redacted | undefined>
  }
>()("@guildhall/registry/SealKeys") {}

const ENTRY = /^([A-Za-z0-9][A-Za-z0-9._-]{0,63}):([A-Za-z0-9_-]{43})$/

interface Key {
  readonly id: string
  readonly bytes: Buffer
}

const invalid = (detail: string) => new SealKeysError({ reason: "Invalid", detail })

const read = (entry: string, at: number): Effect.Effect<Key, SealKeysError> => {
  const [, id, text] = ENTRY.exec(entry.trim()) ?? []
  const secret = Buffer.from(text ?? "", "base64url")
  // The other spellings of a key are refused, so that one key has one text.
  if (id === undefined || secret.length !== 32 || secret.toString("base64url") !== text) {
    return Effect.fail(invalid(`Number ${at + 1} of them is no id with a key.`))
  }
  // What the key seals is bound to its use: the same bytes given for something else would be another key.
  const bytes = Buffer.from(hkdfSync("sha256", secret, "", "guildhall/credentials/v1", 32))
  return Effect.succeed({ id, bytes })
}

const bound = (keyId: string, boundTo: string): Buffer => Buffer.from(`${keyId}\n${boundTo}`)

/**
 * Makes the keys from a text such as `2026-11:<43 characters>,2027-05:<43 characters>`: the last seals, all open. Without a
 * text there are none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (
  text: Redacted.Redacted | undefined,
): Effect.fn.Return<SealKeys["Service"], SealKeysError> {
  const entries = text === undefined || Redacted.value(text).trim() === "" ? [] : Redacted.value(text).split(",")
  const keys = yield* Effect.forEach(entries, read)
  const byId = new Map(keys.map((key) => [key.id, key.bytes] as const))
  if (byId.size !== keys.length) return yield* invalid("Two of them have the same id.")
  const newest = keys.at(-1)

  return SealKeys.of({
    newest: newest?.id,
    has: (keyId) => byId.has(keyId),
    seal: (boundTo, secret) =>
      newest === undefined
        ? Effect.succeed(undefined)
        : Effect.map(
            Sealed.seal(newest.bytes, bound(newest.id, boundTo), Buffer.from(Redacted.value(secret), "utf8")),
            (bytes): SealedSecret => ({ keyId: newest.id, bytes }),
          ),
    open: (boundTo, { bytes, keyId }) => {
      const key = byId.get(keyId)
      if (key === undefined) return Effect.succeed(undefined)
      return Effect.map(Sealed.open(key, bound(keyId, boundTo), bytes), (opened) =>
        opened === undefined ? undefined : Redacted.make(opened.toString("utf8")),
      )
    },
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (text: Redacted.Redacted | undefined): Layer.Layer<SealKeys, SealKeysError> =>
  Layer.effect(SealKeys, make(text))
