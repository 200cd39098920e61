/**
 * The three dialects of a conversation, and what is lost between them.
 *
 * A request is read from the client's dialect and written in the instance's; the answer goes the other way. What the
 * instance's dialect cannot say is refused by a flaw that names the member in the client's words. Members that only
 * advise are left out without a word:
 *
 * - of any dialect: `metadata` (Responses repeats it), `service_tier`, hints for caches (`cache_control`,
 *   `prompt_cache_retention`, breakpoints), `user` where there is no such member;
 * - of Chat: `store`, `prediction`, the `detail` of an image;
 * - of Responses: `reasoning.summary` (thoughts come as they are), `max_tool_calls` (it counts a server's own tools),
 *   ids and states of items;
 * - of Messages: `thinking` beyond a level of effort, signatures of thoughts where Chat is on either side, `is_error` of
 *   a tool's result (its text says so), citations in earlier answers, `speed`, `diagnostics`, and the members of a tool
 *   besides its name, description, schema and `strict`.
 *
 * What is approximated: a budget of thinking becomes a level of effort by its share of the answer's limit; the level
 * `minimal` becomes `low` in Messages; a developer's message becomes a system's in Messages; Chat puts thoughts before
 * text and text before calls; a refusal's text becomes a text in Messages, whose stop reason says that it is one.
 *
 * Members that nobody knows here are not translated. `Conversation.unknown` lists them.
 *
 * @since 0.1.0
 */
import type { Dialect as Name } from "@guildhall/core/Endpoint"
import * as AnthropicErrorBody from "../anthropic/ErrorBody.ts"
import * as ErrorBody from "../openai/ErrorBody.ts"
import type { Dialect } from "./Dialect.ts"
import * as ChatAnswerReader from "./internal/chat/ChatAnswerReader.ts"
import * as ChatAnswerWriter from "./internal/chat/ChatAnswerWriter.ts"
import { ChatEventReader } from "./internal/chat/ChatEventReader.ts"
import * as ChatEvents from "./internal/chat/ChatEventWriter.ts"
import * as ChatRequestReader from "./internal/chat/ChatRequestReader.ts"
import * as ChatRequestWriter from "./internal/chat/ChatRequestWriter.ts"
import * as MessagesAnswerReader from "./internal/messages/MessagesAnswerReader.ts"
import * as MessagesAnswerWriter from "./internal/messages/MessagesAnswerWriter.ts"
import { MessagesEventReader } from "./internal/messages/MessagesEventReader.ts"
import * as MessagesEvents from "./internal/messages/MessagesEventWriter.ts"
import * as MessagesRequestReader from "./internal/messages/MessagesRequestReader.ts"
import * as MessagesRequestWriter from "./internal/messages/MessagesRequestWriter.ts"
import * as ResponsesAnswerReader from "./internal/responses/ResponsesAnswerReader.ts"
import * as ResponsesAnswerWriter from "./internal/responses/ResponsesAnswerWriter.ts"
import { ResponsesEventReader } from "./internal/responses/ResponsesEventReader.ts"
import * as ResponsesEvents from "./internal/responses/ResponsesEventWriter.ts"
import * as ResponsesRequestReader from "./internal/responses/ResponsesRequestReader.ts"
import * as ResponsesRequestWriter from "./internal/responses/ResponsesRequestWriter.ts"

/**
 * `POST /v1/chat/completions`.
 *
 * **Example** (A request of Chat for an instance that speaks Messages)
 *
 * ```ts
 * import { Dialects } from "@guildhall/protocol/conversation"
 * import { Result } from "effect"
 *
 * const asked = Dialects.chat.readRequest('{"model":"m","messages":[{"role":"user","content":"Hi"}]}')
 * const options = { model: "org/m", maxTokens: 100 }
 * Result.getOrThrow(Result.flatMap(asked, (conversation) => Dialects.messages.writeRequest(conversation, options)))
 * // => '{"model":"org/m","max_tokens":100,"messages":[{"role":"user","content":"Hi"}]}'
 * ```
 *
 * @category dialects
 * @since 0.1.0
 */
export const chat: Dialect = {
  name: "chat/completions",
  readRequest: ChatRequestReader.read,
  writeRequest: ChatRequestWriter.write,
  readAnswer: ChatAnswerReader.read,
  writeAnswer: ChatAnswerWriter.write,
  makeEventReader: () => new ChatEventReader(),
  makeEventWriter: (options) => new ChatEvents.ChatEventWriter(options),
  errorBody: (code, options) => JSON.stringify(ErrorBody.make(code, options)),
  errorFrame: ChatEvents.errorFrame,
}

/** `POST /v1/responses`. @category dialects @since 0.1.0 */
export const responses: Dialect = {
  name: "responses",
  readRequest: ResponsesRequestReader.read,
  writeRequest: ResponsesRequestWriter.write,
  readAnswer: ResponsesAnswerReader.read,
  writeAnswer: ResponsesAnswerWriter.write,
  makeEventReader: () => new ResponsesEventReader(),
  makeEventWriter: (options) => new ResponsesEvents.ResponsesEventWriter(options),
  errorBody: (code, options) => JSON.stringify(ErrorBody.make(code, options)),
  errorFrame: (code, options) => ResponsesEvents.errorFrame(code, options),
}

/** `POST /v1/messages`. @category dialects @since 0.1.0 */
export const messages: Dialect = {
  name: "messages",
  readRequest: MessagesRequestReader.read,
  writeRequest: MessagesRequestWriter.write,
  readAnswer: MessagesAnswerReader.read,
  writeAnswer: MessagesAnswerWriter.write,
  makeEventReader: () => new MessagesEventReader(),
  makeEventWriter: (options) => new MessagesEvents.MessagesEventWriter(options),
  errorBody: (code, options) => JSON.stringify(AnthropicErrorBody.make(code, options)),
  errorFrame: MessagesEvents.errorFrame,
}

const all: Readonly<Record<Name, Dialect>> = { "chat/completions": chat, responses, messages }

/** The dialect of an endpoint. @category getters @since 0.1.0 */
export const of = (name: Name): Dialect => all[name]
