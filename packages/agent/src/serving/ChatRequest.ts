/**
 * What an embedded engine understands of an OpenAI chat completion request. Fields that it cannot honour are refused,
 * never ignored where ignoring would change the answer's meaning.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { Endpoint } from "@guildhall/core/Endpoint"
import type { OpenAIError } from "./OpenAIError.ts"

/**
 * A message, as text.
 *
 * @category models
 * @since 0.1.0
 */
export interface Message {
  readonly role: "system" | "user" | "assistant"
  readonly text: string
}

/**
 * A request that can be served. `maxTokens` is absent where the context is the only bound.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChatRequest {
  readonly model: string
  readonly messages: ReadonlyArray<Message>
  readonly maxTokens: number | undefined
  readonly temperature: number
  readonly topP: number
  readonly seed: number | undefined
  readonly stop: ReadonlyArray<string>
  readonly stream: boolean
  readonly includeUsage: boolean
}

/**
 * The members of a request, beyond the basic ones, that an embedded engine understands.
 *
 * @category constants
 * @since 0.1.0
 */
export const parameters: ReadonlyArray<string> = ["temperature", "top_p", "seed", "stop"]

/**
 * The endpoint that an embedded engine answers.
 *
 * @category constants
 * @since 0.1.0
 */
export const endpoints: ReadonlyArray<Endpoint> = ["chat/completions"]

/**
 * What an embedded engine says to a request of another endpoint.
 *
 * @category constants
 * @since 0.1.0
 */
export const OTHER_ENDPOINT: OpenAIError = {
  status: 404,
  code: "not_found",
  message: "This engine answers POST /v1/chat/completions and no other endpoint.",
}

/**
 * Whether a path is the endpoint's.
 *
 * @category rules
 * @since 0.1.0
 */
export const isPath = (path: string): boolean => path === "/v1/chat/completions"

const Part = Schema.Struct({ type: Schema.String, text: Schema.optional(Schema.String) })
const optional = <S extends Schema.Top>(schema: S) => Schema.optional(Schema.NullOr(schema))
const between = (minimum: number, maximum: number) =>
  Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum, maximum })))
const Tokens = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000_000 })))

const Body = Schema.Struct({
  model: Schema.String,
  messages: Schema.Array(
    Schema.Struct({
      role: Schema.Literals(["system", "developer", "user", "assistant"]),
      content: optional(Schema.Union([Schema.String, Schema.Array(Part)])),
    }),
  ).pipe(Schema.check(Schema.isMinLength(1))),
  max_tokens: optional(Tokens),
  max_completion_tokens: optional(Tokens),
  temperature: optional(between(0, 2)),
  top_p: optional(between(0, 1)),
  seed: optional(Schema.Int),
  stop: optional(Schema.Union([Schema.String, Schema.Array(Schema.String).pipe(Schema.check(Schema.isMaxLength(16)))])),
  stream: optional(Schema.Boolean),
  stream_options: optional(Schema.Struct({ include_usage: optional(Schema.Boolean) })),
  n: optional(Schema.Int),
  logprobs: optional(Schema.Boolean),
  tools: optional(Schema.Array(Schema.Unknown)),
  response_format: optional(Schema.Struct({ type: Schema.String })),
})

const decode = Schema.decodeUnknownResult(Body)
const parseJson = Schema.decodeUnknownResult(Schema.fromJsonString(Schema.Unknown))

const refuse = (code: "invalid_json" | "invalid_request", message: string) =>
  Result.fail<OpenAIError>({ status: 400, code, message })

/** What the body asks for that an embedded engine does not do. */
const unsupported = (body: typeof Body.Type): string | undefined => {
  if ((body.n ?? 1) !== 1) return `"n" is ${body.n}, but this model gives one answer for each request. Send n: 1.`
  if (body.logprobs === true) return "This model does not report log-probabilities. Leave out logprobs."
  if ((body.tools ?? []).length > 0) return "This model does not call tools. Leave out tools."
  if ((body.response_format?.type ?? "text") !== "text") return "This model answers in plain text only."
  const parts = body.messages.flatMap((message) => (typeof message.content === "object" ? (message.content ?? []) : []))
  return parts.some((part) => part.type !== "text") ? "This model reads text only." : undefined
}

const toText = (content: (typeof Body.Type)["messages"][number]["content"]): string =>
  typeof content === "string" ? content : (content ?? []).map((part) => part.text ?? "").join("")

/**
 * Reads a request's body.
 *
 * @category parsing
 * @since 0.1.0
 */
export const parse = (bytes: Uint8Array): Result.Result<ChatRequest, OpenAIError> => {
  const json = parseJson(new TextDecoder().decode(bytes))
  if (Result.isFailure(json)) return refuse("invalid_json", "The body is not valid JSON.")
  const decoded = decode(json.success)
  if (Result.isFailure(decoded)) {
    return refuse("invalid_request", `The body is not a chat completion request: ${decoded.failure.message}`)
  }
  const body = decoded.success
  const reason = unsupported(body)
  if (reason !== undefined) return refuse("invalid_request", reason)
  return Result.succeed({
    model: body.model,
    messages: body.messages.map((message) => ({
      role: message.role === "developer" ? "system" : message.role,
      text: toText(message.content),
    })),
    maxTokens: body.max_completion_tokens ?? body.max_tokens ?? undefined,
    temperature: body.temperature ?? 1,
    topP: body.top_p ?? 1,
    seed: body.seed ?? undefined,
    stop: typeof body.stop === "string" ? [body.stop] : (body.stop ?? []).filter((text) => text !== ""),
    stream: body.stream ?? false,
    includeUsage: body.stream_options?.include_usage ?? false,
  })
}
