/**
 * An answer in no dialect: whole, and as the events of a stream.
 *
 * @since 0.1.0
 */
import type { Usage } from "@guildhall/core/Usage"
import type { AssistantPart, Logprob } from "./Conversation.ts"

/**
 * Why an answer ended.
 *
 * | here | Chat | Messages | Responses |
 * |---|---|---|---|
 * | `stop` | `stop` | `end_turn` | `completed` |
 * | `stopSequence` | `stop` | `stop_sequence` | `completed` |
 * | `toolCalls` | `tool_calls` | `tool_use` | `completed` |
 * | `length` | `length` | `max_tokens` | `incomplete`, `max_output_tokens` |
 * | `contextLength` | `length` | `model_context_window_exceeded` | `incomplete`, `max_output_tokens` |
 * | `contentFilter` | `content_filter` | `refusal` | `incomplete`, `content_filter` |
 * | `pause` | `stop` | `pause_turn` | `completed` |
 *
 * @category models
 * @since 0.1.0
 */
export type Finish = "stop" | "stopSequence" | "toolCalls" | "length" | "contextLength" | "contentFilter" | "pause"

/**
 * Counts of tokens. `input` includes `cached` and `cacheWrite`, `output` includes `reasoning`.
 *
 * @category models
 * @since 0.1.0
 */
export interface TokenUsage {
  readonly input: number
  readonly cached: number
  readonly cacheWrite: number
  readonly output: number
  readonly reasoning: number
}

/**
 * The same counts in the units of a price sheet.
 *
 * @category conversions
 * @since 0.1.0
 */
export const toUsage = (usage: TokenUsage): Usage => {
  const cached = Math.min(usage.cached, usage.input)
  return cached === 0
    ? { inputToken: usage.input, outputToken: usage.output }
    : { inputToken: usage.input - cached, cachedInputToken: cached, outputToken: usage.output }
}

/**
 * A whole answer, as the provider gave it. `stopSequence` is the text that ended it, where that is known.
 *
 * @category models
 * @since 0.1.0
 */
export interface Answer {
  readonly parts: ReadonlyArray<AssistantPart>
  readonly finish: Finish
  readonly stopSequence?: string | undefined
  readonly usage?: TokenUsage | undefined
}

/**
 * One event of a streamed answer. Deltas of one kind that follow each other are one part, unless `partFinished` comes
 * between them. `call` numbers the tool calls of an answer from 0; their deltas may come mixed. `reasoningSigned` belongs
 * to the thought that precedes it, a redacted one stands for itself.
 * `finished` and `usage` come in either order after the last delta; `usage` may come several times, the last one counts.
 * `failed` is an error that the provider reported within the stream.
 *
 * @category models
 * @since 0.1.0
 */
export type AnswerEvent =
  | { readonly type: "started" }
  | { readonly type: "textDelta"; readonly text: string; readonly logprobs?: ReadonlyArray<Logprob> | undefined }
  | { readonly type: "reasoningDelta"; readonly text: string }
  | { readonly type: "reasoningSigned"; readonly signature: string; readonly redacted: boolean }
  | { readonly type: "refusalDelta"; readonly text: string }
  | { readonly type: "partFinished" }
  | {
      readonly type: "toolCallStarted"
      readonly call: number
      readonly kind: "function" | "custom"
      readonly id: string
      readonly name: string
    }
  | { readonly type: "toolCallDelta"; readonly call: number; readonly arguments: string }
  | { readonly type: "toolCallFinished"; readonly call: number }
  | { readonly type: "finished"; readonly finish: Finish; readonly stopSequence?: string | undefined }
  | { readonly type: "usage"; readonly usage: TokenUsage }
  | { readonly type: "failed"; readonly message: string }
