/**
 * Answers of `audio/transcriptions`.
 *
 * @since 0.1.0
 */
import type { AnswerFormat } from "../AnswerFormat.ts"
import * as Json from "../internal/Json.ts"

/**
 * The format of `audio/transcriptions`: a JSON object with a `text`, or text in one of the formats of subtitles.
 *
 * @category formats
 * @since 0.1.0
 */
export const transcriptionAnswer: AnswerFormat = {
  whole: (answer, tally) => {
    const text = typeof answer === "string" ? answer : Json.get(answer, "text")
    if (typeof text !== "string" || Json.has(answer, "error")) return false
    tally.deliver(text)
    return true
  },
  endsWithDone: false,
  usagePath: { whole: ["usage"], event: [] },
  textTypes: ["text/plain", "text/vtt", "application/x-subrip"],
}
