/**
 * The request of `POST /v1/chat/completions`: typed where the market touches it, everything else passes through.
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Inspection } from "../internal/Inspection.ts"
import { get } from "../internal/Json.ts"
import { MediaCount, ofChat } from "../internal/Media.ts"
import * as Touching from "../internal/Touching.ts"
import type { Flaw, Touched } from "./Touched.ts"

export type { Flaw, Touched } from "./Touched.ts"

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
 * The members that limit how many tokens are generated. The first is the one that every server knows.
 *
 * @category constants
 * @since 0.1.0
 */
export const limits = ["max_tokens", "max_completion_tokens"] as const

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
  const inspection = new Inspection()
  const model = Touching.model(inspection, body, "`model` and `messages`")
  const messages = Touching.objects(inspection, body, "messages", "message")
  const media = new MediaCount()
  for (const message of messages) ofChat(media, get(message, "content"))
  return inspection.conclude({
    model,
    messages,
    stream: Touching.flag(inspection, body, "stream"),
    includeUsage: Touching.includeUsage(inspection, body),
    maxTokens: Touching.maxTokens(inspection, body, limits),
    choices: Touching.copies(inspection, body, "n", CHOICES_MAX),
    media,
    images: 0,
    audioBytes: 0,
  })
}
