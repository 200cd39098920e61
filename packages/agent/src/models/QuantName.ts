/**
 * Names of quantisations as GGUF files carry them: `Q4_K_M`, `IQ4_XS`, `BF16`. All rules here are pure.
 *
 * @since 0.1.0
 */
import type { Quantization } from "@guildhall/core/Instance"

/** The names that llama.cpp and those who publish its files use, as a part of a file's name. */
const NAME = /^(?:I?Q[1-9](?:_[0-9A-Z]+)*|TQ[1-9]_[0-9]|MXFP[468](?:_[0-9A-Z]+)*|NVFP4|BF16|FP?16|FP?32)$/
/** Two words that say how the quantisation was made, not which one it is; `UD` files differ from others of the name. */
const DYNAMIC = "UD"

/**
 * The name in the form in which two are compared: capitals, and `F16` and `F32` without the P. What is no name of a
 * quantisation gives `undefined`.
 *
 * **Example** (Any case)
 *
 * ```ts
 * import { QuantName } from "@guildhall/agent/models"
 *
 * QuantName.normalize("q4_k_m") // => "Q4_K_M"
 * QuantName.normalize("fp16") // => "F16"
 * QuantName.normalize("latest") // => undefined
 * ```
 *
 * @category normalization
 * @since 0.1.0
 */
export const normalize = (text: string): string | undefined => {
  const upper = text.trim().toUpperCase()
  const isDynamic = upper.startsWith(`${DYNAMIC}-`)
  const bare = isDynamic ? upper.slice(DYNAMIC.length + 1) : upper
  if (!NAME.test(bare)) return undefined
  const plain = bare.replace(/^FP(?=16$|32$)/, "F")
  return isDynamic ? `${DYNAMIC}-${plain}` : plain
}

/**
 * The quantisation that the name of a file says, or `undefined`. The last one counts, since a model's own name comes first;
 * where the file's name has none, its folder's does.
 *
 * **Example** (The habits of those who publish)
 *
 * ```ts
 * import { QuantName } from "@guildhall/agent/models"
 *
 * QuantName.fromPath("Llama-3.2-1B-Instruct-Q4_K_M.gguf") // => "Q4_K_M"
 * QuantName.fromPath("llama-2-7b-chat.q5_0.gguf") // => "Q5_0"
 * QuantName.fromPath("BF16/Qwen3-235B-BF16-00001-of-00010.gguf") // => "BF16"
 * QuantName.fromPath("Qwen3-8B-UD-Q4_K_XL.gguf") // => "UD-Q4_K_XL"
 * QuantName.fromPath("model.gguf") // => undefined
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const fromPath = (path: string): string | undefined => {
  const [file = "", ...folders] = path.split("/").reverse()
  for (const part of [file.replace(/\.gguf$/i, ""), ...folders]) {
    const words = part.split(/[-. ]/)
    const at = words.findLastIndex((word) => normalize(word) !== undefined)
    const name = normalize(words[at] ?? "")
    if (name !== undefined) return words[at - 1]?.toUpperCase() === DYNAMIC ? `${DYNAMIC}-${name}` : name
  }
  return undefined
}

/**
 * What is taken where nobody says which: the first of these that a repository has. The same as llama.cpp's and Ollama's.
 *
 * @category constants
 * @since 0.1.0
 */
export const PREFERRED: ReadonlyArray<string> = ["Q4_K_M", "Q8_0"]

const BITS: ReadonlyMap<string, Quantization> = new Map<string, Quantization>([
  ["4", "int4"],
  ["8", "int8"],
])
const WHOLE: ReadonlyMap<string, Quantization> = new Map<string, Quantization>([
  ["F32", "fp32"],
  ["F16", "fp16"],
  ["BF16", "bf16"],
  ["NVFP4", "nvfp4"],
])

/**
 * The market's word for the precision, by the bits of most of the weights. Those of 1, 2, 3, 5 and 6 bits have none, and
 * stay undeclared.
 *
 * **Example** (Four bits have a name, five have none)
 *
 * ```ts
 * import { QuantName } from "@guildhall/agent/models"
 *
 * QuantName.toQuantization("IQ4_XS") // => "int4"
 * QuantName.toQuantization("UD-Q8_K_XL") // => "int8"
 * QuantName.toQuantization("Q5_K_M") // => undefined
 * ```
 *
 * @category conversions
 * @since 0.1.0
 */
export const toQuantization = (name: string): Quantization | undefined => {
  const bare = normalize(name)?.replace(`${DYNAMIC}-`, "") ?? ""
  if (bare.startsWith("MXFP4")) return "mxfp4"
  if (bare.startsWith("MXFP8")) return "mxfp8"
  return WHOLE.get(bare) ?? BITS.get(/^I?Q([1-9])/.exec(bare)?.[1] ?? "")
}

/**
 * Whether a file of this quantisation is what was asked for. Asking for `Q4_K_XL` also takes `UD-Q4_K_XL`; asking for `UD-…` takes no
 * other.
 *
 * @category predicates
 * @since 0.1.0
 */
export const matches = (wanted: string, name: string | undefined): boolean => {
  const asked = normalize(wanted)
  return asked !== undefined && name !== undefined && (name === asked || name === `${DYNAMIC}-${asked}`)
}
