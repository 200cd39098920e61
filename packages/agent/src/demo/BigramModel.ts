/**
 * A language model made by counting: which token follows which in a text. It is stored exactly as a llama-architecture
 * file of one layer: one-hot embeddings, attention that adds nothing, and the logarithms of the counted shares as the
 * output matrix. It uses no context beyond one token and cannot answer anything.
 *
 * @since 0.1.0
 */
import * as Gguf from "./Gguf.ts"

/** Tokens that every such model begins with. */
const UNKNOWN = 0
const BEGIN = 1
const END = 2
/** The mark of a leading space in the tokenizer's pieces. */
const SPACE = "\u2581"
const TOKEN_TYPE = { normal: 1, unknown: 2, control: 3, unused: 5 } as const
/** No embedded vocabulary is larger: two square matrices of 16 bits then stay below 5 MB. */
const MAX_VOCABULARY = 1024
/** Attention needs a shape but has no work: the smallest that llama.cpp's kernels like. */
const HEAD = 32
const FEED_FORWARD = 32
/** The logarithm of a share that was never seen. */
const NEVER = -40

/**
 * How often each token follows each, and what the tokens are.
 *
 * @category models
 * @since 0.1.0
 */
export interface Bigrams {
  readonly pieces: ReadonlyArray<string>
  /** `counts[a][b]`: how often `b` follows `a`. */
  readonly counts: ReadonlyArray<Float64Array>
}

const isMark = (token: string) => /^[.,:;!?]$/.test(token)

/**
 * Counts the tokens of a text. Words and marks are tokens; a blank line ends what began with a sentence. Single characters are
 * tokens too, so that any prompt can be read. Throws a `RangeError` where the text has more than a thousand words.
 *
 * @category constructors
 * @since 0.1.0
 */
