/**
 * Writes answers in OpenAI's shape: one JSON object, or a stream of chunks that begins with the role and ends with `[DONE]`.
 *
 * @since 0.1.0
 */
import type { ChatRequest } from "./ChatRequest.ts"

/**
 * Why an answer ended.
 *
 * @category models
 * @since 0.1.0
 */
export type FinishReason = "stop" | "length"

/**
 * The counts of an answer, in tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counts {
  readonly prompt: number
  readonly completion: number
}

/**
 * Writes one answer. Each member gives the bytes to send at that point; an answer that is not a stream is only `end`.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChatWriter {
  readonly contentType: string
  readonly begin: () => Uint8Array | undefined
  readonly delta: (kind: "content" | "reasoning_content", text: string) => Uint8Array | undefined
  readonly end: (reason: FinishReason, counts: Counts) => Uint8Array
}

const encoder = new TextEncoder()

const usageOf = (counts: Counts) => ({
  prompt_tokens: counts.prompt,
  completion_tokens: counts.completion,
  total_tokens: counts.prompt + counts.completion,
})

/**
 * Makes a writer. `created` is in seconds since 1970.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  request: Pick<ChatRequest, "model" | "stream" | "includeUsage">,
  options: { readonly id: string; readonly created: number },
): ChatWriter => (request.stream ? streamed(request, options) : whole(request, options))

const streamed = (
  request: Pick<ChatRequest, "model" | "includeUsage">,
  options: { readonly id: string; readonly created: number },
): ChatWriter => {
  const head = { id: options.id, object: "chat.completion.chunk", created: options.created, model: request.model }
  const frame = (value: unknown) => `data: ${JSON.stringify(value)}\n\n`
  const choice = (delta: Record<string, string>, reason: FinishReason | null) =>
    frame({
      ...head,
      choices: [{ index: 0, delta, logprobs: null, finish_reason: reason }],
    })
  return {
    contentType: "text/event-stream",
    begin: () => encoder.encode(choice({ role: "assistant", content: "" }, null)),
    delta: (kind, text) => encoder.encode(choice({ [kind]: text }, null)),
    end: (reason, counts) =>
      encoder.encode(
        choice({}, reason) +
          (request.includeUsage ? frame({ ...head, choices: [], usage: usageOf(counts) }) : "") +
          "data: [DONE]\n\n",
      ),
  }
}

const whole = (
  request: Pick<ChatRequest, "model">,
  options: { readonly id: string; readonly created: number },
): ChatWriter => {
  const texts = { content: "", reasoning_content: "" }
  return {
    contentType: "application/json",
    begin: () => undefined,
    delta: (kind, text) => {
      texts[kind] += text
      return undefined
    },
    end: (reason, counts) =>
      encoder.encode(
        JSON.stringify({
          id: options.id,
          object: "chat.completion",
          created: options.created,
          model: request.model,
          // OpenRouter's client takes no answer without it.
          system_fingerprint: null,
          choices: [
            {
              index: 0,
              message: {
                role: "assistant",
                content: texts.content,
                ...(texts.reasoning_content === "" ? {} : { reasoning_content: texts.reasoning_content }),
              },
              logprobs: null,
              finish_reason: reason,
            },
          ],
          usage: usageOf(counts),
        }),
      ),
  }
}
