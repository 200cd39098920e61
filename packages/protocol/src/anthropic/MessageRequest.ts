/**
 * The request of `POST /v1/messages`: typed where the market touches it, everything else passes through.
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Inspection } from "../internal/Inspection.ts"
import { get } from "../internal/Json.ts"
import { MediaCount, ofMessages } from "../internal/Media.ts"
import * as Touching from "../internal/Touching.ts"
import type { Flaw, Touched } from "../openai/Touched.ts"

const Rest = [Schema.Record(Schema.String, Schema.Unknown)] as const

/**
 * The members that the market reads.
 *
 * @category models
 * @since 0.1.0
 */
export const MessageRequest = Schema.StructWithRest(
  Schema.Struct({
    model: Schema.NonEmptyString,
    messages: Schema.Array(
      Schema.StructWithRest(
        Schema.Struct({
          role: Schema.Literals(["user", "assistant", "system"]),
          content: Schema.Union([Schema.String, Schema.Array(Schema.Record(Schema.String, Schema.Unknown))]),
        }),
        Rest,
      ),
    ),
    max_tokens: Schema.optionalKey(Schema.Int),
    system: Schema.optionalKey(
      Schema.Union([Schema.String, Schema.Array(Schema.Record(Schema.String, Schema.Unknown))]),
    ),
    stream: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
  }),
  Rest,
)
/** @since 0.1.0 */
export type MessageRequest = typeof MessageRequest.Type

/** The members that limit how many tokens are generated. @category constants @since 0.1.0 */
export const limits = ["max_tokens"] as const

/**
 * Reads the members that the market touches from parsed JSON.
 *
 * **Example** (A stream)
 *
 * ```ts
 * import { MessageRequest } from "@guildhall/protocol/anthropic"
 * import { Result } from "effect"
 *
 * const body = { model: "m", max_tokens: 100, messages: [{ role: "user", content: "Hi" }], stream: true }
 * Result.getOrThrow(MessageRequest.touch(body)).maxTokens // => 100
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const touch = (body: unknown): Result.Result<Touched, Flaw> => {
  const inspection = new Inspection()
  const media = new MediaCount()
  const model = Touching.model(inspection, body, "`model`, `max_tokens` and `messages`")
  const messages = Touching.objects(inspection, body, "messages", "message")
  for (const message of messages) ofMessages(media, get(message, "content"))
  return inspection.conclude({
    model,
    messages,
    stream: Touching.flag(inspection, body, "stream"),
    includeUsage: true,
    maxTokens: Touching.maxTokens(inspection, body, limits),
    choices: 1,
    media,
    images: 0,
    audioBytes: 0,
  })
}
