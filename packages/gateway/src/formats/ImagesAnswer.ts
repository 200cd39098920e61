/**
 * Answers of `images/generations`.
 *
 * @since 0.1.0
 */
import type { AnswerFormat } from "../AnswerFormat.ts"
import * as Json from "../internal/Json.ts"

/**
 * The format of `images/generations`: a list of pictures. They are counted here, whatever the provider says of them.
 *
 * @category formats
 * @since 0.1.0
 */
export const imagesAnswer: AnswerFormat = {
  whole: (answer, tally) => {
    const data = Json.get(answer, "data")
    if (!Array.isArray(data) || data.length === 0) return false
    tally.images = data.length
    return true
  },
  endsWithDone: false,
  usagePath: { whole: ["usage"], event: [] },
  textTypes: [],
}
