/**
 * Answers in the three dialects, written by hand as the vendors' servers write them: the clients' own types say that they
 * are right.
 */
import type Anthropic from "@anthropic-ai/sdk"
import type OpenAI from "openai"
import type { Dialect } from "./Asked.ts"

/** What a provider says: words, one token each, or a call of a tool. */
export interface Turn {
  readonly words: ReadonlyArray<string>
  readonly call?: { readonly name: string; readonly arguments: string } | undefined
}

/** An answer: whole, or as the events of a stream, of which the first are there before the first word. */
export interface Spoken {
  readonly whole: string
  readonly opening: ReadonlyArray<string>
  readonly pieces: ReadonlyArray<string>
  readonly closing: ReadonlyArray<string>
}

/** What every prompt takes, by the provider's account; of these, some come from its cache. */
export const PROMPT = 11
export const CACHED = 4
/** What a call takes. */
const CALL = 6
export const CALL_ID = "call_rome"

const outputTokens = ({ call, words }: Turn): number => words.length + (call === undefined ? 0 : CALL)

const CREATED = 1_700_000_000

const data = (json: object): string => `data: ${JSON.stringify(json)}\n\n`
const halves = (text: string): ReadonlyArray<string> => [text.slice(0, text.length / 2), text.slice(text.length / 2)]

const chat = (model: string, turn: Turn, includeUsage: boolean): Spoken => {
  const { call, words } = turn
  const output = outputTokens(turn)
  const usage: OpenAI.CompletionUsage = {
    prompt_tokens: PROMPT,
    completion_tokens: output,
    total_tokens: PROMPT + output,
    prompt_tokens_details: { cached_tokens: CACHED },
  }
  const same = { id: "chatcmpl-1", created: CREATED, model, system_fingerprint: "fp_1" }
  const finish = call === undefined ? "stop" : "tool_calls"
  const whole: OpenAI.ChatCompletion = {
    ...same,
    object: "chat.completion",
    choices: [
      {
        index: 0,
        logprobs: null,
        finish_reason: finish,
        message: {
          role: "assistant",
          content: call === undefined ? words.join("") : null,
          refusal: null,
          ...(call === undefined ? {} : { tool_calls: [{ id: CALL_ID, type: "function", function: call }] }),
        },
      },
    ],
    usage,
  }
  const chunk = (more: Partial<OpenAI.ChatCompletionChunk>): string => {
    const made: OpenAI.ChatCompletionChunk = { ...same, object: "chat.completion.chunk", choices: [], ...more }
    return data(made)
  }
  type Choice = OpenAI.ChatCompletionChunk.Choice
  const delta = (delta: Choice["delta"], finish_reason: Choice["finish_reason"] = null): string =>
    chunk({ choices: [{ index: 0, delta, logprobs: null, finish_reason }] })
  const calls =
    call === undefined
      ? []
      : [
          delta({
            tool_calls: [{ index: 0, id: CALL_ID, type: "function", function: { name: call.name, arguments: "" } }],
          }),
          ...halves(call.arguments).map((text) => delta({ tool_calls: [{ index: 0, function: { arguments: text } }] })),
        ]
  return {
    whole: JSON.stringify(whole),
    opening: [delta({ role: "assistant", content: "" })],
    pieces: [...words.map((content) => delta({ content })), ...calls],
    closing: [delta({}, finish), ...(includeUsage ? [chunk({ usage })] : []), "data: [DONE]\n\n"],
  }
}

const messages = (model: string, turn: Turn): Spoken => {
  const { call, words } = turn
  const usage: Anthropic.Usage = {
    input_tokens: PROMPT - CACHED,
    cache_read_input_tokens: CACHED,
    cache_creation_input_tokens: 0,
    cache_creation: null,
    output_tokens: outputTokens(turn),
    output_tokens_details: null,
    server_tool_use: null,
    service_tier: null,
    inference_geo: null,
    speed: null,
  }
  const stop_reason = call === undefined ? "end_turn" : "tool_use"
  const message: Anthropic.Message = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model,
    container: null,
    diagnostics: null,
    content: [
      ...(words.length === 0 ? [] : [{ type: "text" as const, text: words.join(""), citations: null }]),
      ...(call === undefined
        ? []
        : [
            {
              type: "tool_use" as const,
              id: CALL_ID,
              name: call.name,
              input: JSON.parse(call.arguments) as unknown,
              caller: { type: "direct" as const },
            },
          ]),
    ],
    stop_reason,
    stop_sequence: null,
    stop_details: null,
    usage,
  }
  const event = (value: Anthropic.RawMessageStreamEvent): string => `event: ${value.type}\n${data(value)}`
  const block = (
    content_block: Anthropic.RawContentBlockStartEvent["content_block"],
    deltas: ReadonlyArray<Anthropic.RawContentBlockDelta>,
  ): ReadonlyArray<string> => [
    event({ type: "content_block_start", index: 0, content_block }),
    ...deltas.map((delta) => event({ type: "content_block_delta", index: 0, delta })),
  ]
  const pieces =
    call === undefined
      ? block(
          { type: "text", text: "", citations: null },
          words.map((text) => ({ type: "text_delta", text })),
        )
      : block(
          { type: "tool_use", id: CALL_ID, name: call.name, input: {}, caller: { type: "direct" } },
          halves(call.arguments).map((partial_json) => ({ type: "input_json_delta", partial_json })),
        )
  const started: Anthropic.Message = {
    ...message,
    content: [],
    stop_reason: null,
    usage: { ...usage, output_tokens: 1 },
  }
  return {
    whole: JSON.stringify(message),
    opening: [event({ type: "message_start", message: started })],
    pieces,
    closing: [
      event({ type: "content_block_stop", index: 0 }),
      event({
        type: "message_delta",
        delta: { container: null, stop_reason, stop_sequence: null, stop_details: null },
        usage: {
          input_tokens: usage.input_tokens,
          cache_read_input_tokens: CACHED,
          cache_creation_input_tokens: 0,
          output_tokens: usage.output_tokens,
          output_tokens_details: null,
          server_tool_use: null,
        },
      }),
      event({ type: "message_stop" }),
    ],
  }
}

