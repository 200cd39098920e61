/**
 * Requests for text in the words of AI Horde's workers, and what they generate as answers of OpenAI's. Pure.
 *
 * A conversation becomes a prompt by the template that KoboldCpp itself uses where it is told no other: each message under a
 * heading, the answer to come under the last.
 *
 * @since 0.1.0
 */
import type { TextPayload } from "@guildhall/protocol/provider/HordeWorker"
import * as Json from "./internal/Json.ts"

/** What a conversation's parts begin with. @category constants @since 0.1.0 */
export const HEADINGS = {
  system: "\n### Instruction:\n",
  user: "\n### Instruction:\n",
  assistant: "\n### Response:\n",
} as const

/** What a model writes when it goes on as somebody else. */
const STOPS = ["### Instruction:", "### Response:"]
/** The longest that is asked for where the buyer does not say, in tokens. */
const LENGTH_USUAL = 512
/** A worker takes no less. */
const LENGTH_MIN = 16
/** The most generations of one request. @category constants @since 0.1.0 */
export const CHOICES_MAX = 4
const STOPS_MAX = 16
/** A token is taken for so many characters where nobody counts it. */
const CHARS_A_TOKEN = 4

/**
 * What a worker can do at most, in tokens.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reach {
  readonly maxLength: number
  readonly maxContextLength: number
}

/**
 * A request that a worker can do: its payload, how many generations it takes, and what its answer must look like.
 *
 * @category models
 * @since 0.1.0
 */
export interface TextWork {
  readonly payload: TextPayload
  readonly choices: number
  readonly isChat: boolean
  readonly isStream: boolean
  readonly model: string
}

const number = (body: unknown, name: string): number | undefined => {
  const value = Json.get(body, name)
  return typeof value === "number" && Number.isFinite(value) ? value : undefined
}

const clamp = (value: number | undefined, low: number, high: number): number | undefined =>
  value === undefined ? undefined : Math.min(high, Math.max(low, value))

/** The text of a message; what is no text has no place in a prompt: `undefined`. */
const textOf = (content: unknown): string | undefined => {
  if (typeof content === "string") return content
  if (content === null || content === undefined) return ""
  if (!Array.isArray(content)) return undefined
  const parts = content.map((part) => Json.get(part, "text"))
  return parts.every((part) => typeof part === "string") ? parts.join("\n") : undefined
}

/**
 * The prompt of a conversation; `undefined` where one of its messages is not text.
 *
 * **Example** (A question)
 *
 * ```ts
 * import { HordeText } from "@guildhall/gateway"
 *
 * HordeText.prompt([{ role: "user", content: "Hello" }]) // => "\n### Instruction:\nHello\n### Response:\n"
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const prompt = (messages: ReadonlyArray<unknown>): string | undefined => {
  let text = ""
  for (const message of messages) {
    const said = textOf(Json.get(message, "content"))
    if (said === undefined) return undefined
    const role = Json.get(message, "role")
    const heading = role === "assistant" ? HEADINGS.assistant : role === "system" ? HEADINGS.system : HEADINGS.user
    text += `${heading}${said}`
  }
  return `${text}${HEADINGS.assistant}`
}

const stopsOf = (body: unknown): ReadonlyArray<string> => {
  const stop = Json.get(body, "stop")
  const stops = typeof stop === "string" ? [stop] : Array.isArray(stop) ? stop : []
  return stops.filter((one) => typeof one === "string" && one !== "").slice(0, STOPS_MAX)
}

/** The members that a worker knows by a name of its own, within what its protocol allows. */
const samplers = (body: unknown) => {
  const read = {
    temperature: clamp(number(body, "temperature"), 0, 5),
    top_p: clamp(number(body, "top_p"), 0.001, 1),
    top_k: clamp(number(body, "top_k"), 0, 200),
    min_p: clamp(number(body, "min_p"), 0, 1),
    rep_pen: clamp(number(body, "repetition_penalty"), 1, 3),
    sampler_seed: number(body, "seed"),
  }
  return Object.fromEntries(Object.entries(read).filter(([, value]) => value !== undefined))
}