export const count = (text: string): Bigrams => {
  const paragraphs = text
    .split(/\n\s*\n/)
    .map((paragraph) => paragraph.match(/[A-Za-z']+|[.,:;!?]/g) ?? [])
    .filter((tokens) => tokens.length > 0)
  const pieces = ["<unk>", "<s>", "</s>", SPACE]
  for (let code = 0x21; code < 0x7f; code++) pieces.push(String.fromCharCode(code))
  const ids = new Map(pieces.map((piece, id) => [piece, id]))
  for (const token of paragraphs.flat()) {
    const piece = isMark(token) ? token : SPACE + token
    if (!ids.has(piece)) ids.set(piece, pieces.push(piece) - 1)
  }
  while (pieces.length % 32 !== 0) pieces.push(`<unused${pieces.length}>`)
  if (pieces.length > MAX_VOCABULARY) {
    throw new RangeError(`The text has ${pieces.length} tokens; a demo model holds ${MAX_VOCABULARY}. Use fewer words.`)
  }
  const counts = pieces.map(() => new Float64Array(pieces.length))
  for (const tokens of paragraphs) {
    let previous = BEGIN
    for (const token of tokens) {
      const id = ids.get(isMark(token) ? token : SPACE + token) ?? UNKNOWN
      add(counts, previous, id)
      // A sentence may also be the first of an answer.
      if (previous === ids.get(".")) add(counts, BEGIN, id)
      previous = id
    }
    add(counts, previous, END)
  }
  return { pieces, counts }
}

const add = (counts: ReadonlyArray<Float64Array>, from: number, to: number): void => {
  const row = counts[from]
  if (row !== undefined) row[to] = (row[to] ?? 0) + 1
}

/** The logarithm of the share of each successor. A token that the text does not have is followed as a beginning is. */
const logShares = (bigrams: Bigrams): ReadonlyArray<Float64Array> => {
  const beginning = bigrams.counts[BEGIN] ?? new Float64Array(bigrams.pieces.length)
  return bigrams.counts.map((own) => {
    const ownTotal = own.reduce((sum, value) => sum + value, 0)
    const row = ownTotal > 0 ? own : beginning
    const total = ownTotal > 0 ? ownTotal : beginning.reduce((sum, value) => sum + value, 0)
    return row.map((value) => (value > 0 ? Math.log(value / total) : NEVER))
  })
}

const metadata = (name: string, pieces: ReadonlyArray<string>, contextLength: number) => {
  const u32 = (value: number) => ({ _tag: "U32", value }) as const
  const string = (value: string) => ({ _tag: "String", value }) as const
  const bool = (value: boolean) => ({ _tag: "Bool", value }) as const
  return {
    "general.architecture": string("llama"),
    "general.name": string(name),
    "general.description": string("A demo that counts which word follows which. It cannot answer anything."),
    "llama.context_length": u32(contextLength),
    "llama.embedding_length": u32(pieces.length),
    "llama.block_count": u32(1),
    "llama.feed_forward_length": u32(FEED_FORWARD),
    "llama.attention.head_count": u32(1),
    "llama.attention.head_count_kv": u32(1),
    "llama.attention.key_length": u32(HEAD),
    "llama.attention.value_length": u32(HEAD),
    "llama.attention.layer_norm_rms_epsilon": { _tag: "F32", value: 1e-6 },
    "llama.rope.dimension_count": u32(HEAD),
    "llama.vocab_size": u32(pieces.length),
    // The unigram tokenizer reads whole words without a table of merges.
    "tokenizer.ggml.model": string("t5"),
    "tokenizer.ggml.tokens": { _tag: "Strings", value: pieces },
    "tokenizer.ggml.scores": { _tag: "F32s", value: pieces.map(score) },
    "tokenizer.ggml.token_type": { _tag: "I32s", value: pieces.map(tokenType) },
    "tokenizer.ggml.unknown_token_id": u32(UNKNOWN),
    "tokenizer.ggml.bos_token_id": u32(BEGIN),
    "tokenizer.ggml.eos_token_id": u32(END),
    "tokenizer.ggml.padding_token_id": u32(END),
    "tokenizer.ggml.add_space_prefix": bool(true),
    "tokenizer.ggml.add_bos_token": bool(true),
    "tokenizer.ggml.add_eos_token": bool(false),
    "tokenizer.ggml.remove_extra_whitespaces": bool(false),
  } as const satisfies Record<string, Gguf.MetadataValue>
}

/** A word is always better than its letters. */
const score = (piece: string, id: number): number => (id <= END ? 0 : piece.length === 1 ? -20 : -10)

const tokenType = (piece: string, id: number): number =>
  id === UNKNOWN
    ? TOKEN_TYPE.unknown
    : id <= END
      ? TOKEN_TYPE.control
      : piece.startsWith("<unused")
        ? TOKEN_TYPE.unused
        : TOKEN_TYPE.normal

/**
 * The model as the bytes of a GGUF file. `contextLength` is in tokens.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (
  bigrams: Bigrams,
  options: { readonly name: string; readonly contextLength: number },
): Uint8Array<ArrayBuffer> => {
  const size = bigrams.pieces.length
  const shares = logShares(bigrams)
  // The last normalisation multiplies a one-hot vector by the root of its length.
  const scale = 1 / Math.sqrt(size)
  const zero = () => 0
  const one = () => 1
  return Gguf.encode(metadata(options.name, bigrams.pieces, options.contextLength), [
    { name: "token_embd.weight", dimensions: [size, size], precision: "f16", at: (a, b) => (a === b ? 1 : 0) },
    { name: "blk.0.attn_norm.weight", dimensions: [size], precision: "f32", at: one },
    { name: "blk.0.attn_q.weight", dimensions: [size, HEAD], precision: "f16", at: zero },
    { name: "blk.0.attn_k.weight", dimensions: [size, HEAD], precision: "f16", at: zero },
    { name: "blk.0.attn_v.weight", dimensions: [size, HEAD], precision: "f16", at: zero },
    { name: "blk.0.attn_output.weight", dimensions: [HEAD, size], precision: "f16", at: zero },
    { name: "blk.0.ffn_norm.weight", dimensions: [size], precision: "f32", at: one },
    { name: "blk.0.ffn_gate.weight", dimensions: [size, FEED_FORWARD], precision: "f16", at: zero },
    { name: "blk.0.ffn_up.weight", dimensions: [size, FEED_FORWARD], precision: "f16", at: zero },
    { name: "blk.0.ffn_down.weight", dimensions: [FEED_FORWARD, size], precision: "f16", at: zero },
    { name: "output_norm.weight", dimensions: [size], precision: "f32", at: one },
    {
      name: "output.weight",
      dimensions: [size, size],
      precision: "f16",
      at: (from, to) => (shares[from]?.[to] ?? NEVER) * scale,
    },
  ])
}
