/**
 * The request of `POST /v1/responses`: typed where the market touches it, everything else passes through.
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Inspection } from "../internal/Inspection.ts"
import { get } from "../internal/Json.ts"
import { MediaCount, ofResponses } from "../internal/Media.ts"
import { refuseState } from "../internal/State.ts"
import * as Touching from "../internal/Touching.ts"
import type { Flaw, Touched } from "./Touched.ts"

/**
 * The members that the market reads.
 *
 * @category models
 * @since 0.1.0
 */
export const ResponseRequest = Schema.StructWithRest(
  Schema.Struct({
    model: Schema.NonEmptyString,
    input: Schema.Union([Schema.String, Schema.Array(Schema.Record(Schema.String, Schema.Unknown))]),
    instructions: Schema.optionalKey(Schema.NullOr(Schema.String)),
    stream: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
    max_output_tokens: Schema.optionalKey(Schema.NullOr(Schema.Int)),
    store: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
    background: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
    previous_response_id: Schema.optionalKey(Schema.NullOr(Schema.String)),
  }),
  [Schema.Record(Schema.String, Schema.Unknown)],
)
/** @since 0.1.0 */
export type ResponseRequest = typeof ResponseRequest.Type

/** The members that limit how many tokens are generated. @category constants @since 0.1.0 */
export const limits = ["max_output_tokens"] as const

const readInput = (inspection: Inspection, body: unknown, media: MediaCount): ReadonlyArray<unknown> => {
  const input = get(body, "input")
  if (typeof input === "string") return [input]
  const items = Touching.objects(inspection, body, "input", "item")
  for (const item of items) {
    ofResponses(media, get(item, "content"))
    ofResponses(media, get(item, "output"))
  }
  return items
}

/**
 * Reads the members that the market touches from parsed JSON, and refuses what needs a server that remembers:
 * `previous_response_id`, `conversation`, `prompt`, `background`, `store` and references to items.
 *
 * **Example** (Nothing is remembered)
 *
 * ```ts
 * import { ResponseRequest } from "@guildhall/protocol/openai"
 * import { Result } from "effect"
 *
 * const read = ResponseRequest.touch({ model: "m", input: "Hi", previous_response_id: "resp_1" })
 * Result.isFailure(read) && read.failure.param // => "previous_response_id"
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const touch = (body: unknown): Result.Result<Touched, Flaw> => {
  const inspection = new Inspection()
  const media = new MediaCount()
  const model = Touching.model(inspection, body, "`model` and `input`")
  refuseState(inspection, body)
  const messages = readInput(inspection, body, media)
  return inspection.conclude({
    model,
    messages,
    stream: Touching.flag(inspection, body, "stream"),
    includeUsage: true,
    maxTokens: Touching.maxTokens(inspection, body, limits),
    choices: 1,
    media,
    images: 0,
    audioBytes: 0,
  })
}
