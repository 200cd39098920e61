/**
 * Digests of files that are too large for the memory.
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"

/**
 * A digest that grows. `sha256` ends it; `git` is git's id of the same bytes as a blob, and is there where it was asked for.
 *
 * @category models
 * @since 0.1.0
 */
export interface Hasher {
  readonly update: (bytes: Uint8Array) => void
  readonly end: () => { readonly sha256: string; readonly git: string | undefined }
}

/**
 * Starts a digest. `gitLength` is the whole length in bytes, which git's id begins with; without it, no such id is made.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (gitLength?: number): Hasher => {
  const sha256 = Crypto.createHash("sha256")
  const git = gitLength === undefined ? undefined : Crypto.createHash("sha1").update(`blob ${gitLength}\0`)
  return {
    update: (bytes) => {
      sha256.update(bytes)
      git?.update(bytes)
    },
    end: () => ({ sha256: sha256.digest("hex"), git: git?.digest("hex") }),
  }
}

const CHUNK_BYTES = 4 * 1024 * 1024

/**
 * Adds the first bytes of a file to a digest, and answers how many there were, `most` at most.
 *
 * @category combinators
 * @since 0.1.0
 */
export const add = Effect.fnUntraced(function* (hasher: Hasher, file: string, most: number) {
  const fs = yield* FileSystem.FileSystem
  const handle = yield* fs.open(file, { flag: "r" })
  const buffer = new Uint8Array(Math.min(CHUNK_BYTES, Math.max(1, most)))
  let at = 0
  while (at < most) {
    const read = yield* handle.read(buffer.subarray(0, Math.min(buffer.length, most - at)), { position: BigInt(at) })
    if (read === 0) break
    hasher.update(buffer.subarray(0, read))
    at += read
  }
  return at
}, Effect.scoped)

/**
 * SHA-256 of a file, in hexadecimal.
 *
 * @category getters
 * @since 0.1.0
 */
export const ofFile = Effect.fnUntraced(function* (file: string) {
  const hasher = make()
  yield* add(hasher, file, Number.MAX_SAFE_INTEGER)
  return hasher.end().sha256
})
