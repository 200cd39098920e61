/**
 * The request of `POST /v1/chat/completions`: typed where the market touches it, everything else passes through.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"

const Tokens = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 })))

/**
 * The members that the market reads. Others are allowed and reach the provider as they were written.
 *
 * @category models
 * @since 0.1.0
 */
export const ChatRequest = Schema.StructWithRest(
  Schema.Struct({
    model: Schema.NonEmptyString,
    messages: Schema.Array(Schema.Record(Schema.String, Schema.Unknown)),
    stream: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
    stream_options: Schema.optionalKey(
      Schema.NullOr(Schema.Struct({ include_usage: Schema.optionalKey(Schema.NullOr(Schema.Boolean)) })),
    ),
    max_tokens: Schema.optionalKey(Schema.NullOr(Tokens)),
    max_completion_tokens: Schema.optionalKey(Schema.NullOr(Tokens)),
    n: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  }),
  [Schema.Record(Schema.String, Schema.Unknown)],
)
/** @since 0.1.0 */
export type ChatRequest = typeof ChatRequest.Type

/**
 * What the market needs to know of a request. `maxTokens` is the smaller of the two limits that a client may set.
 *
 * @category models
 * @since 0.1.0
 */
export interface Touched {
  readonly model: string
  readonly messages: ReadonlyArray<unknown>
  readonly stream: boolean
  readonly includeUsage: boolean
  readonly maxTokens: number | undefined
  readonly choices: number
}

/**
 * What is wrong with a request, and which member it is.
 *
 * @category models
 * @since 0.1.0
 */
export interface Flaw {
  readonly param: string | null
  readonly message: string
}

const flaw = (param: string | null, message: string) => Result.fail<Flaw>({ param, message })
const get = (value: object, key: string): unknown => (Object.hasOwn(value, key) ? Reflect.get(value, key) : undefined)
const isAbsent = (value: unknown): value is null | undefined => value === undefined || value === null
const isCount = (value: unknown, maximum: number): value is number =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 1 && value <= maximum

/** As many answers as OpenAI gives to one request. */
const CHOICES_MAX = 128

/**
 * Reads the members that the market touches from parsed JSON. It agrees with {@link ChatRequest}, and is written by
 * hand because it runs on the request path and says in one sentence what is wrong.
 *
 * **Example** (A request without messages)
 *
 * ```ts
 * import { ChatRequest } from "@guildhall/protocol/openai"
 * import { Result } from "effect"
 *
 * Result.isFailure(ChatRequest.touch({ model: "m" })) // => true
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const touch = (body: unknown): Result.Result<Touched, Flaw> => {
  if (typeof body !== "object" || body === null || Array.isArray(body)) {
    return flaw(null, "The body must be a JSON object with `model` and `messages`.")
  }
  const model = get(body, "model")
  if (typeof model !== "string" || model === "") return flaw("model", "`model` must be the name of a model.")
  const messages = get(body, "messages")
  if (!Array.isArray(messages) || messages.length === 0) {
    return flaw("messages", "`messages` must be a list with at least one message.")
  }
  if (messages.some((message) => typeof message !== "object" || message === null || Array.isArray(message))) {
    return flaw("messages", "Each of `messages` must be an object with a role.")
  }
  const stream = get(body, "stream")
  if (!isAbsent(stream) && typeof stream !== "boolean") return flaw("stream", "`stream` must be true or false.")
  const options = get(body, "stream_options")
  if (!isAbsent(options) && (typeof options !== "object" || Array.isArray(options))) {
    return flaw("stream_options", "`stream_options` must be an object.")
  }
  const includeUsage = isAbsent(options) ? undefined : get(options, "include_usage")
  if (!isAbsent(includeUsage) && typeof includeUsage !== "boolean") {
    return flaw("stream_options.include_usage", "`include_usage` must be true or false.")
  }
  let maxTokens: number | undefined
  for (const param of ["max_tokens", "max_completion_tokens"]) {
    const limit = get(body, param)
    if (isAbsent(limit)) continue
    if (!isCount(limit, 1_000_000_000)) return flaw(param, `\`${param}\` must be a whole number of at least 1.`)
    maxTokens = maxTokens === undefined ? limit : Math.min(maxTokens, limit)
  }
  const n = get(body, "n")
  if (!isAbsent(n) && !isCount(n, CHOICES_MAX)) {
    return flaw("n", `\`n\` must be a whole number from 1 to ${CHOICES_MAX}.`)
  }
  return Result.succeed({
    model,
    messages,
    stream: stream === true,
    includeUsage: includeUsage === true,
    maxTokens,
    choices: isAbsent(n) ? 1 : n,
  })
}
