/**
 * Counts a request's tokens: the prompt as its template writes it, and the answer as it stands.
 *
 * A prompt of text alone is counted exactly. An answer is not quite: what separates reasoning, tool calls and the end
 * leaves no text or another one, and a model may have written a text in other tokens than its tokenizer would. So each
 * count is a band. Its low end is the text alone; its high end allows for all of that, and is the one that a charge may
 * be lowered to.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { Endpoint } from "@guildhall/core/Endpoint"
import * as Answers from "./Answers.ts"
import type { Chat, ChatTemplate } from "./ChatTemplate.ts"
import type { Counter } from "./Counter.ts"
import * as Prompts from "./Prompts.ts"

/**
 * The fewest and the most tokens that it can have been; without `high` nothing bounds them from above.
 *
 * @category models
 * @since 0.1.0
 */
export interface Band {
  readonly low: number
  readonly high: number | undefined
}

/**
 * The counts of one request.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counted {
  readonly input: Band
  readonly output: Band
}

/**
 * What is counted: the body that was sent to the instance, and the bytes of its answer, both in the instance's dialect.
 * `outputBytes` are the bytes of output that the meter saw: an answer of which less can be read is not counted.
 *
 * @category models
 * @since 0.1.0
 */
export interface Exchanged {
  readonly endpoint: Endpoint
  readonly request: Uint8Array
  readonly answer: Uint8Array
  readonly outputBytes: number
}

/** The endpoints whose tokens can be counted. @category constants @since 0.1.0 */
export const COUNTED: ReadonlySet<Endpoint> = new Set([
  "chat/completions",
  "completions",
  "responses",
  "messages",
  "embeddings",
])

/** Nothing is known. */
const UNKNOWN: Band = { low: 0, high: undefined }

/** For each choice: the end of the answer, and the mark that began it. */
const END_TOKENS = 2
/** Around reasoning: its two marks, each with a line's end. */
const REASONING_TOKENS = 6
/** Around one tool call. */
const CALL_TOKENS = 32
/** What one character that could not be decoded stands for at most. */
const BROKEN_TOKENS = 3
/** For each message of a conversation that was translated: its server may write it in another way. */
const TRANSLATED_TOKENS = 8
/** A text that was written in other tokens than its tokenizer would choose has a few more of them. */
const DETOUR_PERCENT = 3

const plain = { special: false } as const

const broken = (text: string): number => text.split("\ufffd").length - 1

/** The conversation with the answer at its end, as the next request would bring it. */
const answered = (chat: Chat, written: Answers.Written): Chat => ({
  ...chat,
  messages: [
    ...chat.messages,
    {
      role: "assistant",
      content: written.content,
      ...(written.reasoning === "" ? {} : { reasoning_content: written.reasoning }),
      tool_calls: written.calls.flatMap((call) => (call === undefined ? [] : [{ type: "function", function: call }])),
    },
  ],
})

/** Tokens of the answer with its tool calls as the template writes them, or zero where it does not. */
const rendered = (counter: Counter, template: ChatTemplate, chat: Chat, written: Answers.Written): number => {
  const before = template.render(chat, { open: true })
  const after = template.render(answered(chat, written), { open: false })
  if (Result.isFailure(before) || Result.isFailure(after)) return 0
  const special = { special: true }
  return Math.max(0, counter.count(after.success, special) - counter.count(before.success, special))
}

const choice = (
  counter: Counter,
  template: ChatTemplate | undefined,
  prompt: Prompts.Prompt | undefined,
  written: Answers.Written,
): { readonly low: number; readonly high: number } => {
  const calls = written.calls.filter((call) => call !== undefined)
  const texts = [written.content, written.reasoning, ...calls.flatMap((call) => [call.name, call.arguments])]
  const low = texts.reduce((sum, text) => sum + counter.count(text, plain), 0)
  const marks =
    END_TOKENS +
    (written.reasoning === "" ? 0 : REASONING_TOKENS) +
    calls.length * CALL_TOKENS +
    texts.reduce((sum, text) => sum + broken(text) * BROKEN_TOKENS, 0)
  const whole =
    calls.length > 0 && template !== undefined && prompt?._tag === "Chat"
      ? rendered(counter, template, prompt.chat, written)
      : 0
  return { low, high: Math.max(low + marks, whole) + Math.ceil((low * DETOUR_PERCENT) / 100) }
}

const output = (
  counter: Counter,
  template: ChatTemplate | undefined,
  prompt: Prompts.Prompt | undefined,
  { answer, endpoint, outputBytes }: Exchanged,
): Band => {
  const choices = Answers.read(endpoint, answer)
  if (choices === undefined || choices.reduce((sum, { heard }) => sum + heard, 0) < outputBytes) return UNKNOWN
  // The text at which an answer was ended is written by the model and cut off by the server.
  const stop = Math.max(0, ...(prompt?.stops ?? []).map((text) => counter.count(text, plain)))
  let [low, high] = [0, 0]
  for (const written of choices) {
    const band = choice(counter, template, prompt, written)
    low += band.low
    high += band.high + stop
  }
  return { low, high }
}

/** Whether the text begins with the token for its beginning: by itself, or because the server sees to it. */
const withBegin = (counter: Counter, text: string): Band => {
  const count = counter.count(text, { special: true })
  const { addsBegin, begin } = counter
  const isMissing = addsBegin && begin !== undefined && !text.startsWith(begin)
  const low = count + (isMissing ? 1 : 0)
  return { low, high: begin === undefined || isMissing ? low : low + 1 }
}

const input = (counter: Counter, template: ChatTemplate | undefined, prompt: Prompts.Prompt): Band => {
  if (prompt._tag === "Texts") {
    let [low, high] = [prompt.tokens, prompt.tokens]
    for (const text of prompt.texts) {
      const count = counter.count(text, { special: true })
      low += count
      // Servers add a beginning, an end, or both.
      high += count + 2
    }
    return { low, high: prompt.isOpen ? undefined : high }
  }
  if (template === undefined) return UNKNOWN
  const text = template.render(prompt.chat, { open: true })
  if (Result.isFailure(text)) return UNKNOWN
  const band = withBegin(counter, text.success)
  const isWhole = !prompt.isOpen && prompt.media === 0 && (prompt.chat.tools.length === 0 || template.takesTools)
  if (!isWhole || band.high === undefined) return { low: band.low, high: undefined }
  const slack = prompt.isTranslated ? prompt.chat.messages.length * TRANSLATED_TOKENS : 0
  return { low: Math.max(0, band.low - slack), high: band.high + slack }
}

/**
 * Counts one exchange. Pure. Whatever cannot be counted has no upper bound, so that nothing is lowered for it.
 *
 * @category rules
 * @since 0.1.0
 */
export const count = (counter: Counter, template: ChatTemplate | undefined, exchanged: Exchanged): Counted => {
  const prompt = Prompts.read(exchanged.endpoint, exchanged.request)
  return {
    input: prompt === undefined ? UNKNOWN : input(counter, template, prompt),
    output: output(counter, template, prompt, exchanged),
  }
}
