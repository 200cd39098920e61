/**
 * What a model wrote, read back from the bytes of its answer, streamed or whole.
 *
 * @since 0.1.0
 */
import type { Endpoint } from "@guildhall/core/Endpoint"
import * as EventSplitter from "../EventSplitter.ts"
import * as Json from "../internal/Json.ts"

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
    const written = (all[index] ??= { content: "", reasoning: "", calls: [], isMixed: false })
    const piece = Json.get(choice, "delta") ?? Json.get(choice, "message")
    if (piece === undefined) written.content += textAt(choice, "text")
    else add(written, piece)
  })
}

/** A whole answer is one JSON object; anything else is a stream of events. */
const documents = (bytes: Buffer): ReadonlyArray<unknown> => {
  const whole = bytes.subarray(0, 16).toString("latin1").trimStart().startsWith("{")
  if (whole) return [Json.parse(bytes.toString("utf8"))]
  const events = EventSplitter.make({ maxEventBytes: EVENT_BYTES_MAX }).push(bytes) ?? []
  return events.flatMap((event) => {
    const text = EventSplitter.data(event)
    return text === undefined || text === "[DONE]" ? [] : [Json.parse(text)]
  })
}

/**
 * The choices of an answer of Chat Completions or Completions, none where a model writes nothing; `undefined` where the
 * answer cannot be read as text. An answer that broke off gives what had come.
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = (endpoint: Endpoint, bytes: Uint8Array): ReadonlyArray<Written> | undefined => {
  if (endpoint === "embeddings" || endpoint === "rerank") return []
  if (endpoint !== "chat/completions" && endpoint !== "completions") return undefined
  const all: Array<Written | undefined> = []
  for (const json of documents(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength))) addChoices(all, json)
  const choices = all.filter((written) => written !== undefined)
  return choices.length === 0 || choices.some(({ isMixed }) => isMixed) ? undefined : choices
}
