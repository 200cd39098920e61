/**
 * Byte-pair encodings: GPT-2's way of writing bytes as characters, and the joins of a list. Llama 3, Qwen, DeepSeek,
 * Mistral's newer models and many others.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Merging from "./Merging.ts"
import type { Vocabulary } from "./Vocabulary.ts"
import * as Words from "./Words.ts"

/** Bytes that are written as themselves: those which Latin-1 can print. */
const isPrintable = (byte: number): boolean =>
  (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || byte >= 0xae

const characters: ReadonlyArray<string> = (() => {
  let next = 0x100
  return Array.from({ length: 256 }, (_, byte) => String.fromCharCode(isPrintable(byte) ? byte : next++))
})()

const written = (word: string): string => {
  let text = ""
  for (const byte of Buffer.from(word, "utf8")) text += characters[byte] ?? ""
  return text
}

/** So many words are remembered with their counts; most of a text are words that were seen before. */
const KNOWN_MAX = 50_000
/** A longer word is seen too seldom to be worth remembering. */
const KNOWN_LENGTH_MAX = 64

/** Tokens of a symbol that is none itself: one for each of its bytes that has a token. */
const inBytes = ({ ids }: Vocabulary, symbol: string, raw: boolean): number => {
  if (!raw) return [...symbol].filter((character) => character <= "\x7f" && ids.has(character)).length
  let count = 0
  for (const byte of Buffer.from(symbol, "utf8")) {
    if (ids.has(`<0x${byte.toString(16).toUpperCase().padStart(2, "0")}>`)) count += 1
  }
  return count
}

/**
 * Makes the function that counts the tokens of a text without control tokens, or says why it cannot be made.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (vocabulary: Vocabulary): Result.Result<(text: string) => number, string> => {
  const { ids, merges, pre } = vocabulary
  const cutting = Words.cutting(vocabulary.kind === "gemma4" ? "gemma4" : pre)
  if (cutting === undefined) return Result.fail(`How "${pre}" cuts words is not known here.`)
  if (merges.length === 0) return Result.fail("It has no list of merges.")
  const { raw = false, wholeFirst = false } = cutting
  const cut = Words.make(cutting)
  const ranks = new Map<string, number>()
  merges.forEach((pair, rank) => {
    if (!ranks.has(pair)) ranks.set(pair, rank)
  })
  const rankOf: Merging.RankOf = (left, right) => ranks.get(`${left} ${right}`)

  const countWord = (word: string): number => {
    const text = raw ? word : written(word)
    if (wholeFirst && ids.has(text)) return 1
    if (raw && /^\n+$/.test(text) && ids.has(text)) return 1
    let count = 0
    for (const symbol of Merging.merge([...text], rankOf))
      count += ids.has(symbol) ? 1 : inBytes(vocabulary, symbol, raw)
    return count
  }

  const known = new Map<string, number>()
  const remembered = (word: string): number => {
    const before = known.get(word)
    if (before !== undefined) return before
    const count = countWord(word)
    if (word.length > KNOWN_LENGTH_MAX) return count
    if (known.size >= KNOWN_MAX) known.clear()
    known.set(word, count)
    return count
  }

  return Result.succeed((text) => {
    let count = 0
    for (const word of cut(raw ? text.replaceAll(" ", "\u2581") : text)) count += remembered(word)
    return count
  })
}
