/**
 * Answers of `images/generations`.
 *
 * @since 0.1.0
 */
import type { AnswerFormat } from "../AnswerFormat.ts"
import * as Json from "../internal/Json.ts"
import * as UsageBody from "../internal/UsageBody.ts"

const isSome = (value: unknown): boolean => typeof value === "string" && value !== ""
const isPicture = (entry: unknown): boolean => isSome(Json.get(entry, "b64_json")) || isSome(Json.get(entry, "url"))

/**
 * The format of `images/generations`: a list of pictures. They are counted here, whatever the provider says of them.
 *
 * @category formats
 * @since 0.1.0
 */
export const imagesAnswer: AnswerFormat = {
  whole: (answer, tally) => {
    const data = Json.get(answer, "data")
    if (!Array.isArray(data) || Json.has(answer, "error")) return false
    tally.images = data.filter(isPicture).length
    return tally.images > 0
  },
  endsWithDone: false,
  usagePath: { whole: ["usage"], event: [] },
  writeUsage: UsageBody.images,
  textTypes: [],
}
