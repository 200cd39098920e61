/**
 * A key ring from seeds that come with the configuration: for a market whose secrets are kept by its platform and
 * handed over in the environment. It cannot make keys; whoever sets the seeds rotates them.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import type * as Signature from "effect/crypto/Signature"
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Seed from "./internal/Seed.ts"
import { KeyPurpose, KeyRing, KeyRingError, make as makeKeyRing } from "./KeyRing.ts"

/**
 * The seeds of each purpose: one or more, oldest first, parted by commas. A seed is 32 bytes in base64url; `@` and a
 * date after it say from when it signs (`…@2026-10-01`). The last one signs, the others only verify.
 *
 * @category models
 * @since 0.1.0
 */
export type Options = { readonly [Purpose in KeyPurpose]: Redacted.Redacted }

const READ_ONLY = "Its keys come from the configuration: put a new seed behind the others there, and start again."

const dated = (
  text: string,
  where: string,
): Effect.Effect<readonly [seed: string, validFromMs: number], KeyRingError> => {
  const [seed = "", date] = text.trim().split("@")
  if (date === undefined) return Effect.succeed([seed, 0])
  return Option.match(DateTime.make(date), {
    onSome: (instant) => Effect.succeed([seed, DateTime.toEpochMillis(instant)] as const),
    onNone: () =>
      Effect.fail(
        new KeyRingError({ reason: "Corrupt", detail: `In ${where}, "${date}" is not a date like 2026-10-01.` }),
      ),
  })
}

const keysOf = Effect.fnUntraced(function* (purpose: KeyPurpose, seeds: Redacted.Redacted) {
  const where = `The seed for "${purpose}"`
  let earliest = 0
  return yield* Effect.forEach(Redacted.value(seeds).split(","), (text) =>
    Effect.gen(function* () {
      const [seed, fromMs] = yield* dated(text, where)
      const validFromMs = Math.max(fromMs, earliest)
      earliest = validFromMs + 1
      return yield* Seed.read({ purpose, validFromMs, seed: Redacted.make(seed), where })
    }),
  )
})

/**
 * Makes a key ring from seeds.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const keys = yield* Effect.forEach(KeyPurpose.literals, (purpose) => keysOf(purpose, options[purpose]))
  return yield* makeKeyRing({
    load: Effect.succeed(keys.flat()),
    add: () => Effect.fail(new KeyRingError({ reason: "ReadOnly", detail: READ_ONLY })),
  })
})

/**
 * A key ring from seeds.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<KeyRing, KeyRingError, Signature.Signature> =>
  Layer.effect(KeyRing, make(options))

/**
 * {@link layer} with its seeds from the configuration, by default from `GUILDHALL_KEY_RECEIPT`, `GUILDHALL_KEY_TICKET`,
 * `GUILDHALL_KEY_CHECKPOINT` and `GUILDHALL_KEY_WARNING`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options> = {
    receipt: Config.Redacted("GUILDHALL_KEY_RECEIPT"),
    ticket: Config.Redacted("GUILDHALL_KEY_TICKET"),
    checkpoint: Config.Redacted("GUILDHALL_KEY_CHECKPOINT"),
    warning: Config.Redacted("GUILDHALL_KEY_WARNING"),
  },
): Layer.Layer<KeyRing, KeyRingError | Config.ConfigError, Signature.Signature> =>
  Layer.effect(KeyRing, Effect.flatMap(Config.unwrap(options), make))
