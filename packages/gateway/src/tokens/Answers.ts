/**
 * What a model wrote, read back from the bytes of its answer, streamed or whole.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { Endpoint } from "@guildhall/core/Endpoint"
import type * as Answer from "@guildhall/protocol/conversation/Answer"
import type * as Conversation from "@guildhall/protocol/conversation/Conversation"
import type { Dialect } from "@guildhall/protocol/conversation/Dialect"
import * as Dialects from "@guildhall/protocol/conversation/Dialects"
import * as EventSplitter from "../EventSplitter.ts"
import * as Json from "../internal/Json.ts"
import * as OutputBytes from "../OutputBytes.ts"

/**
 * A tool call as the model wrote it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Call {
  name: string
  arguments: string
}

/**
 * One choice of an answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Written {
  content: string
  reasoning: string
  readonly calls: Array<Call | undefined>
  /** Something else than text was written, such as sound, whose tokens leave no text to count. */
  isMixed: boolean
  /** Bytes of output as the meter counts them: of every choice, also one that was not asked for. */
  heard: number
}

const EVENT_BYTES_MAX = 8 * 1024 * 1024

const textAt = (value: unknown, ...keys: ReadonlyArray<string>): string => {
  for (const key of keys) {
    const text = Json.get(value, key)
    if (typeof text === "string") return text
  }
  return ""
}

const indexOf = (value: unknown, otherwise: number): number => {
  const index = Json.get(value, "index")
  return typeof index === "number" && Number.isInteger(index) && index >= 0 && index < 1_000 ? index : otherwise
}

const addCalls = (written: Written, calls: unknown): void => {
  if (!Array.isArray(calls)) return
  calls.forEach((call, at) => {
    const index = indexOf(call, at)
    const named = Json.get(call, "function") ?? Json.get(call, "custom")
    const known = (written.calls[index] ??= { name: "", arguments: "" })
    known.name += textAt(named, "name")
    known.arguments += textAt(named, "arguments", "input")
  })
}

const isPresent = (value: unknown): boolean => value !== undefined && value !== null

/** Takes in a message, or a piece of one. Servers name the reasoning in two ways, and some in both at once. */
const add = (written: Written, piece: unknown): void => {
  written.heard += OutputBytes.count(piece)
  written.content += textAt(piece, "content", "refusal")
  written.reasoning += textAt(piece, "reasoning_content", "reasoning")
  if (isPresent(Json.get(piece, "audio")) || isPresent(Json.get(piece, "images"))) written.isMixed = true
  addCalls(written, Json.get(piece, "tool_calls"))
  const single = Json.get(piece, "function_call")
  if (isPresent(single)) addCalls(written, [{ function: single }])
}

const addChoices = (all: Array<Written | undefined>, json: unknown): void => {
  const choices = Json.get(json, "choices")
  if (!Array.isArray(choices)) return
  choices.forEach((choice, at) => {
    const index = indexOf(choice, at)
    const written = (all[index] ??= blank())
    const piece = Json.get(choice, "delta") ?? Json.get(choice, "message")
    if (piece !== undefined) return add(written, piece)
    const text = textAt(choice, "text")
    written.content += text
    written.heard += Buffer.byteLength(text)
  })
}

/** The data of a stream's events. */
const events = (bytes: Buffer): ReadonlyArray<unknown> => {
  const split = EventSplitter.make({ maxEventBytes: EVENT_BYTES_MAX }).push(bytes) ?? []
  return split.flatMap((event) => {
    const text = EventSplitter.data(event)
    return text === undefined || text === "[DONE]" ? [] : [Json.parse(text)]
  })
}

/** A whole answer is one JSON object; anything else is a stream of events. */
const isWhole = (bytes: Buffer): boolean => bytes.subarray(0, 16).toString("latin1").trimStart().startsWith("{")

const blank = (): Written => ({ content: "", reasoning: "", calls: [], isMixed: false, heard: 0 })

/** Takes in an event of a conversation in whichever dialect. */
const addEvent = (written: Written, event: Answer.AnswerEvent): void => {
  switch (event.type) {
    case "textDelta":
    case "refusalDelta":
      written.content += event.text
      return
    case "reasoningDelta":
      written.reasoning += event.text
      return
    case "reasoningSigned":
      // What was thought is not told.
      if (event.redacted) written.isMixed = true
      return
    case "toolCallStarted":
      written.calls[event.call] = { name: event.name, arguments: "" }
      return
    case "toolCallDelta": {
      const call = written.calls[event.call]
      if (call !== undefined) call.arguments += event.arguments
      return
    }
    default:
  }
}

const addPart = (written: Written, part: Conversation.AssistantPart): void => {
  switch (part.type) {
    case "text":
    case "refusal":
      written.content += part.text
      return
    case "reasoning":
      written.reasoning += part.text
      if (part.redacted === true) written.isMixed = true
      return
    case "toolCall":
      written.calls.push({ name: part.name, arguments: part.arguments })
  }
}

/** A whole answer's parts; false where it cannot be read. */
const addWhole = (written: Written, dialect: Dialect, text: string): boolean => {
  const answer = dialect.readAnswer(text)
  if (Result.isFailure(answer)) return false
  for (const part of answer.success.parts) addPart(written, part)
  return true
}

const addStream = (written: Written, dialect: Dialect, all: ReadonlyArray<unknown>): boolean => {
  const reader = dialect.makeEventReader()
  let said = 0
  for (const json of all) {
    for (const event of reader.read(json)) {
      said += 1
      addEvent(written, event)
    }
  }
  if (bytesOf(written) > 0 || dialect.name !== "responses") return said > 0
  // A server may say all of it in the last event.
  const response = Json.get(all.at(-1), "response")
  return response === undefined ? said > 0 : addWhole(written, dialect, JSON.stringify(response))
}

const bytesOf = ({ calls, content, reasoning }: Written): number =>
  [content, reasoning, ...calls.flatMap((call) => (call === undefined ? [] : [call.name, call.arguments]))].reduce(
    (sum, text) => sum + Buffer.byteLength(text),
    0,
  )

/** The one choice of an answer of Responses or Messages. */
const conversation = (dialect: Dialect, bytes: Buffer): ReadonlyArray<Written> => {
  const written = blank()
  const read = isWhole(bytes)
    ? addWhole(written, dialect, bytes.toString("utf8"))
    : addStream(written, dialect, events(bytes))
  written.heard = bytesOf(written)
  return read ? [written] : []
}

const completion = (bytes: Buffer): ReadonlyArray<Written> => {
  const all: Array<Written | undefined> = []
  for (const json of isWhole(bytes) ? [Json.parse(bytes.toString("utf8"))] : events(bytes)) addChoices(all, json)
  return all.filter((written) => written !== undefined)
}

const choicesOf = (endpoint: Endpoint, bytes: Buffer): ReadonlyArray<Written> => {
  switch (endpoint) {
    case "chat/completions":
    case "completions":
      return completion(bytes)
    case "messages":
    case "responses":
      return conversation(Dialects.of(endpoint), bytes)
    default:
      return []
  }
}

/**
 * The choices of an answer, none where a model writes nothing; `undefined` where the answer cannot be read as text. An
 * answer that broke off gives what had come.
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = (endpoint: Endpoint, bytes: Uint8Array): ReadonlyArray<Written> | undefined => {
  if (endpoint === "embeddings" || endpoint === "rerank") return []
  const choices = choicesOf(endpoint, Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))
  return choices.length === 0 || choices.some(({ isMixed }) => isMixed) ? undefined : choices
}
