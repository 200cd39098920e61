/**
 * What a request asks a model to read.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import type { Dialect, Endpoint } from "@guildhall/core/Endpoint"
import * as Dialects from "@guildhall/protocol/conversation/Dialects"
import * as Json from "../internal/Json.ts"
import type { Chat } from "./ChatTemplate.ts"

/**
 * What is read: a conversation, or plain texts of which some may come as tokens already. `media` counts images, sounds
 * and files, whose tokens are the model's own affair; `stops` are the texts at which the answer was to end. A translated
 * conversation was written for an instance that speaks Responses or Messages; how its server hands it to the template
 * is not told. An open prompt has members which servers turn into text in ways of their own.
 *
 * @category models
 * @since 0.1.0
 */
export type Prompt =
  | {
      readonly _tag: "Chat"
      readonly chat: Chat
      readonly media: number
      readonly stops: ReadonlyArray<string>
      readonly isTranslated: boolean
      readonly isOpen: boolean
    }
  | {
      readonly _tag: "Texts"
      readonly texts: ReadonlyArray<string>
      readonly tokens: number
      readonly stops: ReadonlyArray<string>
      readonly isOpen: boolean
    }

const listOf = (value: unknown): ReadonlyArray<unknown> => (Array.isArray(value) ? value : [])

const settingsOf = (body: unknown): Readonly<Record<string, unknown>> => {
  const effort = Json.get(body, "reasoning_effort")
  const given = Json.get(body, "chat_template_kwargs")
  return {
    ...(typeof effort === "string" ? { reasoning_effort: effort } : {}),
    ...(typeof given === "object" && given !== null ? Object.fromEntries(Object.entries(given)) : {}),
  }
}

const stopsOf = (body: unknown): ReadonlyArray<string> => {
  const stop = Json.get(body, "stop")
  return (Array.isArray(stop) ? stop : [stop]).filter((text) => typeof text === "string")
}

/** Parts that are not text. */
const mediaOf = (messages: ReadonlyArray<unknown>): number =>
  messages
    .flatMap((message) => listOf(Json.get(message, "content")))
    .filter((part) => typeof Json.get(part, "text") !== "string" && typeof Json.get(part, "refusal") !== "string")
    .length

/** Members that add to what a model reads. */
const OPENING = ["functions", "documents", "chat_template", "suffix"] as const

const isOpen = (body: unknown): boolean =>
  OPENING.some((key) => (Json.get(body, key) ?? null) !== null) ||
  Json.get(Json.get(body, "response_format"), "type") === "json_schema"

/** A prompt is a text, tokens, or a list of either. */
const texts = (given: unknown, body: unknown): Prompt => {
  const items = typeof given === "string" ? [given] : listOf(given)
  const isToken = (item: unknown): item is number => typeof item === "number"
  const lists = items.filter((item) => Array.isArray(item))
  return {
    _tag: "Texts",
    texts: items.filter((item) => typeof item === "string"),
    tokens: items.filter(isToken).length + lists.reduce<number>((sum, list) => sum + list.length, 0),
    stops: stopsOf(body),
    isOpen: items.length === 0 || isOpen(body),
  }
}

const chat = (body: unknown, isTranslated: boolean): Prompt => {
  const messages = listOf(Json.get(body, "messages"))
  return {
    _tag: "Chat",
    chat: {
      messages,
      tools: listOf(Json.get(body, "tools")),
      settings: settingsOf(body),
    },
    media: mediaOf(messages),
    stops: stopsOf(body),
    isTranslated,
    isOpen: isOpen(body),
  }
}

/** A conversation in another dialect, as Chat has it. */
const translated = (dialect: Dialect, text: string): Prompt | undefined => {
  const conversation = Dialects.of(dialect).readRequest(text)
  const written = Result.flatMap(conversation, (asked) =>
    Dialects.chat.writeRequest(asked, { model: "model", maxTokens: undefined }),
  )
  return Result.isFailure(written) ? undefined : chat(Json.parse(written.success), true)
}

/**
 * The prompt of a request's body; `undefined` where the body or its endpoint cannot be read.
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = (endpoint: Endpoint, bytes: Uint8Array): Prompt | undefined => {
  const text = new TextDecoder().decode(bytes)
  const body = Json.parse(text)
  if (typeof body !== "object" || body === null) return undefined
  switch (endpoint) {
    case "chat/completions":
      return chat(body, false)
    case "messages":
    case "responses":
      return translated(endpoint, text)
    case "completions":
      return texts(Json.get(body, "prompt"), body)
    case "embeddings":
      return texts(Json.get(body, "input"), body)
    default:
      return undefined
  }
}
