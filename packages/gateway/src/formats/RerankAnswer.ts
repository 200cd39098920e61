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
  whole: (answer) => Array.isArray(Json.get(answer, "results")),
  endsWithDone: false,
  usagePath: { whole: ["usage"], event: [] },
  textTypes: [],
}
