/**
 * Counts as llama.cpp does with the tokenizer that a GGUF file holds.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { Members } from "@guildhall/core/Tokenizer"
import * as BytePairs from "./BytePairs.ts"
import type { Counter } from "./Counter.ts"
import * as SentencePiece from "./SentencePiece.ts"
import * as Vocabulary from "./Vocabulary.ts"
import * as Words from "./Words.ts"

/** Counts a piece of plain text; `first` says whether it follows a control token or begins the text. */
type CountPlain = (text: string, first: boolean) => number

/** Texts that llama.cpp takes for control tokens whatever type a file gives them. */
const CONTROLLING: ReadonlySet<string> = new Set([
  ...["<|eot_id|>", "<|eom_id|>", "<|im_end|>", "<|end|>", "<|return|>", "<|call|>", "<|flush|>", "<|calls|>"],
  ...["<end_of_turn>", "<|endoftext|>", "<|end_of_text|>", "</s>", "<EOT>", "_<EOT>", "[EOT]", "[EOS]", "[e~["],
  ...["<end_of_utterance>", "<eos>", "<turn|>", "<|tool_response>", "<｜end▁of▁sentence｜>"],
  ...[
    "<|fim_prefix|>",
    "<|fim_suffix|>",
    "<|fim_middle|>",
    "<|fim_pad|>",
    "<|fim_repo|>",
    "<|repo_name|>",
    "<|file_sep|>",
  ],
])

/** Tokens that are found in a text before all else, the longest first. */
const marks = ({ ids, texts, types }: Vocabulary.Vocabulary) => {
  const { control, unknown, userDefined } = Vocabulary.TYPE
  const controls = (text: string): boolean => CONTROLLING.has(text) && !(text === "</s>" && ids.has("<|tool_response>"))
  const found = texts.flatMap((text, id) => {
    const isControl = types[id] === control || types[id] === unknown || controls(text)
    return text !== "" && (isControl || types[id] === userDefined) ? [{ text, isControl }] : []
  })
  return found.toSorted((a, b) => b.text.length - a.text.length)
}

const countWith = (vocabulary: Vocabulary.Vocabulary, plain: CountPlain): Counter["count"] => {
  const known = marks(vocabulary)
  const textual = known.filter(({ isControl }) => !isControl)
  return (given, { special }) => {
    const text = given.toWellFormed()
    let tokens = 0
    let pieces: Array<{ readonly text: string; readonly first: boolean }> = [{ text, first: true }]
    for (const mark of special ? known : textual) {
      if (!text.includes(mark.text)) continue
      pieces = pieces.flatMap((piece) => {
        const parts = piece.text.split(mark.text)
        tokens += parts.length - 1
        return parts.map((part, index) => ({ text: part, first: index > 0 || piece.first }))
      })
    }
    return pieces.reduce((sum, piece) => (piece.text === "" ? sum : sum + plain(piece.text, piece.first)), tokens)
  }
}

const plainOf = (vocabulary: Vocabulary.Vocabulary): Result.Result<CountPlain, string> => {
  switch (vocabulary.kind) {
    case "gpt2":
    case "gemma4":
      return BytePairs.make(vocabulary)
    case "llama":
      return Result.succeed(SentencePiece.joining(vocabulary))
    case "t5":
      return SentencePiece.unigram(vocabulary)
    default:
      return Result.fail(`A tokenizer of the kind "${vocabulary.kind}" is not read here.`)
  }
}

/** Llama 2's files do not name the tokens for beginning and end, which are always these. */
const usual = { bos_token_id: 1, eos_token_id: 2 } as const

/**
 * Makes the counter of a GGUF file's tokenizer, or says why it cannot be made.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (metadata: Members): Result.Result<Counter, string> =>
  Result.flatMap(Vocabulary.read(metadata), (vocabulary) =>
    Result.map(plainOf(vocabulary), (plain): Counter => {
      const { kind, pre, texts } = vocabulary
      const named = (name: keyof typeof usual): string | undefined => {
        const id = vocabulary.id(name) ?? (kind === "llama" ? usual[name] : undefined)
        return id === undefined ? undefined : texts[id]
      }
      return {
        count: countWith(vocabulary, plain),
        begin: named("bos_token_id"),
        end: named("eos_token_id"),
        addsBegin: vocabulary.flag("add_bos_token", kind === "llama" || Words.cutting(pre)?.begins === true),
      }
    }),
  )
