/**
 * Answers of `completions`.
 *
 * @since 0.1.0
 */
import { type AnswerFormat, CONTENT, type Seen, SILENT } from "../AnswerFormat.ts"
import * as Json from "../internal/Json.ts"
import type { Tally } from "../Tally.ts"

const USAGE_ONLY: Seen = { delivers: false, last: false, usage: "only" }
const USAGE_BESIDE: Seen = { delivers: false, last: false, usage: "beside" }
const CONTENT_AND_USAGE: Seen = { delivers: true, last: false, usage: "beside" }

const count = (choices: ReadonlyArray<unknown>, tally: Tally): boolean => {
  let delivers = false
  for (const choice of choices) {
    if (tally.deliver(Json.get(choice, "text"))) delivers = true
    if (typeof Json.get(choice, "finish_reason") === "string") delivers = true
  }
  return delivers
}

/**
 * The format of `completions`: choices with a `text`, whole or in pieces, and `[DONE]`.
 *
 * @category formats
 * @since 0.1.0
 */
export const completionAnswer: AnswerFormat = {
  event: (event, tally) => {
    const error = Json.get(event, "error")
    if (error !== undefined && error !== null) return { ...SILENT, error }
    const choices = Json.get(event, "choices")
    const listed = Array.isArray(choices) ? choices : []
    const delivers = count(listed, tally)
    const usage = Json.get(event, "usage")
    if (usage === undefined) return delivers ? CONTENT : SILENT
    if (delivers) return CONTENT_AND_USAGE
    return usage !== null && listed.length === 0 ? USAGE_ONLY : USAGE_BESIDE
  },
  whole: (answer, tally) => {
    const choices = Json.get(answer, "choices")
    if (!Array.isArray(choices)) return false
    count(choices, tally)
    return true
  },
  endsWithDone: true,
  usagePath: { whole: ["usage"], event: ["usage"] },
  textTypes: [],
}
