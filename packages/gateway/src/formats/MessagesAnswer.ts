/**
 * Answers of `messages`.
 *
 * @since 0.1.0
 */
import { type AnswerFormat, CONTENT, type Seen, SILENT } from "../AnswerFormat.ts"
import * as Json from "../internal/Json.ts"
import type { Tally } from "../Tally.ts"

const USAGE: Seen = { delivers: false, last: false, usage: "beside" }
const CONTENT_AND_USAGE: Seen = { delivers: true, last: false, usage: "beside" }
const STOP: Seen = { delivers: false, last: true, usage: "none" }

const block = (content: unknown, tally: Tally): boolean => {
  const type = Json.get(content, "type")
  if (type === "tool_use" || type === "server_tool_use") {
    tally.toolCalls += 1
    const input = Json.get(content, "input")
    const isEmpty = typeof input !== "object" || input === null || Object.keys(input).length === 0
    tally.deliver(isEmpty ? undefined : JSON.stringify(input))
    tally.deliver(Json.get(content, "name"))
    return true
  }
  const text = tally.deliver(Json.get(content, "text"))
  return tally.deliver(Json.get(content, "thinking")) || text
}

const delta = (value: unknown, tally: Tally): boolean => {
  const text = tally.deliver(Json.get(value, "text"))
  const thinking = tally.deliver(Json.get(value, "thinking"))
  return tally.deliver(Json.get(value, "partial_json")) || thinking || text
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
        return delta(Json.get(event, "delta"), tally) ? CONTENT : SILENT
      case "content_block_start":
        return block(Json.get(event, "content_block"), tally) ? CONTENT : SILENT
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
    if (Json.get(answer, "type") !== "message" || !Array.isArray(content)) return false
    for (const part of content) block(part, tally)
    return true
  },
  endsWithDone: false,
  usagePath: { whole: ["usage"], event: ["usage"] },
  textTypes: [],
}
