/**
 * A request for the next turn of a conversation, in no dialect: what Chat, Responses and Messages are translated from
 * and to. It holds what at least two of them can say; what only one knows, a reader refuses or lists as unknown.
 *
 * @since 0.1.0
 */
import type { Dialect } from "@guildhall/core/Endpoint"

/**
 * A JSON value as it was parsed. A number that JavaScript cannot hold exactly is a `JSON.rawJSON` object, so that it is
 * written again digit by digit.
 *
 * @category models
 * @since 0.1.0
 */
export type Json = unknown

/**
 * Where media comes from: an address, or the bytes in base64.
 *
 * @category models
 * @since 0.1.0
 */
export type Source =
  | { readonly _tag: "Url"; readonly url: string }
  | { readonly _tag: "Data"; readonly mediaType: string; readonly data: string }

/** @category models @since 0.1.0 */
export interface TextPart {
  readonly type: "text"
  readonly text: string
  /** How likely each token of the text was, where that was asked for. */
  readonly logprobs?: ReadonlyArray<Logprob> | undefined
}

/**
 * How likely a token was, and its alternatives, in OpenAI's shape. `bytes` are those of its text in UTF-8.
 *
 * @category models
 * @since 0.1.0
 */
export interface Logprob {
  readonly token: string
  readonly bytes: ReadonlyArray<number> | null
  readonly logprob: number
  readonly top_logprobs: ReadonlyArray<Omit<Logprob, "top_logprobs">>
}

/** An image. `detail` is OpenAI's hint of how closely to look. @category models @since 0.1.0 */
export interface ImagePart {
  readonly type: "image"
  readonly source: Source
  readonly detail?: string | undefined
}

/** A recording, in base64; `format` is `wav` or `mp3`. @category models @since 0.1.0 */
export interface AudioPart {
  readonly type: "audio"
  readonly data: string
  readonly format: string
}

/** A document. @category models @since 0.1.0 */
export interface FilePart {
  readonly type: "file"
  readonly source: Source
  readonly filename?: string | undefined
}

/**
 * A call of a tool. `arguments` is the exact text that the model wrote, JSON for a function and free text for a custom
 * tool; it may be broken JSON.
 *
 * @category models
 * @since 0.1.0
 */
export interface ToolCallPart {
  readonly type: "toolCall"
  readonly kind: "function" | "custom"
  readonly id: string
  readonly name: string
  readonly arguments: string
}

/**
 * What the model thought. `signature` is what its server needs to recognise it; of a redacted thought nothing else is
 * there.
 *
 * @category models
 * @since 0.1.0
 */
export interface ReasoningPart {
  readonly type: "reasoning"
  readonly text: string
  readonly signature?: string | undefined
  readonly redacted?: boolean | undefined
}

/** Why the model would not answer, in its words. @category models @since 0.1.0 */
export interface RefusalPart {
  readonly type: "refusal"
  readonly text: string
}

/** What a user says. @category models @since 0.1.0 */
export type UserPart = TextPart | ImagePart | AudioPart | FilePart
/** What a model says. @category models @since 0.1.0 */
export type AssistantPart = TextPart | RefusalPart | ReasoningPart | ToolCallPart

/**
 * One turn. A `tool` turn is the result of one call. `param` says where the turn stood in the request, for letters
 * about it.
 *
 * @category models
 * @since 0.1.0
 */
export type Turn =
  | { readonly role: "system" | "developer"; readonly parts: ReadonlyArray<TextPart>; readonly param: string }
  | { readonly role: "user"; readonly parts: ReadonlyArray<UserPart>; readonly param: string }
  | { readonly role: "assistant"; readonly parts: ReadonlyArray<AssistantPart>; readonly param: string }
  | {
      readonly role: "tool"
      readonly kind: "function" | "custom"
      readonly callId: string
      readonly parts: ReadonlyArray<UserPart>
      readonly param: string
    }

/**
 * A tool that the model may call. `parameters` is a JSON Schema; `format` of a custom tool is Responses' own.
 *
 * @category models
 * @since 0.1.0
 */
export type Tool =
  | {
      readonly kind: "function"
      readonly name: string
      readonly description?: string | undefined
      readonly parameters?: Json
      readonly strict?: boolean | undefined
    }
  | {
      readonly kind: "custom"
      readonly name: string
      readonly description?: string | undefined
      readonly format?: Json
    }

/** Which tools the model may or must call. @category models @since 0.1.0 */
export type ToolChoice =
  | { readonly type: "auto" | "none" | "required" }
  | { readonly type: "tool"; readonly kind: "function" | "custom"; readonly name: string }
  | {
      readonly type: "allowed"
      readonly mode: "auto" | "required"
      readonly tools: ReadonlyArray<{ readonly kind: "function" | "custom"; readonly name: string }>
    }

/** The shape that the answer's text must have. @category models @since 0.1.0 */
export type ResponseFormat =
  | { readonly type: "json" }
  | {
      readonly type: "schema"
      readonly name?: string | undefined
      readonly description?: string | undefined
      readonly schema: Json
      readonly strict?: boolean | undefined
    }

/**
 * How much to think: a level in OpenAI's words, or a budget in tokens where only that was said.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reasoning {
  readonly effort?: "none" | "minimal" | "low" | "medium" | "high" | "xhigh" | "max" | undefined
  readonly budgetTokens?: number | undefined
}

/**
 * Settings that only some dialects have. Those at the value that means "as if absent" (a penalty of 0) are left out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Sampling {
  readonly temperature?: Json
  readonly topP?: Json
  readonly topK?: Json
  readonly frequencyPenalty?: Json
  readonly presencePenalty?: Json
  readonly seed?: Json
  readonly logitBias?: Json
}

/**
 * A request. `dialect` is the one that it was written in, for the names of members in letters about it; `choices` is how many answers are wanted, `logprobs` how many alternatives to each token, `unknown` the
 * members of the body that no dialect but its own knows: they are not translated, and who asked that all parameters
 * count (`provider.require_parameters`) is refused because of them.
 *
 * @category models
 * @since 0.1.0
 */
export interface Conversation {
  readonly dialect: Dialect
  readonly model: string
  readonly turns: ReadonlyArray<Turn>
  readonly tools: ReadonlyArray<Tool>
  readonly toolChoice?: ToolChoice | undefined
  readonly parallelTools?: boolean | undefined
  readonly sampling: Sampling
  readonly stop: ReadonlyArray<string>
  readonly maxTokens?: number | undefined
  readonly choices: number
  readonly logprobs?: number | undefined
  readonly format?: ResponseFormat | undefined
  readonly verbosity?: string | undefined
  readonly reasoning?: Reasoning | undefined
  readonly user?: string | undefined
  readonly metadata?: Json
  readonly cacheKey?: string | undefined
  readonly stream: boolean
  readonly includeUsage: boolean
  readonly unknown: ReadonlyArray<string>
}
