/**
 * Answers of `embeddings`.
 *
 * @since 0.1.0
 */
import type { AnswerFormat } from "../AnswerFormat.ts"
import * as Json from "../internal/Json.ts"

/** Numbers, or the same packed as base64. */
const isVector = (entry: unknown): boolean => {
  const vector = Json.get(entry, "embedding")
  return Json.isObject(vector) || (Array.isArray(vector) || typeof vector === "string" ? vector.length > 0 : false)
}

/**
 * The format of `embeddings`: a list of vectors. Only the prompt costs.
 *
 * @category formats
 * @since 0.1.0
 */
export const embeddingsAnswer: AnswerFormat = {
  whole: (answer) => {
    const data = Json.get(answer, "data")
    return Array.isArray(data) && data.some(isVector) && !Json.has(answer, "error")
  },
  endsWithDone: false,
  usagePath: { whole: ["usage"], event: [] },
  textTypes: [],
}
