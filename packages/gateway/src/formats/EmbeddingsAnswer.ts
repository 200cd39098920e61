/**
 * Answers of `embeddings`.
 *
 * @since 0.1.0
 */
import type { AnswerFormat } from "../AnswerFormat.ts"
import * as Json from "../internal/Json.ts"

/**
 * The format of `embeddings`: a list of vectors. Only the prompt costs.
 *
 * @category formats
 * @since 0.1.0
 */
export const embeddingsAnswer: AnswerFormat = {
  whole: (answer) => Array.isArray(Json.get(answer, "data")),
  endsWithDone: false,
  usagePath: { whole: ["usage"], event: [] },
  textTypes: [],
}
