/**
 * SentencePiece's two models as GGUF files have them: `llama`, which joins the pair with the best score (Llama 2, Gemma,
 * Mistral's older models), and `t5`, which looks for the best sum of scores over the whole text.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Merging from "./Merging.ts"
import { TYPE, type Vocabulary } from "./Vocabulary.ts"

/** The mark for a space. */
const SPACE = "\u2581"

/**
 * Makes the function that counts by joining pairs. `first` says whether the text follows a control token or begins.
 *
 * @category constructors
 * @since 0.1.0
 */
export const joining = (vocabulary: Vocabulary): ((text: string, first: boolean) => number) => {
  const { ids, scores } = vocabulary
  const addsSpace = vocabulary.flag("add_space_prefix", true)
  const rankOf: Merging.RankOf = (left, right) => {
    const id = ids.get(left + right)
    return id === undefined ? undefined : -(scores[id] ?? 0)
  }
  return (text, first) => {
    const whole = (addsSpace && first ? ` ${text}` : text).replaceAll(" ", SPACE)
    let count = 0
    for (const symbol of Merging.merge([...whole], rankOf)) {
      count += ids.has(symbol) ? 1 : Buffer.byteLength(symbol)
    }
    return count
  }
}

/** How much worse than the worst token a character is that has none. */
const UNKNOWN_PENALTY = 10

/** The best way to a place in the text: its score, where its last token begins, and whether that is a known one. */
interface Step {
  readonly score: number
  readonly from: number
  readonly unknown: boolean
}

const scoresOf = (vocabulary: Vocabulary) => {
  const { scores, texts, types } = vocabulary
  const usable = new Map<string, number>()
  let lowest = Infinity
  let longest = 1
  texts.forEach((text, id) => {
    const type = types[id] ?? TYPE.normal
    const score = scores[id] ?? 0
    if (type === TYPE.normal) lowest = Math.min(lowest, score)
    if (type !== TYPE.normal && type !== TYPE.userDefined && type !== TYPE.unused) return
    usable.set(text, type === TYPE.userDefined ? 0 : score)
    longest = Math.max(longest, text.length)
  })
  return { usable, longest, unknown: lowest - UNKNOWN_PENALTY }
}

/** The text as the model reads it: with marks for spaces, and one in front. */
const normal = (vocabulary: Vocabulary): ((text: string) => string) => {
  const space = vocabulary.flag("escape_whitespaces", true) ? SPACE : " "
  const adds = vocabulary.flag("add_space_prefix", false)
  const asSuffix = vocabulary.flag("treat_whitespace_as_suffix", false)
  const merges = vocabulary.flag("remove_extra_whitespaces", false)
  return (text) => {
    const words = merges ? text.replace(/ +/g, " ").trim() : text
    const marked = words.replaceAll(" ", space)
    if (!adds && !merges) return marked
    if (asSuffix) return `${merges && words !== "" ? space : ""}${marked}${adds ? space : ""}`
    // A text that is spaces only gets no further one: there is no word before which it would stand.
    if (/^ *$/.test(text)) return marked
    const [spaces = ""] = merges ? [""] : (/^ */.exec(text) ?? [])
    return `${space.repeat(spaces.length)}${space}${marked.slice(spaces.length)}`
  }
}

const walk = (text: string, model: ReturnType<typeof scoresOf>): number => {
  const best: Array<Step | undefined> = Array.from({ length: text.length + 1 })
  best[0] = { score: 0, from: 0, unknown: false }
  const offer = (to: number, step: Step): void => {
    const before = best[to]
    if (before === undefined || step.score > before.score) best[to] = step
  }
  for (let at = 0; at < text.length;) {
    const width = (text.codePointAt(at) ?? 0) > 0xffff ? 2 : 1
    const score = best[at]?.score ?? -Infinity
    let known = false
    for (let to = at + 1; to <= Math.min(text.length, at + model.longest); to++) {
      const token = model.usable.get(text.slice(at, to))
      if (token === undefined) continue
      if (to - at === width) known = true
      offer(to, { score: score + token, from: at, unknown: false })
    }
    if (!known) offer(at + width, { score: score + model.unknown, from: at, unknown: true })
    at += width
  }
  let count = 0
  let wasUnknown = false
  for (let at = text.length; at > 0;) {
    const step = best[at]
    if (step === undefined) break
    // Unknown characters in a row are one token.
    if (!(step.unknown && wasUnknown)) count += 1
    wasUnknown = step.unknown
    at = step.from
  }
  return count
}

/**
 * Makes the function that counts by the best sum of scores, or says why it cannot be made.
 *
 * @category constructors
 * @since 0.1.0
 */
export const unigram = (vocabulary: Vocabulary): Result.Result<(text: string) => number, string> => {
  if (vocabulary.has("precompiled_charsmap"))
    return Result.fail("It rewrites characters by a map that is not read here.")
  const model = scoresOf(vocabulary)
  const normalize = normal(vocabulary)
  return Result.succeed((text) => walk(normalize(text), model))
}
