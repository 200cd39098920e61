/**
 * Answers of `rerank`.
 *
 * @since 0.1.0
 */
import type { AnswerFormat } from "../AnswerFormat.ts"
import * as Json from "../internal/Json.ts"

/**
 * The format of `rerank`: a list of results. Only the prompt costs.
 *
 * @category formats
 * @since 0.1.0
 */
export const rerankAnswer: AnswerFormat = {
  whole: (answer) => {
    const results = Json.get(answer, "results")
    return Array.isArray(results) && results.some(Json.isObject) && !Json.has(answer, "error")
  },
  endsWithDone: false,
  usagePath: { whole: ["usage"], event: [] },
  textTypes: [],
}
