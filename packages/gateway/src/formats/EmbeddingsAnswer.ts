/**
 * Answers of `embeddings`.
 *
 * @since 0.1.0
 */
import type { AnswerFormat } from "../AnswerFormat.ts"
import * as Json from "../internal/Json.ts"
import * as UsageBody from "../internal/UsageBody.ts"

/** Numbers, or the same packed as base64; some servers have one of each precision, or one for each token. */
const isVector = (entry: unknown): boolean => {
  const vector = Json.get(entry, "embedding")
  if (typeof vector === "string" || Array.isArray(vector)) return vector.length > 0
  return typeof vector === "object" && vector !== null && Object.keys(vector).length > 0
}

/**
 * The format of `embeddings`: a list of vectors, one for each input. Only the prompt costs.
 *
 * @category formats
 * @since 0.1.0
 */
export const embeddingsAnswer: AnswerFormat = {
  whole: (answer, tally) => {
    const data = Json.get(answer, "data")
    if (!Array.isArray(data) || Json.has(answer, "error")) return false
    return data.length > 0 && data.every(isVector) && data.length >= tally.inputs
  },
  endsWithDone: false,
  usagePath: { whole: ["usage"], event: [] },
  writeUsage: UsageBody.prompt,
  textTypes: [],
}
