/**
 * The endpoints that the lane serves: for each, how its requests and answers are read, and how it tells an error.
 *
 * @since 0.1.0
 */
import type { Endpoint } from "@guildhall/core/Endpoint"
import * as Dialects from "@guildhall/protocol/conversation/Dialects"
import type { Dialect } from "@guildhall/protocol/conversation/Dialect"
import * as EndpointShape from "@guildhall/protocol/EndpointShape"
import type { AnswerFormat } from "./AnswerFormat.ts"
import { chatAnswer } from "./formats/ChatAnswer.ts"
import { completionAnswer } from "./formats/CompletionAnswer.ts"
import { embeddingsAnswer } from "./formats/EmbeddingsAnswer.ts"
import { imagesAnswer } from "./formats/ImagesAnswer.ts"
import { messagesAnswer } from "./formats/MessagesAnswer.ts"
import { rerankAnswer } from "./formats/RerankAnswer.ts"
import { responsesAnswer } from "./formats/ResponsesAnswer.ts"
import { transcriptionAnswer } from "./formats/TranscriptionAnswer.ts"

/**
 * An endpoint. `operation` is its name in OpenTelemetry's conventions; `dialect` is there where it is one of the three
 * dialects of a conversation; `errors` is the dialect whose errors its callers expect.
 *
 * @category models
 * @since 0.1.0
 */
export interface InferenceEndpoint {
  readonly name: Endpoint
  readonly path: string
  readonly operation: string
  readonly shape: EndpointShape.EndpointShape
  readonly format: AnswerFormat
  readonly dialect: Dialect | undefined
  readonly accept: string
  readonly errors: Pick<Dialect, "errorBody" | "errorFrame">
}

const make = (name: Endpoint, operation: string, format: AnswerFormat, dialect?: Dialect): InferenceEndpoint => ({
  name,
  path: `/v1/${name}`,
  operation,
  shape: EndpointShape.of(name),
  format,
  dialect,
  accept: ["application/json", ...format.textTypes].join(", "),
  errors: dialect ?? Dialects.chat,
})

const all: Readonly<Record<Endpoint, InferenceEndpoint>> = {
  "chat/completions": make("chat/completions", "chat", chatAnswer, Dialects.chat),
  completions: make("completions", "text_completion", completionAnswer),
  embeddings: make("embeddings", "embeddings", embeddingsAnswer),
  responses: make("responses", "chat", responsesAnswer, Dialects.responses),
  messages: make("messages", "chat", messagesAnswer, Dialects.messages),
  "images/generations": make("images/generations", "generate_content", imagesAnswer),
  "audio/transcriptions": make("audio/transcriptions", "transcription", transcriptionAnswer),
  rerank: make("rerank", "rerank", rerankAnswer),
}

/**
 * The endpoint of a name.
 *
 * @category lookups
 * @since 0.1.0
 */
export const of = (name: Endpoint): InferenceEndpoint => all[name]
