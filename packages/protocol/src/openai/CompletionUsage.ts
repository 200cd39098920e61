/**
 * The counts of tokens that an OpenAI-shaped answer reports.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type { Usage } from "@guildhall/core/Usage"

const Count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 })))

/**
 * A `usage` object. `prompt_tokens` includes the cached ones; members that are not named here pass through.
 *
 * @category models
 * @since 0.1.0
 */
export const CompletionUsage = Schema.Struct({
  prompt_tokens: Count,
  completion_tokens: Count,
  total_tokens: Schema.optionalKey(Count),
  prompt_tokens_details: Schema.optionalKey(
    Schema.NullOr(Schema.Struct({ cached_tokens: Schema.optionalKey(Schema.NullOr(Count)) })),
  ),
})
/** @since 0.1.0 */
export type CompletionUsage = typeof CompletionUsage.Type

const count = (value: unknown): number | undefined =>
  typeof value === "number" && Number.isSafeInteger(value) && value >= 0 && value <= 1_000_000_000 ? value : undefined

const member = (value: unknown, key: string): unknown =>
  typeof value === "object" && value !== null ? Reflect.get(value, key) : undefined

/**
 * Reads a `usage` value that was already parsed. Answers `undefined` where it is absent, null or not what it should
 * be. It is written by hand because it runs once for each streamed answer, on the request path.
 *
 * **Example** (Cached tokens are counted apart)
 *
 * ```ts
 * import { CompletionUsage } from "@guildhall/protocol/openai"
 *
 * const usage = { prompt_tokens: 10, completion_tokens: 3, prompt_tokens_details: { cached_tokens: 4 } }
 * CompletionUsage.read(usage) // => { inputToken: 6, cachedInputToken: 4, outputToken: 3 }
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = (value: unknown): Usage | undefined => {
  const prompt = count(member(value, "prompt_tokens"))
  const completion = count(member(value, "completion_tokens"))
  if (prompt === undefined || completion === undefined) return undefined
  const cached = Math.min(count(member(member(value, "prompt_tokens_details"), "cached_tokens")) ?? 0, prompt)
  return cached === 0
    ? { inputToken: prompt, outputToken: completion }
    : { inputToken: prompt - cached, cachedInputToken: cached, outputToken: completion }
}
