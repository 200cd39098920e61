/**
 * Answers of `responses`.
 *
 * @since 0.1.0
 */
import { type AnswerFormat, CONTENT, type Seen, SILENT } from "../AnswerFormat.ts"
import * as Json from "../internal/Json.ts"
import type { Tally } from "../Tally.ts"

const DONE: Seen = { delivers: true, last: true, usage: "beside" }

const list = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

const item = (value: unknown, tally: Tally): boolean => {
  switch (Json.get(value, "type")) {
    case "function_call":
    case "custom_tool_call": {
      tally.toolCalls += 1
      tally.deliver(Json.get(value, "name"))
      tally.deliver(Json.get(value, "arguments") ?? Json.get(value, "input"))
      return true
    }
    default: {
      let delivers = false
      for (const part of [...list(Json.get(value, "content")), ...list(Json.get(value, "summary"))]) {
        if (tally.deliver(Json.get(part, "text") ?? Json.get(part, "refusal"))) delivers = true
      }
      return delivers
    }
  }
}

const items = (response: unknown, tally: Tally): void => {
  for (const one of list(Json.get(response, "output"))) item(one, tally)
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
      case "response.incomplete":
        // The last event repeats everything; it counts where nothing came before it.
        if (tally.deltas === 0) items(Json.get(event, "response"), tally)
        return DONE
      case "response.failed":
        return { ...SILENT, error: Json.get(Json.get(event, "response"), "error") ?? event }
      case "error":
        return { ...SILENT, error: Json.get(event, "error") ?? event }
      case "response.output_item.added":
        return item(Json.get(event, "item"), tally) ? CONTENT : SILENT
      default:
        // Of the many deltas (text, arguments, reasoning, refusals) each has its piece in the same place.
        return typeof type === "string" && type.endsWith(".delta") && tally.deliver(Json.get(event, "delta"))
          ? CONTENT
          : SILENT
    }
  },
  whole: (answer, tally) => {
    const output = Json.get(answer, "output")
    const error = Json.get(answer, "error")
    if (!Array.isArray(output) || (error !== undefined && error !== null)) return false
    items(answer, tally)
    return true
  },
  endsWithDone: false,
  usagePath: { whole: ["usage"], event: ["response", "usage"] },
  textTypes: [],
}
