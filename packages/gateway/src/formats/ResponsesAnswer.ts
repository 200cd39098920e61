/**
 * Answers of `responses`.
 *
 * @since 0.1.0
 */
import { type AnswerFormat, CONTENT, type Seen, SILENT } from "../AnswerFormat.ts"
import * as Json from "../internal/Json.ts"
import * as UsageBody from "../internal/UsageBody.ts"
import type { Tally } from "../Tally.ts"

const DONE: Seen = { delivers: true, last: true, usage: "beside" }

/** The pieces of what a model writes. A piece of any other name goes on, and costs nothing. */
const PIECES = new Set<unknown>(
  [
    "output_text",
    "refusal",
    "reasoning",
    "reasoning_text",
    "reasoning_summary",
    "reasoning_summary_text",
    "function_call_arguments",
    "custom_tool_call_input",
    "mcp_call_arguments",
    "code_interpreter_call_code",
    "shell_call_command",
    "apply_patch_call_operation_diff",
    "audio.transcript",
    "audio_transcript",
    "output_audio_transcript",
  ].map((name) => `response.${name}.delta`),
)
const SOUNDS = new Set<unknown>(["response.audio.delta", "response.output_audio.delta"])

/** Where a call has what the model wrote. */
const CALLS = new Map<unknown, string>([
  ["function_call", "arguments"],
  ["custom_tool_call", "input"],
  ["mcp_call", "arguments"],
])
/** Where a part of a message, or of a thought, has its text. */
const TEXTS = new Map<unknown, string>([
  ["output_text", "text"],
  ["refusal", "refusal"],
  ["reasoning_text", "text"],
  ["summary_text", "text"],
  ["output_audio", "transcript"],
])

const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

const call = (value: unknown, at: number, tally: Tally): boolean => {
  const member = CALLS.get(Json.get(value, "type"))
  if (member === undefined) return false
  const name = Json.get(value, "name")
  const begins = tally.begin(at, Json.get(value, "id") ?? Json.get(value, "call_id"), name) && tally.deliver(name)
  return tally.deliver(Json.get(value, member)) || begins
}

const parts = (value: unknown, tally: Tally): void => {
  for (const part of list(value)) {
    const type = Json.get(part, "type")
    const member = TEXTS.get(type)
    if (member !== undefined) tally.deliver(Json.get(part, member))
    if (type === "output_audio") tally.sound(Json.get(part, "data"))
  }
}

const items = (response: unknown, tally: Tally): void => {
  for (const [at, item] of list(Json.get(response, "output")).entries()) {
    const type = Json.get(item, "type")
    call(item, at, tally)
    if (type === "code_interpreter_call") tally.deliver(Json.get(item, "code"))
    if (type === "message" || type === "reasoning") parts(Json.get(item, "content"), tally)
    if (type === "reasoning") parts(Json.get(item, "summary"), tally)
  }
}

const added = (event: object, tally: Tally): boolean => {
  const index = Json.get(event, "output_index")
  return call(Json.get(event, "item"), typeof index === "number" ? index : 0, tally)
}

/** Of the many pieces (text, arguments, reasoning, refusals) each has its text in the same place. */
const piece = (event: object, type: unknown, tally: Tally): boolean => {
  if (PIECES.has(type)) return tally.deliver(Json.get(event, "delta"))
  return SOUNDS.has(type) && tally.sound(Json.get(event, "delta"))
}

/** Whether the response says that it is over, and not why it failed. One that says nothing of it must have content. */
const isOver = (response: unknown): boolean => {
  const status = Json.get(response, "status") ?? undefined
  if (status === undefined) return list(Json.get(response, "output")).some(Json.isObject)
  return status === "completed" || status === "incomplete"
}

/**
 * The format of `responses`: output items, whole or in named events, the last of which holds the whole answer.
 *
 * @category formats
 * @since 0.1.0
 */
export const responsesAnswer: AnswerFormat = {
  event: (event, tally) => {
    const type = Json.get(event, "type")
    switch (type) {
      case "response.completed":
      case "response.incomplete": {
        const response = Json.get(event, "response")
        if (Json.has(response, "error")) return { ...SILENT, error: Json.get(response, "error") }
        // The last event repeats everything; it counts where nothing came before it.
        if (tally.deltas === 0) items(response, tally)
        return DONE
      }
      case "response.failed":
        return { ...SILENT, error: Json.get(Json.get(event, "response"), "error") ?? event }
      case "error":
        return { ...SILENT, error: Json.get(event, "error") ?? event }
      case "response.output_item.added":
        return added(event, tally) ? CONTENT : SILENT
      default:
        return piece(event, type, tally) ? CONTENT : SILENT
    }
  },
  whole: (answer, tally) => {
    if (!Array.isArray(Json.get(answer, "output")) || Json.has(answer, "error") || !isOver(answer)) return false
    items(answer, tally)
    return true
  },
  endsWithDone: false,
  usagePath: { whole: ["usage"], event: ["response", "usage"] },
  writeUsage: UsageBody.responses,
  textTypes: [],
}