/**
 * Reads a request of `chat/completions` or `completions`; or says why no worker of Horde can do it.
 *
 * @category rules
 * @since 0.1.0
 */
export const read = (path: string, body: unknown, reach: Reach): TextWork | string => {
  const isChat = path === "/v1/chat/completions"
  const messages = Json.get(body, "messages")
  const given = Json.get(body, "prompt")
  const written = isChat
    ? Array.isArray(messages)
      ? prompt(messages)
      : undefined
    : typeof given === "string"
      ? given
      : undefined
  if (written === undefined) return "This provider reads text alone: one prompt, or messages of text."
  if (Json.has(body, "tools")) return "This provider calls no tools."
  const choices = number(body, "n") ?? 1
  if (!Number.isInteger(choices) || choices < 1 || choices > CHOICES_MAX) {
    return `n: this provider makes 1 to ${CHOICES_MAX} answers to a request.`
  }
  const asked = number(body, "max_completion_tokens") ?? number(body, "max_tokens") ?? LENGTH_USUAL
  const model = Json.get(body, "model")
  return {
    payload: {
      prompt: written,
      n: 1,
      max_length: Math.max(LENGTH_MIN, Math.min(asked, reach.maxLength)),
      max_context_length: reach.maxContextLength,
      stop_sequence: [...stopsOf(body), ...(isChat ? STOPS : [])],
      ...samplers(body),
    },
    choices,
    isChat,
    isStream: Json.get(body, "stream") === true,
    model: typeof model === "string" ? model : "",
  }
}

/** A generation without what comes after a stop: workers send the stop along. */
const trimmed = ({ isChat, payload }: TextWork, generation: string): string => {
  let end = generation.length
  for (const stop of payload.stop_sequence) {
    const at = generation.indexOf(stop)
    if (at !== -1) end = Math.min(end, at)
  }
  const text = generation.slice(0, end)
  return isChat ? text.trim() : text
}

/**
 * About how many tokens a text is, where nobody has counted them: its characters by four.
 *
 * @category rules
 * @since 0.1.0
 */
export const tokensOf = (text: string): number => Math.ceil(text.length / CHARS_A_TOKEN)

/** A worker does not say why it stopped. */
const reasonOf = ({ payload }: TextWork, text: string, isCensored: boolean): string =>
  isCensored ? "content_filter" : tokensOf(text) >= payload.max_length ? "length" : "stop"

/** One generation. @category models @since 0.1.0 */
export interface Generated {
  readonly text: string
  readonly isCensored: boolean
}

/**
 * The answer made of the generations: its media type and its body.
 *
 * @category rules
 * @since 0.1.0
 */
export const answer = (
  work: TextWork,
  generations: ReadonlyArray<Generated>,
  { createdS, id }: { readonly id: string; readonly createdS: number },
): { readonly type: string; readonly body: string } => {
  const { isChat, isStream, model } = work
  const ends = generations.map(({ isCensored, text }, index) => {
    const content = trimmed(work, text)
    return { index, content, finish_reason: reasonOf(work, content, isCensored) }
  })
  const base = { id: `${isChat ? "chatcmpl" : "cmpl"}-${id}`, created: createdS, model }
  if (!isStream) {
    const choices = ends.map(({ content, finish_reason, index }) =>
      isChat
        ? { index, message: { role: "assistant", content }, finish_reason, logprobs: null }
        : { index, text: content, finish_reason, logprobs: null },
    )
    const object = isChat ? "chat.completion" : "text_completion"
    return { type: "application/json", body: JSON.stringify({ ...base, object, choices }) }
  }
  const object = isChat ? "chat.completion.chunk" : "text_completion"
  const event = (choice: object): string => `data: ${JSON.stringify({ ...base, object, choices: [choice] })}\n\n`
  const events = ends.flatMap(({ content, finish_reason, index }) =>
    isChat
      ? [
          event({ index, delta: { role: "assistant", content }, finish_reason: null }),
          event({ index, delta: {}, finish_reason }),
        ]
      : [event({ index, text: content, finish_reason })],
  )
  return { type: "text/event-stream", body: `${events.join("")}data: [DONE]\n\n` }
}
