import { afterAll, assert, describe, it } from "@effect/vitest"
import { Result } from "effect"
import { Gguf, Tokenizer } from "@guildhall/core"
import type { Counter } from "../src/tokens/Counter.ts"
import * as GgufTokenizer from "../src/tokens/GgufTokenizer.ts"
import * as JsonTokenizer from "../src/tokens/JsonTokenizer.ts"
import * as Merging from "../src/tokens/Merging.ts"
import * as LlamaVocabularies from "./LlamaVocabularies.ts"
import * as TestTokenizer from "./TestTokenizer.ts"

const members = (gguf: Uint8Array): Tokenizer.Members => {
  const described = Result.getOrThrow(Tokenizer.fromGguf(Result.getOrThrow(Gguf.read(gguf))))
  assert(described.tokenizer.kind === "gguf")
  return described.tokenizer.metadata
}

const counterOf = (gguf: Uint8Array): Counter => Result.getOrThrow(GgufTokenizer.make(members(gguf)))

const list = (metadata: Tokenizer.Members, name: string): ReadonlyArray<unknown> => {
  const value = metadata[`tokenizer.ggml.${name}`]
  return Array.isArray(value) ? value : []
}

/** The tokenizer of a GGUF file as a tokenizer.json, with the words cut by `pattern`, or as GPT-2 does. */
const asJson = (metadata: Tokenizer.Members, pattern?: string): Tokenizer.Members => {
  const tokens = list(metadata, "tokens").map(String)
  const types = list(metadata, "token_type")
  const bytes = { type: "ByteLevel", add_prefix_space: false, use_regex: pattern === undefined }
  const split = { type: "Split", pattern: { Regex: pattern ?? "" }, behavior: "Isolated", invert: false }
  return {
    added_tokens: tokens.flatMap((content, id) => (types[id] === 3 ? [{ id, content, special: true }] : [])),
    normalizer: null,
    pre_tokenizer: pattern === undefined ? bytes : { type: "Sequence", pretokenizers: [split, bytes] },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: {
      type: "BPE",
      vocab: Object.fromEntries(tokens.map((token, id) => [token, id])),
      merges: list(metadata, "merges").map(String),
      ignore_merges: pattern !== undefined,
    },
  }
}

const LLAMA3 =
  "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"

const vocabularies = LlamaVocabularies.open()
afterAll(() => vocabularies?.close())

const matches = (counter: Counter, { cases }: LlamaVocabularies.Vocabulary): void => {
  assert.isAbove(cases.length, 40)
  for (const { text, tokens } of cases) {
    assert.strictEqual(counter.count(text, { special: false }), tokens.length, JSON.stringify(text))
  }
}

describe.runIf(vocabularies !== undefined)("The counts of llama.cpp's own vectors", () => {
  const names = ["gpt-2", "llama-bpe", "qwen2", "deepseek-coder", "llama-spm", "phi-3"]
  for (const name of names) {
    it(`are those of the GGUF file of ${name}`, () => {
      const vocabulary = vocabularies?.read(name)
      assert(vocabulary !== undefined)
      matches(counterOf(vocabulary.gguf), vocabulary)
    })
  }

  it("are those of a tokenizer.json", () => {
    for (const [name, pattern] of [
      ["gpt-2", undefined],
      ["llama-bpe", LLAMA3],
    ] as const) {
      const vocabulary = vocabularies?.read(name)
      assert(vocabulary !== undefined)
      matches(Result.getOrThrow(JsonTokenizer.make(asJson(members(vocabulary.gguf), pattern), {})), vocabulary)
    }
  })
})

describe("A counter", () => {
  const counters = (): ReadonlyArray<readonly [string, Counter]> => {
    const { config, tokenizer } = TestTokenizer.json()
    const described = Result.getOrThrow(Tokenizer.fromJson(tokenizer, config))
    assert(described.tokenizer.kind === "json")
    const json = JsonTokenizer.make(described.tokenizer.tokenizer, described.tokenizer.config)
    return [
      ["GGUF", counterOf(TestTokenizer.gguf())],
      ["JSON", Result.getOrThrow(json)],
    ]
  }

  it("takes the name of a control token for that token in a prompt, and for text in an answer", () => {
    for (const [kind, counter] of counters()) {
      assert.strictEqual(counter.count("<|user|>hello", { special: true }), 2, kind)
      assert.strictEqual(counter.count("<|user|>hello", { special: false }), 9, kind)
    }
  })

  it("knows the tokens for beginning and end", () => {
    for (const [kind, counter] of counters()) {
      assert.deepStrictEqual([counter.begin, counter.end], ["<s>", "</s>"], kind)
    }
  })

  it("counts a long text without spaces, and half of a character, without trouble", () => {
    for (const [, counter] of counters()) {
      assert.strictEqual(counter.count("!".repeat(20_000), { special: false }), 20_000)
      assert.isAtLeast(counter.count("hello\ud800", { special: false }), 1)
      assert.strictEqual(counter.count("", { special: true }), 0)
    }
  })

  it("is not made of what is not known", () => {
    const base = { "tokenizer.ggml.tokens": ["a"], "tokenizer.ggml.merges": ["a a"] }
    const failure = (metadata: Tokenizer.Members) => Result.getOrThrow(Result.flip(GgufTokenizer.make(metadata)))
    assert.include(failure({ ...base, "tokenizer.ggml.model": "rwkv" }), "rwkv")
    assert.include(failure({ ...base, "tokenizer.ggml.model": "gpt2", "tokenizer.ggml.pre": "kimi-k2" }), "kimi-k2")
    assert.include(failure({ "tokenizer.ggml.tokens": ["a"], "tokenizer.ggml.model": "gpt2" }), "merges")
    const charsmap = { "tokenizer.ggml.model": "t5", "tokenizer.ggml.precompiled_charsmap": [1] }
    assert.include(failure({ ...base, ...charsmap }), "map")
    assert.isTrue(Result.isFailure(JsonTokenizer.make({ model: { type: "Mystery" } }, {})))
  })
})

describe("Merging.merge", () => {
  it("joins the best pair first, and the leftmost of equal ones", () => {
    const ranks: Readonly<Record<string, number>> = { "a b": 1, "b c": 0, "x x": 2 }
    const rankOf: Merging.RankOf = (left, right) => ranks[`${left} ${right}`]
    assert.deepStrictEqual(Merging.merge([..."abc"], rankOf), ["a", "bc"])
    assert.deepStrictEqual(Merging.merge([..."xxx"], rankOf), ["xx", "x"])
    assert.deepStrictEqual(Merging.merge([], rankOf), [])
  })
})
