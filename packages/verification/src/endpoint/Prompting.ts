/**
 * The words in which the checks ask for tokens, in the dialect that an instance speaks, and how its answers are read. They are
 * everyday questions of few words: nothing in them says that nobody wants to know.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Endpoint } from "@guildhall/core/Endpoint"
import * as Endpoints from "@guildhall/core/Endpoint"
import type { Instance } from "@guildhall/core/Instance"
import * as EndpointShape from "@guildhall/protocol/EndpointShape"

/**
 * The endpoints at which tokens can be asked for.
 *
 * @category models
 * @since 0.1.0
 */
export type TextEndpoint = "chat/completions" | "completions" | "responses" | "messages"

const TEXT: ReadonlyArray<TextEndpoint> = ["chat/completions", "completions", "messages", "responses"]

/**
 * At which endpoint an instance is asked for tokens; undefined where it has none, as for embeddings or images.
 *
 * @category getters
 * @since 0.1.0
 */
export const endpointOf = ({ endpoints }: Pick<Instance, "endpoints">): TextEndpoint | undefined => {
  const spoken: ReadonlyArray<Endpoint> = endpoints ?? Endpoints.standard
  return TEXT.find((one) => spoken.includes(one))
}

/**
 * Prompts, of which each probe takes one by chance.
 *
 * @category constants
 * @since 0.1.0
 */
export const PROMPTS: readonly [string, ...Array<string>] = [
  "What is the capital of Portugal?",
  "Write one sentence about the sea.",
  "How many days are in a leap year?",
  "Name three fruits that are red.",
  "Translate to French: good morning.",
  "Why is the sky blue? Answer briefly.",
  "Give me a short name for a brown dog.",
  "What comes after Tuesday?",
  "Explain in a few words what a mutex is.",
  "Suggest a title for a story about a lighthouse.",
  "Is seventeen a prime number?",
  "Who painted the Mona Lisa?",
  "What does HTTP stand for?",
  "Finish the sentence: once upon a time",
  "Which is heavier, a kilogram of iron or of feathers?",
  "Tell me one rule of chess.",
]

/**
 * What is asked: `outputTokens` at most, as a stream or whole.
 *
 * @category models
 * @since 0.1.0
 */
export interface Wish {
  readonly prompt: string
  readonly outputTokens: number
  readonly stream: boolean
}

const asked = (endpoint: TextEndpoint, { outputTokens, prompt }: Wish): object => {
  switch (endpoint) {
    case "completions":
      return { prompt, max_tokens: outputTokens }
    case "responses":
      return { input: prompt, max_output_tokens: outputTokens, store: false }
    case "messages":
    case "chat/completions":
      return { messages: [{ role: "user", content: prompt }], max_tokens: outputTokens }
  }
}

/**
 * The path and the body of a request.
 *
 * @category encoding
 * @since 0.1.0
 */
export const request = (instance: Pick<Instance, "model">, endpoint: TextEndpoint, wish: Wish) => {
  const hasUsage = EndpointShape.of(endpoint).streamUsage
  const stream = wish.stream
    ? { stream: true, ...(hasUsage ? { stream_options: { include_usage: true } } : {}) }
    : { stream: false }
  return {
    path: `/v1/${endpoint}`,
    body: new TextEncoder().encode(JSON.stringify({ model: instance.model, ...asked(endpoint, wish), ...stream })),
  }
}

const parse = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))

const content = Schema.Struct({ message: Schema.Struct({ content: Schema.NonEmptyString }) })
const text = Schema.Struct({ text: Schema.NonEmptyString })
const isText = Schema.is(Schema.Struct({ choices: Schema.NonEmptyArray(Schema.Union([content, text])) }))

/**
 * Whether a body is an answer with some text in it, at `chat/completions` or `completions`.
 *
 * @category codecs
 * @since 0.1.0
 */
export const hasText = (body: Uint8Array): boolean => {
  const json = parse(new TextDecoder().decode(body))
  return Result.isSuccess(json) && isText(json.success)
}

/**
 * The usage of a whole answer in its endpoint's shape; undefined where it has none, or is no such answer.
 *
 * @category decoding
 * @since 0.1.0
 */
export const usage = (endpoint: TextEndpoint, body: Uint8Array) => {
  const json = parse(new TextDecoder().decode(body))
  return Result.isSuccess(json) ? EndpointShape.of(endpoint).readUsage(json.success) : undefined
}

/**
 * The events of a stream: how many carried something, and where in the body the first one ended.
 *
 * @category decoding
 * @since 0.1.0
 */
export const events = (body: Uint8Array): { readonly count: number; readonly firstEnd: number } => {
  const text = new TextDecoder("latin1").decode(body)
  let [count, firstEnd, at] = [0, 0, 0]
  for (const block of text.split(/\r?\n\r?\n/)) {
    at += block.length + 2
    if (!/^data:(?!\s*\[DONE\])/m.test(block)) continue
    count += 1
    if (count === 1) firstEnd = Math.min(at, body.length)
  }
  return { count, firstEnd }
}
