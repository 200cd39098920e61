/**
 * What a GGUF file says of itself that buyers ask for: the precision of its weights, and the digest of its tokenizer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Result from "effect/Result"
import * as FileProblem from "@guildhall/core/FileProblem"
import * as Gguf from "@guildhall/core/Gguf"
import { AgentError } from "./AgentError.ts"
import * as WeightsFacts from "./serving/WeightsFacts.ts"

/** The metadata stands before the weights. Most of it is the tokenizer's, a few megabytes. */
const FIRST_BYTES = 1024 * 1024
const MOST_BYTES = 256 * 1024 * 1024

const head = Effect.fnUntraced(function* (path: string, bytes: number) {
  const fs = yield* FileSystem.FileSystem
  const file = yield* fs.open(path, { flag: "r" })
  const buffer = new Uint8Array(bytes)
  let length = 0
  while (length < bytes) {
    const read = Number(yield* file.read(buffer.subarray(length), { position: BigInt(length) }))
    if (read === 0) break
    length += read
  }
  return { bytes: buffer.subarray(0, length), isWhole: length < bytes }
}, Effect.scoped)

/**
 * Reads a file's facts. Only its metadata is read. Fails with `BadSetting` where it is no GGUF file.
 *
 * @category constructors
 * @since 0.1.0
 */
export const read = Effect.fn("WeightsFile.read")(function* (path: string) {
  const unusable = (detail: string) =>
    new AgentError({
      reason: "BadSetting",
      detail: `The weights in ${path} cannot be described: ${detail} Give the path of a GGUF file, or none.`,
    })
  for (let size = FIRST_BYTES; ; size *= 4) {
    const { bytes, isWhole } = yield* Effect.mapError(head(path, size), (error) =>
      unusable(`${FileProblem.words(error)}.`),
    )
    const metadata = Gguf.read(bytes)
    if (Result.isSuccess(metadata)) return yield* WeightsFacts.of(metadata.success)
    if (metadata.failure.reason === "Malformed" || isWhole || size >= MOST_BYTES) {
      return yield* unusable(metadata.failure.message)
    }
  }
})
