/**
 * The counts of tokens that an answer of `POST /v1/responses` reports.
 *
 * @since 0.1.0
 */
import type { Usage } from "@guildhall/core/Usage"
import * as Schema from "effect/Schema"
import { type TokenUsage, toUsage } from "../conversation/Answer.ts"
import { count, get } from "../internal/Json.ts"

const Rest = [Schema.Record(Schema.String, Schema.Unknown)] as const

/**
 * A `usage` object. `input_tokens` includes the cached ones.
 *
 * @category models
 * @since 0.1.0
 */
export const ResponseUsage = Schema.StructWithRest(
  Schema.Struct({
    input_tokens: Schema.Int,
    output_tokens: Schema.Int,
    total_tokens: Schema.Int,
    input_tokens_details: Schema.optionalKey(
      Schema.NullOr(Schema.StructWithRest(Schema.Struct({ cached_tokens: Schema.optionalKey(Schema.Int) }), Rest)),
    ),
    output_tokens_details: Schema.optionalKey(
      Schema.NullOr(Schema.StructWithRest(Schema.Struct({ reasoning_tokens: Schema.optionalKey(Schema.Int) }), Rest)),
    ),
  }),
  Rest,
)
/** @since 0.1.0 */
export type ResponseUsage = typeof ResponseUsage.Type

/**
 * Reads a `usage` value that was already parsed, with its details; `undefined` where it is not what it should be.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readTokens = (usage: unknown): TokenUsage | undefined => {
  const input = count(usage, "input_tokens")
  const output = count(usage, "output_tokens")
  if (input === undefined || output === undefined) return undefined
  const details = get(usage, "input_tokens_details")
  return {
    input,
    cached: Math.min(count(details, "cached_tokens") ?? 0, input),
    cacheWrite: count(details, "cache_write_tokens") ?? 0,
    output,
    reasoning: count(get(usage, "output_tokens_details"), "reasoning_tokens") ?? 0,
  }
}

/**
 * Reads the usage of a parsed answer, or of one event of a stream; `undefined` where there is none.
 *
 * **Example** (The last event)
 *
 * ```ts
 * import { ResponseUsage } from "@guildhall/protocol/openai"
 *
 * const usage = { input_tokens: 10, output_tokens: 3, total_tokens: 13, input_tokens_details: { cached_tokens: 4 } }
 * ResponseUsage.read({ type: "response.completed", response: { usage } })
 * // => { inputToken: 6, cachedInputToken: 4, outputToken: 3 }
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = (json: unknown): Usage | undefined => {
  const tokens = readTokens(get(json, "usage") ?? get(get(json, "response"), "usage"))
  return tokens === undefined ? undefined : toUsage(tokens)
}
