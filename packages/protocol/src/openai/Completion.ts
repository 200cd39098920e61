/**
 * The answer of `POST /v1/completions`; the events of a streamed one have the same shape.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { CompletionUsage } from "./CompletionUsage.ts"

const Rest = [Schema.Record(Schema.String, Schema.Unknown)] as const

/**
 * A whole answer, or one event of it.
 *
 * @category models
 * @since 0.1.0
 */
export const Completion = Schema.StructWithRest(
  Schema.Struct({
    id: Schema.String,
    object: Schema.String,
    created: Schema.Int,
    model: Schema.String,
    choices: Schema.Array(
      Schema.StructWithRest(
        Schema.Struct({
          index: Schema.Int,
          text: Schema.String,
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
export type Completion = typeof Completion.Type
