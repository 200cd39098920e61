/**
 * Answers of `messages`.
 *
 * @since 0.1.0
 */
import { type AnswerFormat, CONTENT, type Seen, SILENT } from "../AnswerFormat.ts"
import * as Json from "../internal/Json.ts"
import * as UsageBody from "../internal/UsageBody.ts"
import type { Tally } from "../Tally.ts"

const USAGE: Seen = { delivers: false, last: false, usage: "beside" }
const CONTENT_AND_USAGE: Seen = { delivers: true, last: false, usage: "beside" }
const STOP: Seen = { delivers: false, last: true, usage: "none" }

/** The blocks that a model writes, by what their pieces are; and where in a piece the text stands. */
const KINDS = new Map<unknown, string>([
  ["text", "text_delta"],
  ["thinking", "thinking_delta"],
  ["tool_use", "input_json_delta"],
  ["server_tool_use", "input_json_delta"],
  ["mcp_tool_use", "input_json_delta"],
])
const MEMBERS = new Map<unknown, string>([
  ["text_delta", "text"],
  ["thinking_delta", "thinking"],
  ["input_json_delta", "partial_json"],
])

const call = (content: unknown, at: number, tally: Tally): boolean => {
  const name = Json.get(content, "name")
  const begins = tally.begin(at, Json.get(content, "id"), name) && tally.deliver(name)
  const input = Json.get(content, "input")
  const isEmpty = typeof input !== "object" || input === null || Object.keys(input).length === 0
  return tally.deliver(isEmpty ? undefined : JSON.stringify(input)) || begins
}

const block = (content: unknown, at: number, tally: Tally): boolean => {
  const kind = KINDS.get(Json.get(content, "type"))
  if (kind === undefined) return false
  return kind === "input_json_delta"
    ? call(content, at, tally)
    : tally.deliver(Json.get(content, MEMBERS.get(kind) ?? kind))
}

const indexOf = (event: object): number => {
  const index = Json.get(event, "index") ?? 0
  return typeof index === "number" ? index : -1
}

const start = (event: object, tally: Tally): boolean => {
  const content = Json.get(event, "content_block")
  tally.open(indexOf(event), KINDS.get(Json.get(content, "type")))
  return block(content, indexOf(event), tally)
}

/** A piece belongs to a block that began, and is of its kind; clients do nothing with any other. */
const delta = (event: object, tally: Tally): boolean => {
  const piece = Json.get(event, "delta")
  const kind = Json.get(piece, "type")
  const member = MEMBERS.get(kind)
  return member !== undefined && tally.opened(indexOf(event)) === kind && tally.deliver(Json.get(piece, member))
}

/**
 * The format of `messages`: content blocks, whole or in named events from `message_start` to `message_stop`.
 *
 * @category formats
 * @since 0.1.0
 */
export const messagesAnswer: AnswerFormat = {
  event: (event, tally) => {
    switch (Json.get(event, "type")) {
      case "content_block_delta":
        return delta(event, tally) ? CONTENT : SILENT
      case "content_block_start":
        return start(event, tally) ? CONTENT : SILENT
      case "content_block_stop":
        tally.open(indexOf(event), undefined)
        return SILENT
      case "message_start":
        return USAGE
      case "message_delta":
        return typeof Json.get(Json.get(event, "delta"), "stop_reason") === "string" ? CONTENT_AND_USAGE : USAGE
      case "message_stop":
        return STOP
      case "error":
        return { ...SILENT, error: Json.get(event, "error") ?? event }
      default:
        return SILENT
    }
  },
  whole: (answer, tally) => {
    const content = Json.get(answer, "content")
    if (Json.get(answer, "type") !== "message" || !Array.isArray(content) || Json.has(answer, "error")) return false
    for (const [at, part] of content.entries()) block(part, at, tally)
    // A model may have nothing to say; then the answer says why it ended.
    return content.some(Json.isObject) || typeof Json.get(answer, "stop_reason") === "string"
  },
  endsWithDone: false,
  usagePath: { whole: ["usage"], event: ["usage"] },
  writeUsage: UsageBody.messages,
  textTypes: [],
}
