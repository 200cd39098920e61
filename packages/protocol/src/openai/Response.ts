/**
 * The answer of `POST /v1/responses`, whole and in events: typed where the market reads it, open otherwise.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { other, tagged } from "../internal/Tagged.ts"
import { ResponseUsage } from "./ResponseUsage.ts"

const Rest = [Schema.Record(Schema.String, Schema.Unknown)] as const
const Index = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000 })))

/**
 * What a message or a thought consists of.
 *
 * @category models
 * @since 0.1.0
 */
export const ContentPart = Schema.Union([
  tagged("output_text", { text: Schema.String }),
  tagged("refusal", { refusal: Schema.String }),
  tagged("reasoning_text", { text: Schema.String }),
  tagged("summary_text", { text: Schema.String }),
  other(["output_text", "refusal", "reasoning_text", "summary_text"]),
])
/** @since 0.1.0 */
export type ContentPart = typeof ContentPart.Type

/**
 * One item of the output. Items of a server's own tools have other types and pass through.
 *
 * @category models
 * @since 0.1.0
 */
export const OutputItem = Schema.Union([
  tagged("message", { id: Schema.String, role: Schema.Literal("assistant"), content: Schema.Array(ContentPart) }),
  tagged("reasoning", {
    summary: Schema.Array(ContentPart),
    content: Schema.optionalKey(Schema.NullOr(Schema.Array(ContentPart))),
    encrypted_content: Schema.optionalKey(Schema.NullOr(Schema.String)),
  }),
  tagged("function_call", { call_id: Schema.String, name: Schema.String, arguments: Schema.String }),
  tagged("custom_tool_call", { call_id: Schema.String, name: Schema.String, input: Schema.String }),
  other(["message", "reasoning", "function_call", "custom_tool_call"]),
])
/** @since 0.1.0 */
export type OutputItem = typeof OutputItem.Type

/**
 * A whole answer. `incomplete_details` says why an incomplete one ends, `error` why a failed one does.
 *
 * @category models
 * @since 0.1.0
 */
export const Response = Schema.StructWithRest(
  Schema.Struct({
    id: Schema.String,
    object: Schema.Literal("response"),
    created_at: Schema.Finite,
    model: Schema.String,
    status: Schema.Literals(["completed", "failed", "in_progress", "cancelled", "queued", "incomplete"]),
    output: Schema.Array(OutputItem),
    incomplete_details: Schema.optionalKey(
      Schema.NullOr(Schema.StructWithRest(Schema.Struct({ reason: Schema.optionalKey(Schema.String) }), Rest)),
    ),
    error: Schema.optionalKey(
      Schema.NullOr(Schema.StructWithRest(Schema.Struct({ code: Schema.String, message: Schema.String }), Rest)),
    ),
    usage: Schema.optionalKey(Schema.NullOr(ResponseUsage)),
  }),
  Rest,
)
/** @since 0.1.0 */
export type Response = typeof Response.Type

const Place = { item_id: Schema.String, output_index: Index, sequence_number: Schema.optionalKey(Schema.Int) }
const PartPlace = { ...Place, content_index: Index }
const Sequence = { sequence_number: Schema.optionalKey(Schema.Int) }

const READ = [
  "response.created",
  "response.in_progress",
  "response.output_item.added",
  "response.output_item.done",
  "response.content_part.added",
  "response.content_part.done",
  "response.output_text.delta",
  "response.output_text.done",
  "response.refusal.delta",
  "response.refusal.done",
  "response.reasoning_text.delta",
  "response.reasoning_text.done",
  "response.reasoning_summary_text.delta",
  "response.function_call_arguments.delta",
  "response.function_call_arguments.done",
  "response.custom_tool_call_input.delta",
  "response.custom_tool_call_input.done",
  "response.completed",
  "response.incomplete",
  "response.failed",
  "error",
]

/**
 * One event of a streamed answer. Those that the market does not read pass through.
 *
 * @category models
 * @since 0.1.0
 */
export const ResponseEvent = Schema.Union([
  tagged("response.created", { response: Response, ...Sequence }),
  tagged("response.in_progress", { response: Response, ...Sequence }),
  tagged("response.output_item.added", { output_index: Index, item: OutputItem, ...Sequence }),
  tagged("response.output_item.done", { output_index: Index, item: OutputItem, ...Sequence }),
  tagged("response.content_part.added", { part: ContentPart, ...PartPlace }),
  tagged("response.content_part.done", { part: ContentPart, ...PartPlace }),
  tagged("response.output_text.delta", { delta: Schema.String, ...PartPlace }),
  tagged("response.output_text.done", { text: Schema.String, ...PartPlace }),
  tagged("response.refusal.delta", { delta: Schema.String, ...PartPlace }),
  tagged("response.refusal.done", { refusal: Schema.String, ...PartPlace }),
  tagged("response.reasoning_text.delta", { delta: Schema.String, ...PartPlace }),
  tagged("response.reasoning_text.done", { text: Schema.String, ...PartPlace }),
  tagged("response.reasoning_summary_text.delta", { delta: Schema.String, summary_index: Index, ...Place }),
  tagged("response.function_call_arguments.delta", { delta: Schema.String, ...Place }),
  tagged("response.function_call_arguments.done", { arguments: Schema.String, ...Place }),
  tagged("response.custom_tool_call_input.delta", { delta: Schema.String, ...Place }),
  tagged("response.custom_tool_call_input.done", { input: Schema.String, ...Place }),
  tagged("response.completed", { response: Response, ...Sequence }),
  tagged("response.incomplete", { response: Response, ...Sequence }),
  tagged("response.failed", { response: Response, ...Sequence }),
  tagged("error", { code: Schema.NullOr(Schema.String), message: Schema.String, ...Sequence }),
  other(READ),
])
/** @since 0.1.0 */
export type ResponseEvent = typeof ResponseEvent.Type
