/**
 * How a text is cut into words before the symbols of each are joined: the patterns that the makers of a tokenizer chose,
 * under the names by which GGUF files know them.
 *
 * @since 0.1.0
 */

/**
 * A way to cut. Each pattern cuts what the one before left; what is between its matches is a word as well.
 * `wholeFirst` says that a word which is a token is never taken apart; `raw` that symbols are characters rather than
 * bytes, with `▁` for a space; `begins` that a text begins with the token for its beginning, unless the file says
 * otherwise.
 *
 * @category models
 * @since 0.1.0
 */
export interface Cutting {
  readonly patterns: ReadonlyArray<string>
  readonly wholeFirst?: boolean
  readonly raw?: boolean
  readonly begins?: boolean
}

/** The endings of English contractions, in small and capital letters. */
const CONTRACTION = "'(?:[sStTmMdD]|[rR][eE]|[vV][eE]|[lL][lL])"
const GPT2 = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)"
const SPACES = "\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

/** The family that began with GPT-4: words take the mark or space before them, digits stand in groups. */
const modern = (digits: string, word = "\\p{L}", other = "\\p{L}\\p{N}"): string =>
  `${CONTRACTION}|[^\\r\\n\\p{L}\\p{N}]?[${word}]+|${digits}| ?[^\\s${other}]+[\\r\\n]*|${SPACES}`

/** A word whose capitals stand in front, as GPT-4o has it. llama.cpp knows capitals only of the Latin alphabet. */
const cased = (ending: string): string =>
  `[^\\r\\n\\p{L}\\p{N}]?(?:(?=\\p{L})[^a-z])*(?:(?=\\p{L})[^A-Z])+${ending}` +
  `|[^\\r\\n\\p{L}\\p{N}]?(?:(?=\\p{L})[^a-z])+(?:(?=\\p{L})[^A-Z])*${ending}`
const casedRest = ` ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|${SPACES}`

const DEEPSEEK3 =
  "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\\r\\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+" +
  `| ?[\\p{P}\\p{S}]+[\\r\\n]*|${SPACES}`

const gpt2: Cutting = { patterns: [GPT2] }
const digitsApart: Cutting = { patterns: ["\\p{N}", GPT2] }
const llama3: Cutting = { patterns: [modern("\\p{N}{1,3}")] }
const llama3Whole: Cutting = { ...llama3, wholeFirst: true, begins: true }
const qwen2: Cutting = { patterns: [modern("\\p{N}")] }
const gpt4o: Cutting = { patterns: [`${cased(`(?:${CONTRACTION})?`)}|\\p{N}{1,3}|${casedRest}`] }
const deepseek3: Cutting = {
  patterns: ["\\p{N}{1,3}", "[\\u4E00-\\u9FA5\\u3040-\\u309F\\u30A0-\\u30FF]+", DEEPSEEK3],
}
const lines: Cutting = { patterns: ["[^\\n]+|\\n+"], raw: true }
const unnamed: Cutting = {
  patterns: ["[\\p{P}$+<=>\\^~|]+", GPT2, "\\p{N}+", "[0-9][0-9][0-9]"],
}

const byName: ReadonlyMap<string, Cutting> = new Map<string, Cutting>([
  ["", unnamed],
  ["default", unnamed],
  ...["gpt-2", "phi-2", "mpt", "olmo", "jais", "trillion", "granite-docling", "exaone4", "gigachat", "a.x-4.0"].map(
    (name) => [name, gpt2] as const,
  ),
  ...["starcoder", "refact", "command-r", "smollm", "codeshell", "exaone", "minerva-7b", "mellum2"].map(
    (name) => [name, digitsApart] as const,
  ),
  ...["llama3", "llama-v3", "llama-bpe", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"].map(
    (name) => [name, llama3Whole] as const,
  ),
  ...["dbrx", "smaug-bpe", "glm4", "chatglm-bpe"].map((name) => [name, llama3] as const),
  ...["qwen2", "deepseek-r1-qwen", "kormo", "stablelm2", "hunyuan", "solar-open", "grok-2", "megrez"].map(
    (name) => [name, qwen2] as const,
  ),
  ["qwen35", { patterns: [modern("\\p{N}", "\\p{L}\\p{M}", "\\p{L}\\p{M}\\p{N}")] }],
  ...["deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"].map((name) => [name, deepseek3] as const),
  [
    "deepseek-coder",
    {
      patterns: [
        "[\\r\\n]",
        "\\s?\\p{L}+",
        "\\s?\\p{P}+",
        "[\\u4E00-\\u9FA5\\u0800-\\u4E00\\uAC00-\\uD7FF]+",
        "\\p{N}",
      ],
    },
  ],
  ["falcon", { patterns: ["[\\p{P}$+<=>\\^~|`]+", GPT2, "[0-9][0-9][0-9]"] }],
  ["tekken", { patterns: [`${cased("")}|\\p{N}|${casedRest}`], wholeFirst: true, begins: true }],
  ...["gpt-4o", "llama4", "kanana2", "minimax-m2"].map((name) => [name, gpt4o] as const),
  ["gemma4", lines],
])

/**
 * The cutting of a name as GGUF files give it in `tokenizer.ggml.pre`; none is the name "". `undefined` where it is not
 * known here.
 *
 * @category getters
 * @since 0.1.0
 */
export const cutting = (name: string): Cutting | undefined => byName.get(name)

/** JavaScript's own `\s` has one character too many and one too few for this. */
const compile = (pattern: string): RegExp =>
  new RegExp(pattern.replaceAll("\\s", "\\p{White_Space}").replaceAll("\\S", "\\P{White_Space}"), "gu")

const cut = (texts: ReadonlyArray<string>, pattern: RegExp): ReadonlyArray<string> => {
  const words: Array<string> = []
  for (const text of texts) {
    let end = 0
    for (const { 0: word, index } of text.matchAll(pattern)) {
      if (word === "") continue
      if (index > end) words.push(text.slice(end, index))
      words.push(word)
      end = index + word.length
    }
    if (end < text.length) words.push(text.slice(end))
  }
  return words
}

/**
 * Makes the function that cuts a text into words; together they are the whole text.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = ({ patterns }: Cutting): ((text: string) => ReadonlyArray<string>) => {
  const compiled = patterns.map(compile)
  return (text) => compiled.reduce<ReadonlyArray<string>>(cut, [text])
}
