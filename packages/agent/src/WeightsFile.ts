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
import type { Quantization } from "@guildhall/core/Instance"
import * as Tokenizer from "@guildhall/core/Tokenizer"
import { AgentError } from "./AgentError.ts"

/**
 * What was found; what is absent the file does not say, or says in a way that has no name on a market.
 *
 * @category models
 * @since 0.1.0
 */
export interface Facts {
  readonly quantization?: Quantization
  readonly tokenizer?: string
}

/** llama.cpp's `general.file_type` by the bits of most of its weights; those of 2, 3, 5 and 6 bits have no name. */
const QUANTIZATIONS: ReadonlyMap<Gguf.Value, Quantization> = new Map<Gguf.Value, Quantization>([
  [0, "fp32"],
  [1, "fp16"],
  [2, "int4"],
  [3, "int4"],
  [7, "int8"],
  [14, "int4"],
  [15, "int4"],
  [25, "int4"],
  [30, "int4"],
  [32, "bf16"],
  [38, "mxfp4"],
  [39, "nvfp4"],
])

/** The metadata stands before the weights. Most of it is the tokenizer's, a few megabytes. */
const FIRST_BYTES = 1024 * 1024
const MOST_BYTES = 256 * 1024 * 1024

/**
 * The facts of a file's metadata.
 *
 * @category getters
 * @since 0.1.0
 */
export const facts = Effect.fnUntraced(function* (metadata: Gguf.Metadata) {
  const quantization = QUANTIZATIONS.get(metadata.get("general.file_type") ?? "")
  const described = Tokenizer.fromGguf(metadata)
  const tokenizer = Result.isSuccess(described) ? yield* Tokenizer.digest(described.success.tokenizer) : undefined
  const found: Facts = {
    ...(quantization === undefined ? {} : { quantization }),
    ...(tokenizer === undefined ? {} : { tokenizer }),
  }
  return found
})

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
    if (Result.isSuccess(metadata)) return yield* facts(metadata.success)
    if (metadata.failure.reason === "Malformed" || isWhole || size >= MOST_BYTES) {
      return yield* unusable(metadata.failure.message)
    }
  }
})
