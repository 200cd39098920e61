/**
 * The answer of `POST /v1/messages`, whole and in events: typed where the market reads it, open otherwise.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { other, tagged } from "../internal/Tagged.ts"
import { ErrorBody } from "./ErrorBody.ts"
import { MessageUsage } from "./MessageUsage.ts"

const Rest = [Schema.Record(Schema.String, Schema.Unknown)] as const
const Index = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 })))

/**
 * A block that the model writes. Blocks of a server's own tools have other types and pass through.
 *
 * @category models
 * @since 0.1.0
 */
export const ContentBlock = Schema.Union([
  tagged("text", { text: Schema.String }),
  tagged("thinking", { thinking: Schema.String, signature: Schema.optionalKey(Schema.String) }),
  tagged("redacted_thinking", { data: Schema.String }),
  tagged("tool_use", { id: Schema.String, name: Schema.String, input: Schema.Unknown }),
  other(["text", "thinking", "redacted_thinking", "tool_use"]),
])
/** @since 0.1.0 */
export type ContentBlock = typeof ContentBlock.Type

/**
 * A whole answer.
 *
 * @category models
 * @since 0.1.0
 */
export const Message = Schema.StructWithRest(
  Schema.Struct({
    id: Schema.String,
    type: Schema.Literal("message"),
    role: Schema.Literal("assistant"),
    model: Schema.String,
    content: Schema.Array(ContentBlock),
    stop_reason: Schema.NullOr(Schema.String),
    stop_sequence: Schema.optionalKey(Schema.NullOr(Schema.String)),
    usage: MessageUsage,
  }),
  Rest,
)
/** @since 0.1.0 */
export type Message = typeof Message.Type

/**
 * What a block grows by.
 *
 * @category models
 * @since 0.1.0
 */
export const Delta = Schema.Union([
  tagged("text_delta", { text: Schema.String }),
  tagged("thinking_delta", { thinking: Schema.String }),
  tagged("signature_delta", { signature: Schema.String }),
  tagged("input_json_delta", { partial_json: Schema.String }),
  other(["text_delta", "thinking_delta", "signature_delta", "input_json_delta"]),
])
/** @since 0.1.0 */
export type Delta = typeof Delta.Type

/**
 * One event of a streamed answer: `message_start`, for each block `content_block_start`, its deltas and
 * `content_block_stop`, then `message_delta` with the usage and `message_stop`. A `ping` may come anywhere; an `error`
 * ends the stream.
 *
 * @category models
 * @since 0.1.0
 */
export const MessageEvent = Schema.Union([
  tagged("message_start", { message: Message }),
  tagged("content_block_start", { index: Index, content_block: ContentBlock }),
  tagged("content_block_delta", { index: Index, delta: Delta }),
  tagged("content_block_stop", { index: Index }),
  tagged("message_delta", {
    delta: Schema.StructWithRest(
      Schema.Struct({
        stop_reason: Schema.NullOr(Schema.String),
        stop_sequence: Schema.optionalKey(Schema.NullOr(Schema.String)),
      }),
      Rest,
    ),
    usage: MessageUsage,
  }),
  tagged("message_stop", {}),
  tagged("ping", {}),
  ErrorBody,
])
/** @since 0.1.0 */
export type MessageEvent = typeof MessageEvent.Type
