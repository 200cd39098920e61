import { hash as digest, randomBytes } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"

const FORM = /^sk-[A-Za-z0-9_-]{43}$/

/** A new secret of 32 random bytes. */
export const random: Effect.Effect<Redacted.Redacted> = Effect.sync(() =>
  Redacted.make(`sk-${randomBytes(32).toString("base64url")}`),
)

/** Whether a text has the form of a secret. What has not is no key, and needs no look into the store. */
export const hasForm = (secret: Redacted.Redacted): boolean => FORM.test(Redacted.value(secret))

/**
 * What is stored of a secret. A secret holds 256 random bits, so a plain hash gives nothing away; and since a key is
 * looked up by this hash, how long that takes says nothing of the secret.
 */
export const hash = (secret: Redacted.Redacted): string => digest("sha256", Redacted.value(secret), "hex")

/** A new id: the prefix and 24 hexadecimal digits. */
export const randomId = (prefix: string): string => `${prefix}${randomBytes(12).toString("hex")}`
