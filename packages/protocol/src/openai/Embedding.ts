/**
 * `POST /v1/embeddings`: texts become vectors.
 *
 * @since 0.1.0
 */
import type { Usage } from "@guildhall/core/Usage"
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Inspection } from "../internal/Inspection.ts"
import { count, get } from "../internal/Json.ts"
import * as Prompts from "../internal/Prompts.ts"
import * as Touching from "../internal/Touching.ts"
import type { Flaw, Touched } from "./Touched.ts"

const Rest = [Schema.Record(Schema.String, Schema.Unknown)] as const

/**
 * A request. An input is a text, a list of texts, or either of them as tokens.
 *
 * @category models
 * @since 0.1.0
 */
export const EmbeddingRequest = Schema.StructWithRest(
  Schema.Struct({ model: Schema.NonEmptyString, input: Prompts.Prompt }),
  Rest,
)
/** @since 0.1.0 */
export type EmbeddingRequest = typeof EmbeddingRequest.Type

/**
 * An answer. A vector is a list of numbers, or base64 where the request asked for it.
 *
 * @category models
 * @since 0.1.0
 */
export const EmbeddingList = Schema.StructWithRest(
  Schema.Struct({
    object: Schema.Literal("list"),
    model: Schema.String,
    data: Schema.Array(
      Schema.StructWithRest(
        Schema.Struct({
          index: Schema.Int,
          embedding: Schema.Union([Schema.String, Schema.Array(Schema.Finite)]),
        }),
        Rest,
      ),
    ),
    usage: Schema.optionalKey(Schema.NullOr(Schema.StructWithRest(Schema.Struct({ prompt_tokens: Schema.Int }), Rest))),
  }),
  Rest,
)
/** @since 0.1.0 */
export type EmbeddingList = typeof EmbeddingList.Type

/**
 * Reads the members that the market touches from parsed JSON. `messages` are the inputs.
 *
 * @category decoding
 * @since 0.1.0
 */
export const touch = (body: unknown): Result.Result<Touched, Flaw> => {
  const inspection = new Inspection()
  const model = Touching.model(inspection, body, "`model` and `input`")
  const messages = Prompts.read(inspection, body, "input")
  return inspection.conclude({
    model,
    messages,
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
 * Reads the usage of an answer that was already parsed; `undefined` where there is none.
 *
 * **Example** (Tokens of the inputs)
 *
 * ```ts
 * import { Embedding } from "@guildhall/protocol/openai"
 *
 * Embedding.readUsage({ usage: { prompt_tokens: 8, total_tokens: 8 } }) // => { inputToken: 8 }
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const readUsage = (json: unknown): Usage | undefined => {
  const usage = get(json, "usage")
  const tokens = count(usage, "prompt_tokens") ?? count(usage, "total_tokens")
  return tokens === undefined ? undefined : { inputToken: tokens }
}
