/**
 * A model's tokenizer as data, in one canonical form whichever file it was read from, so that a digest names it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Digest from "effect/crypto/Digest"
import * as Canonical from "./Canonical.ts"
import type * as Gguf from "./Gguf.ts"

/**
 * A tokenizer: the `tokenizer.*` metadata of a GGUF file without chat templates, or those members of a `tokenizer.json`
 * and its `tokenizer_config.json` that decide how text becomes tokens.
 *
 * @category models
 * @since 0.1.0
 */
export type Tokenizer =
  | { readonly kind: "gguf"; readonly metadata: Members }
  | { readonly kind: "json"; readonly tokenizer: Members; readonly config: Members }

/**
 * Members of a JSON object.
 *
 * @category models
 * @since 0.1.0
 */
export type Members = { readonly [key: string]: Canonical.Json }

/**
 * What a file says of a model's tokens: the tokenizer, and the chat template that turns messages into its text, where
 * the file has one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Described {
  readonly tokenizer: Tokenizer
  readonly template: string | undefined
}

/**
 * The file holds no tokenizer.
 *
 * @category errors
 * @since 0.1.0
 */
export class TokenizerError extends Schema.TaggedError<TokenizerError>()("TokenizerError", {
  detail: Schema.String,
}) {
  override get message(): string {
    return `There is no tokenizer in the file. ${this.detail}`
  }
}

const PREFIX = "tokenizer."
const TEMPLATE = "tokenizer.chat_template"

/** As JSON. What JSON has no number for is written as text, which no reader takes for a score. */
const plain = (value: Gguf.Value): Canonical.Json => {
  if (typeof value === "bigint") return value.toString()
  if (typeof value === "number") {
    const isExact = Number.isInteger(value) ? Number.isSafeInteger(value) : Number.isFinite(value)
    return isExact ? value : String(value)
  }
  return typeof value === "object" ? value.map(plain) : value
}

/**
 * The tokenizer of a GGUF file.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromGguf = (metadata: Gguf.Metadata): Result.Result<Described, TokenizerError> => {
  const kept: Record<string, Canonical.Json> = {}
  for (const [key, value] of metadata) {
    if (key.startsWith(PREFIX) && !key.startsWith(TEMPLATE)) kept[key] = plain(value)
  }
  if (kept["tokenizer.ggml.model"] === undefined || kept["tokenizer.ggml.tokens"] === undefined) {
    return Result.fail(new TokenizerError({ detail: "Its metadata has no tokenizer.ggml.model and tokens." }))
  }
  const template = metadata.get(TEMPLATE)
  return Result.succeed({
    tokenizer: { kind: "gguf", metadata: kept },
    template: typeof template === "string" ? template : undefined,
  })
}

const TOKENIZER_KEYS = ["model", "normalizer", "pre_tokenizer", "post_processor", "decoder", "added_tokens"]
const CONFIG_KEYS = [
  "tokenizer_class",
  "bos_token",
  "eos_token",
  "unk_token",
  "pad_token",
  "add_bos_token",
  "add_eos_token",
  "additional_special_tokens",
  "remove_space",
  "do_lowercase_and_remove_accent",
]

const isMembers = (json: Canonical.Json | undefined): json is Members =>
  typeof json === "object" && json !== null && !Array.isArray(json)

const pick = (members: Members, keys: ReadonlyArray<string>): Members =>
  Object.fromEntries(
    keys.flatMap((key) => {
      const value = members[key]
      return value === undefined ? [] : [[key, value]]
    }),
  )

/** A config holds one template, or several with names. */
const templateOf = (template: Canonical.Json | undefined): string | undefined => {
  if (typeof template === "string") return template
  if (!Array.isArray(template)) return undefined
  const named = template.filter(isMembers)
  const chosen = named.find(({ name }) => name === "default") ?? named[0]
  return typeof chosen?.["template"] === "string" ? chosen["template"] : undefined
}

/**
 * The tokenizer of a parsed `tokenizer.json`, with the `tokenizer_config.json` that lies beside it; an empty object
 * stands for none.
 *
 * @category constructors
 * @since 0.1.0
 */
export const fromJson = (
  tokenizer: Canonical.Json,
  config: Canonical.Json,
): Result.Result<Described, TokenizerError> => {
  if (!isMembers(tokenizer) || !isMembers(tokenizer["model"])) {
    return Result.fail(new TokenizerError({ detail: "It is no tokenizer.json: it has no member `model`." }))
  }
  const settings = isMembers(config) ? config : {}
  return Result.succeed({
    tokenizer: { kind: "json", tokenizer: pick(tokenizer, TOKENIZER_KEYS), config: pick(settings, CONFIG_KEYS) },
    template: templateOf(settings["chat_template"]),
  })
}

/**
 * The canonical bytes of a tokenizer. Throws a `TypeError` on numbers that have no canonical form, which no tokenizer
 * in use has.
 *
 * @category encoding
 * @since 0.1.0
 */
export const bytes = (tokenizer: Tokenizer): Uint8Array => Canonical.bytes(tokenizer)

/**
 * A digest by which a tokenizer or a template is named.
 *
 * @category models
 * @since 0.1.0
 */
export const TokenizerDigest = Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{64}$/)))

/**
 * The digest by which a tokenizer is named: SHA-256 of its canonical bytes, in hexadecimal.
 *
 * @category encoding
 * @since 0.1.0
 */
export const digest = Effect.fnUntraced(function* (tokenizer: Tokenizer) {
  return yield* (yield* Digest.Digest).digestHex(Digest.sha256, bytes(tokenizer))
})

/**
 * The digest by which a chat template is named: SHA-256 of its UTF-8 bytes, in hexadecimal.
 *
 * @category encoding
 * @since 0.1.0
 */
export const templateDigest = Effect.fnUntraced(function* (template: string) {
  return yield* (yield* Digest.Digest).digestHex(Digest.sha256, new TextEncoder().encode(template))
})
