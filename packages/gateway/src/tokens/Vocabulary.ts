/**
 * The words of a GGUF file's tokenizer, read from its metadata.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { Members } from "@guildhall/core/Tokenizer"

/** The kinds of tokens by their number in GGUF files. @category constants @since 0.1.0 */
export const TYPE = { normal: 1, unknown: 2, control: 3, userDefined: 4, unused: 5, byte: 6 } as const

/**
 * A vocabulary. `kind` is the family of the tokenizer as `tokenizer.ggml.model` has it, `pre` the name of how it cuts
 * words. `ids` is by text, `texts`, `scores` and `types` by id.
 *
 * @category models
 * @since 0.1.0
 */
export interface Vocabulary {
  readonly kind: string
  readonly pre: string
  readonly texts: ReadonlyArray<string>
  readonly ids: ReadonlyMap<string, number>
  readonly scores: ReadonlyArray<number>
  readonly types: ReadonlyArray<number>
  readonly merges: ReadonlyArray<string>
  /** A setting by its name under `tokenizer.ggml.`. */
  readonly flag: (name: string, otherwise: boolean) => boolean
  readonly id: (name: string) => number | undefined
  readonly has: (name: string) => boolean
}

const isText = (value: unknown): value is string => typeof value === "string"
const isNumber = (value: unknown): value is number => typeof value === "number"

const listOf = <A>(value: unknown, is: (item: unknown) => item is A): ReadonlyArray<A> | undefined =>
  Array.isArray(value) && value.every(is) ? value : undefined

/**
 * Reads the vocabulary, or says what is wrong with it.
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = (metadata: Members): Result.Result<Vocabulary, string> => {
  const at = (name: string): unknown => metadata[`tokenizer.ggml.${name}`]
  const [kind, pre] = [at("model"), at("pre") ?? ""]
  const texts = listOf(at("tokens"), isText)
  const scores = listOf(at("scores") ?? [], isNumber)
  const types = listOf(at("token_type") ?? [], isNumber)
  const merges = listOf(at("merges") ?? [], isText)
  if (!isText(kind) || !isText(pre) || texts === undefined) return Result.fail("Its kind or its tokens are missing.")
  if (scores === undefined || types === undefined || merges === undefined) {
    return Result.fail("Its scores, types or merges are not lists of what they should be.")
  }
  return Result.succeed({
    kind,
    pre,
    texts,
    ids: new Map(texts.map((text, id) => [text, id])),
    scores,
    types,
    merges,
    flag: (name, otherwise) => {
      const value = at(name)
      return typeof value === "boolean" ? value : otherwise
    },
    id: (name) => {
      const value = at(name)
      return isNumber(value) ? value : undefined
    },
    has: (name) => at(name) !== undefined,
  })
}
