/**
 * Answers of `completions`.
 *
 * @since 0.1.0
 */
import { type AnswerFormat, CONTENT, type Seen, SILENT } from "../AnswerFormat.ts"
import * as Choices from "../internal/Choices.ts"
import * as Json from "../internal/Json.ts"
import * as UsageBody from "../internal/UsageBody.ts"
import type { Tally } from "../Tally.ts"

const USAGE_ONLY: Seen = { delivers: false, last: false, usage: "only" }
const USAGE_BESIDE: Seen = { delivers: false, last: false, usage: "beside" }
const CONTENT_AND_USAGE: Seen = { delivers: true, last: false, usage: "beside" }

const isSaid = (choice: unknown): boolean => typeof Json.get(choice, "text") === "string"
const take = (tally: Tally, choice: unknown): boolean =>
  tally.deliver(Json.get(choice, "text")) || typeof Json.get(choice, "finish_reason") === "string"

/**
 * The format of `completions`: choices with a `text`, whole or in pieces, and `[DONE]`.
 *
 * @category formats
 * @since 0.1.0
 */
export const completionAnswer: AnswerFormat = {
  event: (event, tally) => {
    if (Json.has(event, "error")) return { ...SILENT, error: Json.get(event, "error") }
    const choices = Json.get(event, "choices")
    const listed = Array.isArray(choices) ? choices : []
    const delivers = Choices.ofEvent(listed, tally, take)
    const usage = Json.get(event, "usage")
    if (usage === undefined) return delivers ? CONTENT : SILENT
    if (delivers) return CONTENT_AND_USAGE
    return usage !== null && listed.length === 0 ? USAGE_ONLY : USAGE_BESIDE
  },
  whole: (answer, tally) => {
    const choices = Json.get(answer, "choices")
    if (!Array.isArray(choices) || Json.has(answer, "error")) return false
    return Choices.ofWhole(choices, tally, isSaid, take)
  },
  endsWithDone: true,
  usagePath: { whole: ["usage"], event: ["usage"] },
  writeUsage: UsageBody.chat,
  textTypes: [],
}