type Unnumbered<Event> = Event extends unknown ? Omit<Event, "sequence_number"> : never

const responses = (model: string, turn: Turn): Spoken => {
  const { call, words } = turn
  const output = outputTokens(turn)
  let sequence = 0
  const event = (value: Unnumbered<OpenAI.Responses.ResponseStreamEvent>): string =>
    `event: ${value.type}\n${data({ ...value, sequence_number: sequence++ })}`
  const text: OpenAI.Responses.ResponseOutputText = { type: "output_text", text: words.join(""), annotations: [] }
  const item: OpenAI.Responses.ResponseOutputItem =
    call === undefined
      ? { id: "msg_1", type: "message", role: "assistant", status: "completed", content: [text] }
      : { id: "fc_1", type: "function_call", call_id: CALL_ID, status: "completed", ...call }
  const response: OpenAI.Responses.Response = {
    id: "resp_1",
    object: "response",
    created_at: CREATED,
    model,
    status: "completed",
    error: null,
    incomplete_details: null,
    access_programs: null,
    instructions: null,
    metadata: null,
    output: [item],
    output_text: words.join(""),
    parallel_tool_calls: true,
    temperature: 1,
    tool_choice: "auto",
    tools: [],
    top_p: 1,
    usage: {
      input_tokens: PROMPT,
      input_tokens_details: { cached_tokens: CACHED, cache_write_tokens: 0 },
      output_tokens: output,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: PROMPT + output,
    },
  }
  const begun: OpenAI.Responses.Response = { ...response, status: "in_progress", output: [] }
  delete begun.usage
  // Events are numbered as they are made.
  const opening = [
    event({ type: "response.created", response: begun }),
    event({ type: "response.in_progress", response: begun }),
  ]
  const at = { item_id: "msg_1", output_index: 0, content_index: 0 }
  const part: OpenAI.Responses.ResponseOutputText = { ...text, text: "" }
  const pieces: ReadonlyArray<string> =
    item.type === "function_call"
      ? [
          event({
            type: "response.output_item.added",
            output_index: 0,
            item: { ...item, status: "in_progress", arguments: "" },
          }),
          ...halves(item.arguments).map((delta) =>
            event({ type: "response.function_call_arguments.delta", item_id: "fc_1", output_index: 0, delta }),
          ),
          event({
            type: "response.function_call_arguments.done",
            item_id: "fc_1",
            output_index: 0,
            arguments: item.arguments,
          }),
        ]
      : [
          event({
            type: "response.output_item.added",
            output_index: 0,
            item: { id: "msg_1", type: "message", role: "assistant", status: "in_progress", content: [] },
          }),
          event({ type: "response.content_part.added", ...at, part }),
          ...words.map((delta) => event({ type: "response.output_text.delta", ...at, delta, logprobs: [] })),
        ]
  const done =
    call === undefined
      ? [
          event({ type: "response.output_text.done", ...at, text: text.text, logprobs: [] }),
          event({ type: "response.content_part.done", ...at, part: text }),
        ]
      : []
  // Not in the type, but in what the vendor answers, and @openrouter/sdk insists on them.
  const members = { completed_at: CREATED, frequency_penalty: 0, presence_penalty: 0 }
  return {
    whole: JSON.stringify({ ...response, ...members }),
    opening,
    pieces,
    closing: [
      ...done,
      event({ type: "response.output_item.done", output_index: 0, item }),
      event({ type: "response.completed", response }),
    ],
  }
}

const speakers = { "chat/completions": chat, messages, responses }

/** Says something in a dialect. */
export const speak = (dialect: Dialect, model: string, turn: Turn, includeUsage: boolean): Spoken =>
  speakers[dialect](model, turn, includeUsage)
