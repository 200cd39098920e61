/**
 * A tiny tokenizer, as a GGUF file and as a `tokenizer.json`: one token for each letter, sign and space, one for each of
 * a few words, and control tokens.
 */
const WORDS = ["hello", "world", "token"]
const CONTROLS = ["<s>", "</s>", "<|user|>", "<|assistant|>"]

export const TEMPLATE =
  "{{ bos_token }}{% for message in messages %}<|{{ message.role }}|>{{ message.content }}{{ eos_token }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"

const letters = Array.from({ length: 94 }, (_, index) => String.fromCharCode(0x21 + index))
const texts = [...CONTROLS, "Ġ", ...letters]
const merges: Array<string> = []
for (const word of WORDS) {
  for (let end = 1; end < word.length; end++) {
    const pair = `${word.slice(0, end)} ${word.slice(end, end + 1)}`
    if (merges.includes(pair)) continue
    merges.push(pair)
    texts.push(pair.replace(" ", ""))
  }
}

const text = (value: string): Buffer => {
  const bytes = Buffer.from(value)
  return Buffer.concat([u64(bytes.length), bytes])
}
const u32 = (value: number): Buffer => Buffer.from(Uint32Array.of(value).buffer)
const u64 = (value: number): Buffer => Buffer.from(BigUint64Array.of(BigInt(value)).buffer)
const list = (type: number, items: ReadonlyArray<Buffer>): Buffer =>
  Buffer.concat([u32(9), u32(type), u64(items.length), ...items])

/** A GGUF file without tensors. */
const ggufOf = (entries: Readonly<Record<string, Buffer>>): Buffer =>
  Buffer.concat([
    Buffer.from("GGUF"),
    u32(3),
    u64(0),
    u64(Object.keys(entries).length),
    ...Object.entries(entries).flatMap(([key, value]) => [text(key), value]),
  ])

const string = (value: string): Buffer => Buffer.concat([u32(8), text(value)])
const strings = (values: ReadonlyArray<string>): Buffer => list(8, values.map(text))
const number = (value: number): Buffer => Buffer.concat([u32(4), u32(value)])
const numbers = (values: ReadonlyArray<number>): Buffer => list(5, values.map(u32))
const flag = (value: boolean): Buffer => Buffer.concat([u32(7), Buffer.from([value ? 1 : 0])])

/** The tokenizer as a GGUF file. */
export const gguf = (): Buffer =>
  ggufOf({
    "general.name": string("A tokenizer for tests"),
    "tokenizer.ggml.model": string("gpt2"),
    "tokenizer.ggml.pre": string("gpt-2"),
    "tokenizer.ggml.tokens": strings(texts),
    "tokenizer.ggml.token_type": numbers(texts.map((token) => (CONTROLS.includes(token) ? 3 : 1))),
    "tokenizer.ggml.merges": strings(merges),
    "tokenizer.ggml.bos_token_id": number(0),
    "tokenizer.ggml.eos_token_id": number(1),
    "tokenizer.ggml.add_bos_token": flag(true),
    "tokenizer.chat_template": string(TEMPLATE),
  })

/** The same tokenizer as Hugging Face writes it. */
export const json = () => ({
  tokenizer: {
    version: "1.0",
    added_tokens: CONTROLS.map((content, id) => ({ id, content, special: true })),
    normalizer: null,
    pre_tokenizer: { type: "ByteLevel", add_prefix_space: false, use_regex: true },
    post_processor: null,
    decoder: { type: "ByteLevel" },
    model: { type: "BPE", vocab: Object.fromEntries(texts.map((token, id) => [token, id])), merges },
  },
  config: { bos_token: "<s>", eos_token: { content: "</s>" }, model_max_length: 1e30, chat_template: TEMPLATE },
})
