/**
 * The answer of `POST /v1/chat/completions`, whole and in chunks: typed where the market reads it, open otherwise.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { CompletionUsage } from "./CompletionUsage.ts"

const Rest = [Schema.Record(Schema.String, Schema.Unknown)] as const

/**
 * What a message or a delta can carry of the model's output.
 *
 * @category models
 * @since 0.1.0
 */
export const Output = Schema.StructWithRest(
  Schema.Struct({
    role: Schema.optionalKey(Schema.NullOr(Schema.String)),
    content: Schema.optionalKey(Schema.NullOr(Schema.String)),
    refusal: Schema.optionalKey(Schema.NullOr(Schema.String)),
    tool_calls: Schema.optionalKey(Schema.NullOr(Schema.Array(Schema.Unknown))),
  }),
  Rest,
)
/** @since 0.1.0 */
export type Output = typeof Output.Type

/**
 * A whole answer.
 *
 * @category models
 * @since 0.1.0
 */
export const ChatCompletion = Schema.StructWithRest(
  Schema.Struct({
    id: Schema.String,
    object: Schema.String,
    created: Schema.Int,
    model: Schema.String,
    choices: Schema.Array(
      Schema.StructWithRest(
        Schema.Struct({ index: Schema.Int, message: Output, finish_reason: Schema.NullOr(Schema.String) }),
        Rest,
      ),
    ),
    usage: Schema.optionalKey(Schema.NullOr(CompletionUsage)),
  }),
  Rest,
)
/** @since 0.1.0 */
export type ChatCompletion = typeof ChatCompletion.Type

/**
 * One event of a streamed answer. The last one before `[DONE]` has no choices and the usage, where it was asked for.
 *
 * @category models
 * @since 0.1.0
 */
export const ChatCompletionChunk = Schema.StructWithRest(
  Schema.Struct({
    id: Schema.String,
    object: Schema.String,
    created: Schema.Int,
    model: Schema.String,
    choices: Schema.Array(
      Schema.StructWithRest(
        Schema.Struct({
          index: Schema.Int,
          delta: Output,
          finish_reason: Schema.optionalKey(Schema.NullOr(Schema.String)),
        }),
        Rest,
      ),
    ),
    usage: Schema.optionalKey(Schema.NullOr(CompletionUsage)),
  }),
  Rest,
)
/** @since 0.1.0 */
export type ChatCompletionChunk = typeof ChatCompletionChunk.Type
