/**
 * Answers of `rerank`.
 *
 * @since 0.1.0
 */
import type { AnswerFormat } from "../AnswerFormat.ts"
import * as Json from "../internal/Json.ts"
import * as UsageBody from "../internal/UsageBody.ts"

const isNumber = (value: unknown): value is number => typeof value === "number"

/** Says of one of the documents how well it answers. */
const isResult = (entry: unknown, documents: number): boolean => {
  const index = Json.get(entry, "index")
  const isScored = isNumber(Json.get(entry, "relevance_score")) || isNumber(Json.get(entry, "score"))
  return isNumber(index) && Number.isInteger(index) && index >= 0 && index < documents && isScored
}

/**
 * The format of `rerank`: a list of results, each of which names a document and its score; there may be fewer of them than
 * documents. Only the prompt costs.
 *
 * @category formats
 * @since 0.1.0
 */
export const rerankAnswer: AnswerFormat = {
  whole: (answer, tally) => {
    const results = Json.get(answer, "results")
    if (!Array.isArray(results) || Json.has(answer, "error")) return false
    return results.length > 0 && results.every((entry) => isResult(entry, tally.inputs))
  },
  endsWithDone: false,
  usagePath: { whole: ["usage"], event: [] },
  writeUsage: UsageBody.prompt,
  textTypes: [],
}
