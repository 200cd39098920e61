/**
 * Answers of `chat/completions`.
 *
 * @since 0.1.0
 */
import { type AnswerFormat, CONTENT, type Seen, SILENT } from "../AnswerFormat.ts"
import * as Json from "../internal/Json.ts"

const USAGE_ONLY: Seen = { delivers: false, last: false, usage: "only" }
const USAGE_BESIDE: Seen = { delivers: false, last: false, usage: "beside" }
const CONTENT_AND_USAGE: Seen = { delivers: true, last: false, usage: "beside" }

/**
 * The format of `chat/completions`: choices with a `message`, or events with a `delta` each, and `[DONE]`.
 *
 * @category formats
 * @since 0.1.0
 */
export const chatAnswer: AnswerFormat = {
  event: (event, tally) => {
    const error = Json.get(event, "error")
    if (error !== undefined && error !== null) return { ...SILENT, error }
    const choices = Json.get(event, "choices")
    const listed = Array.isArray(choices) ? choices : []
    let delivers = false
    for (const choice of listed) if (tally.add(choice, Json.get(choice, "delta"))) delivers = true
    const usage = Json.get(event, "usage")
    if (usage === undefined) return delivers ? CONTENT : SILENT
    if (delivers) return CONTENT_AND_USAGE
    return usage !== null && listed.length === 0 ? USAGE_ONLY : USAGE_BESIDE
  },
  whole: (answer, tally) => {
    const choices = Json.get(answer, "choices")
    if (!Array.isArray(choices)) return false
    for (const choice of choices) tally.add(choice, Json.get(choice, "message"))
    return true
  },
  endsWithDone: true,
  usagePath: { whole: ["usage"], event: ["usage"] },
  textTypes: [],
}
