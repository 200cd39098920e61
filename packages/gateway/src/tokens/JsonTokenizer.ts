/**
 * Counts as Hugging Face's tokenizers do with a `tokenizer.json`, which vLLM, SGLang and most other servers read.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { Tokenizer } from "@huggingface/tokenizers"
import type { Members } from "@guildhall/core/Tokenizer"
import type { Counter } from "./Counter.ts"

/** A token of the config is its text, or an object that has it. */
const textOf = (value: unknown): string | undefined => {
  if (typeof value === "string") return value
  const content: unknown = typeof value === "object" && value !== null ? Reflect.get(value, "content") : undefined
  return typeof content === "string" ? content : undefined
}

const specialsOf = (tokenizer: Members): ReadonlyArray<string> => {
  const added: unknown = tokenizer["added_tokens"]
  if (!Array.isArray(added)) return []
  return added.flatMap((token: unknown) => {
    const isSpecial = typeof token === "object" && token !== null && Reflect.get(token, "special") === true
    const text = isSpecial ? textOf(token) : undefined
    return text === undefined || text.length < 2 ? [] : [text]
  })
}

/** The text in pieces of which none holds a whole name of a control token. */
const apart = (text: string, specials: ReadonlyArray<string>): ReadonlyArray<string> =>
  specials.reduce<ReadonlyArray<string>>(
    (pieces, name) =>
      text.includes(name)
        ? pieces.flatMap((piece) =>
            piece
              .split(name)
              .flatMap((part, index) => (index === 0 ? [part] : [name.slice(0, 1), `${name.slice(1)}${part}`])),
          )
        : pieces,
    [text],
  )

/**
 * Makes the counter of a `tokenizer.json`, or says why it cannot be made.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (tokenizer: Members, config: Members): Result.Result<Counter, string> => {
  const whole = { normalizer: null, pre_tokenizer: null, post_processor: null, decoder: null, added_tokens: [] }
  const made = Result.try({
    try: () => new Tokenizer({ ...whole, ...tokenizer }, config),
    catch: (cause) => `It cannot be read: ${cause instanceof Error ? cause.message : String(cause)}.`,
  })
  return Result.map(made, (tokens): Counter => {
    const specials = specialsOf(tokenizer)
    const tokensOf = (text: string): number => tokens.encode(text, { add_special_tokens: false }).ids.length
    return {
      count: (given, { special }) => {
        const text = given.toWellFormed()
        return special ? tokensOf(text) : apart(text, specials).reduce((sum, piece) => sum + tokensOf(piece), 0)
      },
      begin: textOf(config["bos_token"]),
      end: textOf(config["eos_token"]),
      // Servers that read this file leave it to the template.
      addsBegin: false,
    }
  })
}
