/**
 * Applies a model's chat template: messages and tools become the text that the model reads.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import { Template } from "@huggingface/jinja"
import * as Json from "../internal/Json.ts"

/**
 * A conversation as a Chat Completions request has it. `settings` are further variables that the client gives the
 * template.
 *
 * @category models
 * @since 0.1.0
 */
export interface Chat {
  readonly messages: ReadonlyArray<unknown>
  readonly tools: ReadonlyArray<unknown>
  readonly settings: Readonly<Record<string, unknown>>
}

/**
 * A template, ready for use. `render` gives the text up to where the model's answer begins; with `open` false, up to the
 * end of the last message.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChatTemplate {
  readonly render: (chat: Chat, options: { readonly open: boolean }) => Result.Result<string, string>
  /** Whether the template has a place for tools; a server that is given some anyway writes them in a way of its own. */
  readonly takesTools: boolean
}

const sentence = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause)).slice(0, 300)

const isPlainObject = (value: unknown): value is Record<string, unknown> =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** Templates expect the arguments of a call as an object; requests carry them as JSON text. */
const withArguments = (call: unknown): unknown => {
  const named = Json.get(call, "function")
  const written = Json.get(named, "arguments")
  const parsed = typeof written === "string" ? Json.parse(written) : undefined
  if (!isPlainObject(call) || !isPlainObject(named) || !isPlainObject(parsed)) return call
  return { ...call, function: { ...named, arguments: parsed } }
}

/** A list of texts is one text for templates that know no parts. Media stay as they are. */
const textOf = (content: unknown): unknown => {
  if (!Array.isArray(content)) return content
  const texts = content.map((part) => Json.get(part, "text"))
  return texts.every((text) => typeof text === "string") ? texts.join("\n") : content
}

const readable = (message: unknown): unknown => {
  if (!isPlainObject(message)) return message
  const calls = message["tool_calls"]
  return {
    ...message,
    content: textOf(message["content"]),
    ...(Array.isArray(calls) ? { tool_calls: calls.map(withArguments) } : {}),
  }
}

/** The names by which a template is given what the request does not say. */
const RESERVED = new Set(["messages", "tools", "add_generation_prompt", "bos_token", "eos_token"])

/**
 * Makes a template of its text, or says why it cannot be read. `begin` and `end` are the texts of the tokens for the
 * beginning and the end of a text.
 *
 * **Example** (One message)
 *
 * ```ts
 * import * as ChatTemplate from "@guildhall/gateway/tokens/ChatTemplate"
 * import { Result } from "effect"
 *
 * const template = ChatTemplate.make("{{ bos_token }}{{ messages[0].content }}", { begin: "<s>", end: "</s>" })
 * const chat = { messages: [{ role: "user", content: "Hello" }], tools: [], settings: {} }
 * Result.getOrThrow(Result.getOrThrow(template).render(chat, { open: true })) // => "<s>Hello"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  text: string,
  tokens: { readonly begin: string | undefined; readonly end: string | undefined },
): Result.Result<ChatTemplate, string> =>
  Result.map(Result.try({ try: () => new Template(text), catch: sentence }), (template): ChatTemplate => ({
    takesTools: /\btools\b/.test(text),
    render: ({ messages, settings, tools }, { open }) => {
      const given = Object.fromEntries(Object.entries(settings).filter(([name]) => !RESERVED.has(name)))
      const variables = {
        ...given,
        messages: messages.map(readable),
        ...(tools.length === 0 ? {} : { tools }),
        add_generation_prompt: open,
        bos_token: tokens.begin ?? "",
        eos_token: tokens.end ?? "",
      }
      return Result.try({ try: () => template.render(variables), catch: sentence })
    },
  }))
