/**
 * Good answers in each dialect that a provider may speak, in parts, so that a test can send some of them and leave out,
 * repeat or spoil others.
 *
 * @since 0.1.0
 */

/**
 * A dialect, by its endpoint.
 *
 * @category models
 * @since 0.1.0
 */
export type Dialect = "chat/completions" | "completions" | "messages" | "responses"

/** All of them. @category constants @since 0.1.0 */
export const dialects: ReadonlyArray<Dialect> = ["chat/completions", "completions", "messages", "responses"]

/**
 * What is said: each word is one token and one event. `usage` is what the provider reports: the truth if absent, nothing
 * for `null`; any JSON will do, also what no provider should report.
 *
 * @category models
 * @since 0.1.0
 */
export interface Saying {
  readonly words: ReadonlyArray<string>
  readonly promptTokens?: number | undefined
  readonly usage?: { readonly prompt: unknown; readonly completion: unknown } | null | undefined
}

/**
 * An answer in parts. A stream is `opening` (role, empty deltas), `tokens`, `finish` (why it ended), `usage` (with its
 * counts) and `done` (the last event), each ready to be sent; in a dialect where two of them are one event, the earlier
 * is empty. `whole` is the answer in one piece. `error` makes the event by which a provider says that it failed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Said {
  readonly opening: string
  readonly tokens: ReadonlyArray<string>
  readonly finish: string
  readonly usage: string
  readonly done: string
  readonly stream: string
  readonly whole: string
  readonly error: (message: string) => string
}

type Part = Omit<Said, "stream">

const data = (json: unknown): string => `data: ${JSON.stringify(json)}\n\n`
const named = (type: string, more: object = {}): string => `event: ${type}\n${data({ type, ...more })}`

const DONE = "data: [DONE]\n\n"

interface Numbers {
  readonly prompt: unknown
  readonly completion: unknown
}

const numbersOf = ({ promptTokens = 5, usage, words }: Saying): Numbers | undefined => {
  if (usage === null) return undefined
  return usage ?? { prompt: promptTokens, completion: words.length }
}

const openaiUsage = ({ completion, prompt }: Numbers) => ({
  prompt_tokens: prompt,
  completion_tokens: completion,
  total_tokens: Number(prompt) + Number(completion),
})

const typedUsage = ({ completion, prompt }: Numbers) => ({ input_tokens: prompt, output_tokens: completion })

const openaiError = (message: string) => data({ error: { message, type: "server_error", param: null, code: null } })

const chat = (saying: Saying): Part => {
  const numbers = numbersOf(saying)
  const chunk = (choices: ReadonlyArray<object>, more: object = {}) =>
    data({ id: "c1", object: "chat.completion.chunk", created: 1, model: "m", choices, ...more })
  const delta = (delta: object, finish: string | null = null) => chunk([{ index: 0, delta, finish_reason: finish }])
  const message = { role: "assistant", content: saying.words.join("") }
  return {
    opening: delta({ role: "assistant", content: "" }),
    tokens: saying.words.map((content) => delta({ content })),
    finish: delta({}, "stop"),
    usage: numbers === undefined ? "" : chunk([], { usage: openaiUsage(numbers) }),
    done: DONE,
    whole: JSON.stringify({
      id: "c1",
      object: "chat.completion",
      created: 1,
      model: "m",
      system_fingerprint: null,
      choices: [{ index: 0, message, finish_reason: "stop" }],
      ...(numbers === undefined ? {} : { usage: openaiUsage(numbers) }),
    }),
    error: openaiError,
  }
}

const completion = (saying: Saying): Part => {
  const numbers = numbersOf(saying)
  const chunk = (choices: ReadonlyArray<object>, more: object = {}) =>
    data({ id: "c1", object: "text_completion", created: 1, model: "m", choices, ...more })
  const choice = (text: string, finish: string | null) => ({ index: 0, text, logprobs: null, finish_reason: finish })
  return {
    opening: chunk([choice("", null)]),
    tokens: saying.words.map((text) => chunk([choice(text, null)])),
    finish: chunk([choice("", "stop")]),
    usage: numbers === undefined ? "" : chunk([], { usage: openaiUsage(numbers) }),
    done: DONE,
    whole: JSON.stringify({
      id: "c1",
      object: "text_completion",
      created: 1,
      model: "m",
      choices: [choice(saying.words.join(""), "stop")],
      ...(numbers === undefined ? {} : { usage: openaiUsage(numbers) }),
    }),
    error: openaiError,
  }
}

const messages = (saying: Saying): Part => {
  const numbers = numbersOf(saying)
  const text = saying.words.join("")
  const message = {
    id: "msg_1",
    type: "message",
    role: "assistant",
    model: "m",
    stop_sequence: null,
  }
  return {
    opening:
      named("message_start", {
        message: {
          ...message,
          content: [],
          stop_reason: null,
          ...(numbers === undefined ? {} : { usage: { input_tokens: numbers.prompt, output_tokens: 1 } }),
        },
      }) +
      named("content_block_start", { index: 0, content_block: { type: "text", text: "" } }) +
      named("ping"),
    tokens: saying.words.map((text) => named("content_block_delta", { index: 0, delta: { type: "text_delta", text } })),
    finish: named("content_block_stop", { index: 0 }),
    usage: named("message_delta", {
      delta: { stop_reason: "end_turn", stop_sequence: null },
      ...(numbers === undefined ? {} : { usage: { output_tokens: numbers.completion } }),
    }),
    done: named("message_stop"),
    whole: JSON.stringify({
      ...message,
      content: [{ type: "text", text }],
      stop_reason: "end_turn",
      ...(numbers === undefined ? {} : { usage: typedUsage(numbers) }),
    }),
    error: (message) => named("error", { error: { type: "api_error", message } }),
  }
}

const responses = (saying: Saying): Part => {
  const numbers = numbersOf(saying)
  const text = saying.words.join("")
  let sequence = 0
  const event = (type: string, more: object) => named(type, { ...more, sequence_number: sequence++ })
  const response = (status: string, output: ReadonlyArray<object>, more: object = {}) => ({
    id: "resp_1",
    object: "response",
    created_at: 1,
    model: "m",
    status,
    error: null,
    incomplete_details: null,
    output,
    ...more,
  })
  const at = { item_id: "msg_1", output_index: 0, content_index: 0 }
  const part = (text: string) => ({ type: "output_text", text, annotations: [] })
  const item = (status: string, content: ReadonlyArray<object>) => ({
    id: "msg_1",
    type: "message",
    role: "assistant",
    status,
    content,
  })
  const full = response("completed", [item("completed", [part(text)])], {
    ...(numbers === undefined ? {} : { usage: typedUsage(numbers) }),
  })
  const opening =
    event("response.created", { response: response("in_progress", []) }) +
    event("response.in_progress", { response: response("in_progress", []) }) +
    event("response.output_item.added", { output_index: 0, item: item("in_progress", []) }) +
    event("response.content_part.added", { ...at, part: part("") })
  const tokens = saying.words.map((delta) => event("response.output_text.delta", { ...at, delta }))
  const finish =
    event("response.output_text.done", { ...at, text }) +
    event("response.content_part.done", { ...at, part: part(text) }) +
    event("response.output_item.done", { output_index: 0, item: item("completed", [part(text)]) })
  return {
    opening,
    tokens,
    finish,
    usage: "",
    done: event("response.completed", { response: full }),
    whole: JSON.stringify(full),
    error: (message) => named("error", { code: "server_error", message, param: null, sequence_number: 99 }),
  }
}

const speakers: Readonly<Record<Dialect, (saying: Saying) => Part>> = {
  "chat/completions": chat,
  completions: completion,
  messages,
  responses,
}

/**
 * Says something in a dialect.
 *
 * **Example** (A stream that ends before it is over)
 *
 * ```ts
 * import { FaultPlan, Speech } from "@guildhall/gateway/testing"
 *
 * const said = Speech.of("chat/completions", { words: ["one ", "two "] })
 * const plan = [FaultPlan.streamHead, FaultPlan.write(said.opening + said.tokens.join("")), FaultPlan.cut]
 * plan.length // => 3
 * said.stream.endsWith("data: [DONE]\n\n") // => true
 * JSON.parse(said.whole).choices[0].message.content // => "one two "
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const of = (dialect: Dialect, saying: Saying): Said => {
  const part = speakers[dialect](saying)
  return { ...part, stream: part.opening + part.tokens.join("") + part.finish + part.usage + part.done }
}

/**
 * A request in a dialect, as a buyer writes it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const request = (
  dialect: Dialect,
  options: { readonly model: string; readonly stream?: boolean | undefined; readonly prompt?: string | undefined },
): Readonly<Record<string, unknown>> => {
  const { model, prompt = "Say something.", stream } = options
  const common = { model, ...(stream === undefined ? {} : { stream }) }
  switch (dialect) {
    case "chat/completions":
      return { ...common, messages: [{ role: "user", content: prompt }] }
    case "completions":
      return { ...common, prompt }
    case "messages":
      return { ...common, max_tokens: 1_000, messages: [{ role: "user", content: prompt }] }
    case "responses":
      return { ...common, store: false, input: prompt }
  }
}
