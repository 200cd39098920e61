/**
 * What the market does alike with every inference endpoint: reading what it needs of a request, and the usage of an
 * answer. It takes the place of a switch over the endpoints.
 *
 * @since 0.1.0
 */
import type { Endpoint } from "@guildhall/core/Endpoint"
import type { Usage } from "@guildhall/core/Usage"
import type * as Result from "effect/Result"
import * as MessageRequest from "./anthropic/MessageRequest.ts"
import * as MessageUsage from "./anthropic/MessageUsage.ts"
import { get } from "./internal/Json.ts"
import type { MultipartForm } from "./MultipartForm.ts"
import * as ChatRequest from "./openai/ChatRequest.ts"
import * as CompletionRequest from "./openai/CompletionRequest.ts"
import * as CompletionUsage from "./openai/CompletionUsage.ts"
import * as Embedding from "./openai/Embedding.ts"
import * as ImageGeneration from "./openai/ImageGeneration.ts"
import * as Rerank from "./openai/Rerank.ts"
import * as ResponseRequest from "./openai/ResponseRequest.ts"
import * as ResponseUsage from "./openai/ResponseUsage.ts"
import type { Flaw, Touched } from "./openai/Touched.ts"
import * as Transcription from "./openai/Transcription.ts"

interface Common {
  /** Members that the market reads or writes: each must stand once, or two readers could see different ones. */
  readonly once: ReadonlyArray<string>
  /** Members that limit the output's tokens. The first is the one to add where none is there. */
  readonly limits: ReadonlyArray<string>
  /** Whether `stream_options.include_usage` decides if a stream tells its usage. */
  readonly streamUsage: boolean
  /**
   * The usage of a parsed answer, or of one event of a streamed one after what earlier events said; `undefined` where
   * nothing has been said.
   */
  readonly readUsage: (json: unknown, before?: Usage) => Usage | undefined
}

/**
 * An endpoint's shape. The body is JSON, or a form; `touch` takes what its parser made of it.
 *
 * @category models
 * @since 0.1.0
 */
export type EndpointShape =
  | (Common & { readonly body: "json"; readonly touch: (body: unknown) => Result.Result<Touched, Flaw> })
  | (Common & { readonly body: "form"; readonly touch: (form: MultipartForm) => Result.Result<Touched, Flaw> })

const STREAM = ["stream", "stream_options"]

const completionUsage = (json: unknown, before?: Usage) => CompletionUsage.read(get(json, "usage")) ?? before

const shapes: Readonly<Record<Endpoint, EndpointShape>> = {
  "chat/completions": {
    body: "json",
    touch: ChatRequest.touch,
    once: ["model", "messages", "n", ...STREAM, ...ChatRequest.limits],
    limits: ChatRequest.limits,
    streamUsage: true,
    readUsage: completionUsage,
  },
  completions: {
    body: "json",
    touch: CompletionRequest.touch,
    once: ["model", "prompt", "n", "best_of", ...STREAM, ...CompletionRequest.limits],
    limits: CompletionRequest.limits,
    streamUsage: true,
    readUsage: completionUsage,
  },
  embeddings: {
    body: "json",
    touch: Embedding.touch,
    once: ["model", "input"],
    limits: [],
    streamUsage: false,
    readUsage: (json, before) => Embedding.readUsage(json) ?? before,
  },
  responses: {
    body: "json",
    touch: ResponseRequest.touch,
    once: [
      "model",
      "input",
      "store",
      "background",
      "previous_response_id",
      "conversation",
      "prompt",
      ...STREAM,
      ...ResponseRequest.limits,
    ],
    limits: ResponseRequest.limits,
    streamUsage: false,
    readUsage: (json, before) => ResponseUsage.read(json) ?? before,
  },
  messages: {
    body: "json",
    touch: MessageRequest.touch,
    once: ["model", "messages", "system", "stream", ...MessageRequest.limits],
    limits: MessageRequest.limits,
    streamUsage: false,
    readUsage: MessageUsage.read,
  },
  "images/generations": {
    body: "json",
    touch: ImageGeneration.touch,
    once: ["model", "prompt", "n", "stream"],
    limits: [],
    streamUsage: false,
    readUsage: ImageGeneration.readUsage,
  },
  "audio/transcriptions": {
    body: "form",
    touch: Transcription.touch,
    once: Transcription.once,
    limits: [],
    streamUsage: false,
    readUsage: (json, before) => Transcription.readUsage(json) ?? before,
  },
  rerank: {
    body: "json",
    touch: Rerank.touch,
    once: ["model", "query", "documents", "top_n"],
    limits: [],
    streamUsage: false,
    readUsage: (json, before) => Rerank.readUsage(json) ?? before,
  },
}

/**
 * The shape of an endpoint.
 *
 * **Example** (An answer of Messages)
 *
 * ```ts
 * import { EndpointShape } from "@guildhall/protocol"
 *
 * EndpointShape.of("messages").readUsage({ usage: { input_tokens: 2, output_tokens: 1 } })
 * // => { inputToken: 2, outputToken: 1 }
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const of = (endpoint: Endpoint): EndpointShape => shapes[endpoint]
