/**
 * What each dialect of a conversation can do: read and write requests, answers and streams, through the common
 * `Conversation` and `Answer`. Everything is pure; nothing here reads a clock or draws a number.
 *
 * @since 0.1.0
 */
import type { Dialect as Name } from "@guildhall/core/Endpoint"
import type { ReasonCode } from "@guildhall/core/Reason"
import type * as Result from "effect/Result"
import type { Flaw } from "../openai/Touched.ts"
import type { Answer, AnswerEvent } from "./Answer.ts"
import type { Conversation } from "./Conversation.ts"

/**
 * What the gateway decides of a request that it sends on. `maxTokens` takes the place of the client's own limit.
 *
 * @category models
 * @since 0.1.0
 */
export interface RequestOptions {
  readonly model: string
  readonly maxTokens: number | undefined
}

/**
 * What an answer is written with: the id to make its ids of, the model's name as the client knows it, when it began in
 * seconds since 1970, and the request that it answers.
 *
 * @category models
 * @since 0.1.0
 */
export interface AnswerOptions {
  readonly id: string
  readonly model: string
  readonly createdS: number
  readonly request: Conversation
}

/**
 * Members that the market adds: to the `usage` object (the cost), and to the answer or its last event (the routing
 * decision).
 *
 * @category models
 * @since 0.1.0
 */
export interface Additions {
  readonly usage?: Readonly<Record<string, unknown>> | undefined
  readonly members?: Readonly<Record<string, unknown>> | undefined
}

/**
 * Reads the events of one streamed answer. `read` takes the parsed `data` of one event and answers what it says, which
 * may be nothing; JSON that is no event of the dialect says nothing either. `isComplete` is true once the stream has
 * said that it is over (`[DONE]` is not JSON: for Chat, `done` says it).
 *
 * @category models
 * @since 0.1.0
 */
export interface EventReader {
  readonly read: (json: unknown) => ReadonlyArray<AnswerEvent>
  readonly done: () => ReadonlyArray<AnswerEvent>
  readonly isComplete: () => boolean
}

/**
 * Writes one streamed answer as server-sent events. `write` answers the text for an event, possibly none: some wait for
 * others. `end` closes the stream after `finished`. `fail` writes an in-band error instead, after which nothing follows.
 *
 * @category models
 * @since 0.1.0
 */
export interface EventWriter {
  readonly write: (event: AnswerEvent) => string
  readonly end: (additions?: Additions) => string
  readonly fail: (code: ReasonCode, options?: ErrorOptions) => string
}

/** What an error says besides its code. @category models @since 0.1.0 */
export interface ErrorOptions {
  readonly message?: string | undefined
  readonly param?: string | undefined
}

/**
 * A dialect. Bodies are JSON texts, so that numbers keep their digits. `readRequest` refuses what no other dialect can
 * serve, `writeRequest` what this one cannot say; an answer that cannot be read fails with a sentence.
 *
 * @category models
 * @since 0.1.0
 */
export interface Dialect {
  readonly name: Name
  readonly readRequest: (body: string) => Result.Result<Conversation, Flaw>
  readonly writeRequest: (conversation: Conversation, options: RequestOptions) => Result.Result<string, Flaw>
  readonly readAnswer: (body: string) => Result.Result<Answer, string>
  readonly writeAnswer: (answer: Answer, options: AnswerOptions, additions?: Additions) => string
  readonly makeEventReader: () => EventReader
  readonly makeEventWriter: (options: AnswerOptions) => EventWriter
  readonly errorBody: (code: ReasonCode, options?: ErrorOptions) => string
  readonly errorFrame: (code: ReasonCode, options?: ErrorOptions) => string
}
