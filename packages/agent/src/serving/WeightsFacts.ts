/**
 * What the metadata of a GGUF file says that buyers ask for: the precision of its weights, and the digest of its tokenizer.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import type * as Gguf from "@guildhall/core/Gguf"
import type { Quantization } from "@guildhall/core/Instance"
import * as Tokenizer from "@guildhall/core/Tokenizer"

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

/**
 * The facts of a file's metadata.
 *
 * @category getters
 * @since 0.1.0
 */
export const of = Effect.fnUntraced(function* (metadata: Gguf.Metadata) {
  const quantization = QUANTIZATIONS.get(metadata.get("general.file_type") ?? "")
  const described = Tokenizer.fromGguf(metadata)
  const tokenizer = Result.isSuccess(described) ? yield* Tokenizer.digest(described.success.tokenizer) : undefined
  const found: Facts = {
    ...(quantization === undefined ? {} : { quantization }),
    ...(tokenizer === undefined ? {} : { tokenizer }),
  }
  return found
})
