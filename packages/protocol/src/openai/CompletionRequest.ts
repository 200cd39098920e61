/**
 * The request of `POST /v1/completions`: a text to go on with. Typed where the market touches it, the rest passes
 * through.
 *
 * @since 0.1.0
 */
import type * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Inspection } from "../internal/Inspection.ts"
import { get, isAbsent } from "../internal/Json.ts"
import * as Touching from "../internal/Touching.ts"
import * as Prompts from "../internal/Prompts.ts"
import type { Flaw, Touched } from "./Touched.ts"

/**
 * The members that the market reads. A prompt is a text, a list of texts, or either of them as tokens.
 *
 * @category models
 * @since 0.1.0
 */
export const CompletionRequest = Schema.StructWithRest(
  Schema.Struct({
    model: Schema.NonEmptyString,
    prompt: Prompts.Prompt,
    stream: Schema.optionalKey(Schema.NullOr(Schema.Boolean)),
    max_tokens: Schema.optionalKey(Schema.NullOr(Schema.Int)),
    n: Schema.optionalKey(Schema.NullOr(Schema.Int)),
    best_of: Schema.optionalKey(Schema.NullOr(Schema.Int)),
  }),
  [Schema.Record(Schema.String, Schema.Unknown)],
)
/** @since 0.1.0 */
export type CompletionRequest = typeof CompletionRequest.Type

/** The members that limit how many tokens are generated. @category constants @since 0.1.0 */
export const limits = ["max_tokens"] as const

const CHOICES_MAX = 128

/**
 * Reads the members that the market touches from parsed JSON. Each of several prompts is answered `n` times, and
 * `best_of` answers are generated for each where that is more.
 *
 * **Example** (Two prompts, three answers to each)
 *
 * ```ts
 * import { CompletionRequest } from "@guildhall/protocol/openai"
 * import { Result } from "effect"
 *
 * Result.getOrThrow(CompletionRequest.touch({ model: "m", prompt: ["a", "b"], n: 3 })).choices // => 6
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const touch = (body: unknown): Result.Result<Touched, Flaw> => {
  const inspection = new Inspection()
  const model = Touching.model(inspection, body, "`model` and `prompt`")
  const messages = Prompts.read(inspection, body, "prompt")
  const n = Touching.copies(inspection, body, "n", CHOICES_MAX)
  const best = Touching.copies(inspection, body, "best_of", CHOICES_MAX)
  const suffix = get(body, "suffix")
  if (!isAbsent(suffix) && typeof suffix !== "string") inspection.invalid("suffix", "`suffix` must be a text.")
  return inspection.conclude({
    model,
    messages,
    stream: Touching.flag(inspection, body, "stream"),
    includeUsage: Touching.includeUsage(inspection, body),
    maxTokens: Touching.maxTokens(inspection, body, limits),
    choices: Math.max(n, best) * Math.max(messages.length, 1),
    media: Touching.noMedia,
    images: 0,
    audioBytes: 0,
  })
}
