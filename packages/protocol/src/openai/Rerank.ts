/**
 * `POST /v1/rerank`: documents are put in the order of how well they answer a query. The shape is that of Cohere and
 * Jina, which the open servers speak.
 *
 * @since 0.1.0
 */
import type { Usage } from "@guildhall/core/Usage"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Inspection } from "../internal/Inspection.ts"
import { count, get, isObject } from "../internal/Json.ts"
import * as Touching from "../internal/Touching.ts"
import type { Flaw, Touched } from "./Touched.ts"

const Rest = [Schema.Record(Schema.String, Schema.Unknown)] as const

/**
 * A request. A document is a text, or an object with one.
 *
 * @category models
 * @since 0.1.0
 */
export const RerankRequest = Schema.StructWithRest(
  Schema.Struct({
    model: Schema.NonEmptyString,
    query: Schema.String,
    documents: Schema.Array(Schema.Union([Schema.String, Schema.Record(Schema.String, Schema.Unknown)])),
    top_n: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  }),
  Rest,
)
/** @since 0.1.0 */
export type RerankRequest = typeof RerankRequest.Type

/**
 * An answer: the best document first, `index` says which of the request's it is.
 *
 * @category models
 * @since 0.1.0
 */
export const RerankList = Schema.StructWithRest(
  Schema.Struct({
    results: Schema.Array(
      Schema.StructWithRest(Schema.Struct({ index: Schema.Int, relevance_score: Schema.Finite }), Rest),
    ),
    usage: Schema.optionalKey(Schema.Unknown),
    meta: Schema.optionalKey(Schema.Unknown),
  }),
  Rest,
)
/** @since 0.1.0 */
export type RerankList = typeof RerankList.Type

/** As many documents as Cohere takes in one request. */
const DOCUMENTS_MAX = 10_000

/**
 * Reads the members that the market touches from parsed JSON. `messages` are the documents.
 *
 * @category decoding
 * @since 0.1.0
 */
export const touch = (body: unknown): Result.Result<Touched, Flaw> => {
  const inspection = new Inspection()
  const model = Touching.model(inspection, body, "`model`, `query` and `documents`")
  Touching.text(inspection, body, "query")
  const documents = Touching.entries(inspection, body, "documents", "document")
  if (documents.length > DOCUMENTS_MAX) {
    inspection.invalid("documents", `\`documents\` must have at most ${DOCUMENTS_MAX} entries.`)
  }
  if (!documents.every((document) => typeof document === "string" || isObject(document))) {
    inspection.invalid("documents", "Each of `documents` must be a text, or an object with one.")
  }
  Touching.copies(inspection, body, "top_n", DOCUMENTS_MAX)
  return inspection.conclude({
    model,
    messages: documents,
    stream: false,
    includeUsage: true,
    maxTokens: undefined,
    choices: 0,
    media: Touching.noMedia,
    images: 0,
    audioBytes: 0,
  })
}

/**
 * Reads the usage of an answer that was already parsed: Jina's `usage`, or Cohere's `meta.tokens`.
 *
 * **Example** (As vLLM answers)
 *
 * ```ts
 * import { Rerank } from "@guildhall/protocol/openai"
 *
 * Rerank.readUsage({ results: [], usage: { total_tokens: 56 } }) // => { inputToken: 56 }
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const readUsage = (json: unknown): Usage | undefined => {
  const usage = get(json, "usage")
  const tokens =
    count(usage, "prompt_tokens") ??
    count(usage, "total_tokens") ??
    count(get(get(json, "meta"), "tokens"), "input_tokens")
  return tokens === undefined ? undefined : { inputToken: tokens }
}
