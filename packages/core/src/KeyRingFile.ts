/**
 * A key ring in a directory: one file for each key, readable by its owner only. Files are added and never changed, so
 * several processes may share the directory, and a crash leaves either the whole key or none.
 *
 * @since 0.1.0
 */
import * as Config from "effect/Config"
import * as Signature from "effect/crypto/Signature"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Layer from "effect/Layer"
import * as Path from "effect/Path"
import type { PlatformError } from "effect/PlatformError"
import * as Redacted from "effect/Redacted"
import * as Schema from "effect/Schema"
import * as FileProblem from "./FileProblem.ts"
import * as Folder from "./Folder.ts"
import * as Seed from "./internal/Seed.ts"
import { KeyPurpose, KeyRing, KeyRingError, type KeyStore, make as makeKeyRing, type StoredKey } from "./KeyRing.ts"

/**
 * Where the keys are. The directory is made on first use, with a key for each purpose.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly directory: string
}

const KeyFile = Schema.Struct({
  version: Schema.Literal(1),
  purpose: KeyPurpose,
  algorithm: Schema.Literal("ed25519"),
  validFromMs: Schema.Int,
  seed: Schema.String,
})
const KeyFileText = Schema.fromJsonString(KeyFile)
const decode = Schema.decodeUnknownEffect(KeyFileText)
const encode = Schema.encodeSync(KeyFileText)

const unavailable = (directory: string) => (error: PlatformError) =>
  new KeyRingError({ reason: "Unavailable", detail: `Its directory ${directory}: ${FileProblem.words(error)}.` })

const store = Effect.fnUntraced(function* ({ directory }: Options) {
  const fs = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const signature = yield* Signature.Signature
  const failed = unavailable(directory)

  const read = Effect.fnUntraced(function* (name: string) {
    const file = path.join(directory, name)
    const text = yield* fs.readFileString(file).pipe(Effect.mapError(failed))
    const key = yield* decode(text).pipe(
      Effect.mapError(
        () => new KeyRingError({ reason: "Corrupt", detail: `${file} is no key file. Restore or remove it.` }),
      ),
    )
    const { purpose, validFromMs } = key
    return yield* Seed.read({ purpose, validFromMs, seed: Redacted.make(key.seed), where: file }).pipe(
      Effect.provideService(Signature.Signature, signature),
    )
  })

  const add = Effect.fnUntraced(function* (key: StoredKey) {
    const seed = Redacted.value(yield* Seed.write(key))
    const { purpose, validFromMs } = key
    const text = encode({ version: 1, purpose, algorithm: "ed25519", validFromMs, seed })
    const name = `${purpose}-${fingerprint(key.publicKey)}`
    const unfinished = path.join(directory, `.${name}.unfinished`)
    // On disk before it has its name: a key that has signed must not be lost with the power.
    const written = Effect.scoped(
      Effect.gen(function* () {
        const file = yield* fs.open(unfinished, { flag: "wx", mode: 0o600 })
        yield* file.writeAll(new TextEncoder().encode(`${text}\n`))
        yield* file.sync
      }),
    )
    yield* written.pipe(
      Effect.andThen(fs.rename(unfinished, path.join(directory, `${name}.json`))),
      Effect.mapError(failed),
    )
  })

  yield* Folder.make(directory, { mode: 0o700 }).pipe(Effect.mapError(failed))
  const load = fs.readDirectory(directory).pipe(
    Effect.mapError(failed),
    Effect.flatMap((names) =>
      Effect.forEach(
        names.filter((name) => /^[^.].*\.json$/.test(name)),
        read,
      ),
    ),
  )
  return { load, add } satisfies KeyStore
})

const fingerprint = (publicKey: Uint8Array): string =>
  Array.from(publicKey.subarray(0, 8), (byte) => byte.toString(16).padStart(2, "0")).join("")

/**
 * Makes a key ring over a directory.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  return yield* makeKeyRing(yield* store(options))
})

/**
 * A key ring over a directory. Use it for a market that keeps its keys on the machine's disk.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Options,
): Layer.Layer<KeyRing, KeyRingError, FileSystem.FileSystem | Path.Path | Signature.Signature> =>
  Layer.effect(KeyRing, make(options))

/**
 * {@link layer} with its options from the configuration.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerConfig = (
  options: Config.Wrap<Options>,
): Layer.Layer<KeyRing, KeyRingError | Config.ConfigError, FileSystem.FileSystem | Path.Path | Signature.Signature> =>
  Layer.effect(KeyRing, Effect.flatMap(Config.unwrap(options), make))
