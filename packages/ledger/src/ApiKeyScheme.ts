/**
 * Paying by API key: the key's member has a balance, and every request takes its hold from it. The first
 * `PaymentScheme`, and the one to copy for another.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import { type Payer, PaymentError, type PaymentScheme } from "./PaymentScheme.ts"

/**
 * What the scheme needs: who has a key. A lookup answers `undefined` for a key that is unknown or revoked, the same for
 * both.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly lookup: (secret: Redacted.Redacted) => Effect.Effect<Payer | undefined, PaymentError>
}

/** A longer header is no key of ours, and is not worth hashing. */
const SECRET_LENGTH_MAX = 200

const unknownKey = () =>
  Effect.fail(
    new PaymentError({
      code: "invalid_api_key",
      detail: "The API key is not known here, or has been revoked. Use another, or ask the operator for one.",
    }),
  )

const bearer = /^Bearer +(\S+) *$/i

/** Anthropic's clients send the key in a header of its own. */
const secretIn = (headers: Readonly<Record<string, string | undefined>>): string | undefined =>
  bearer.exec(headers["authorization"] ?? "")?.[1] ?? (headers["x-api-key"]?.trim() || undefined)

/**
 * Makes the scheme. It reads the key from `authorization: Bearer …`, or else from `x-api-key`.
 *
 * **Example** (One key)
 *
 * ```ts
 * import { Effect, Redacted } from "effect"
 * import { ApiKeyScheme } from "@guildhall/ledger"
 *
 * const scheme = ApiKeyScheme.make({ lookup: () => Effect.succeed(undefined) })
 * Effect.runSync(scheme.verify({})) // => { _tag: "NotMine" }
 * Effect.runSync(Effect.flip(scheme.verify({ authorization: "Bearer sk-unknown" }))).code // => "invalid_api_key"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): PaymentScheme => ({
  name: "ApiKey",
  capabilities: { settlesPerRequest: false },
  verify: (headers) => {
    const secret = secretIn(headers)
    if (secret === undefined) return Effect.succeed({ _tag: "NotMine" })
    if (secret.length > SECRET_LENGTH_MAX) return Effect.suspend(unknownKey)
    return Effect.flatMap(options.lookup(Redacted.make(secret)), (payer) =>
      payer === undefined ? unknownKey() : Effect.succeed({ _tag: "Payer", payer }),
    )
  },
  challenge: () => Effect.succeed(['Bearer realm="guildhall"']),
  // The charge is a posting on the key's account: nothing is left to tell anyone.
  settle: () => Effect.succeed({}),
})
