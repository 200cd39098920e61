/**
 * The counts of tokens that an answer of `POST /v1/messages` reports.
 *
 * @since 0.1.0
 */
import type { Usage } from "@guildhall/core/Usage"
import * as Schema from "effect/Schema"
import type { TokenUsage } from "../conversation/Answer.ts"
import { count, get } from "../internal/Json.ts"

const Count = Schema.optionalKey(Schema.NullOr(Schema.Int))

/**
 * A `usage` object. `input_tokens` are those that the cache was neither read nor written for.
 *
 * @category models
 * @since 0.1.0
 */
export const MessageUsage = Schema.StructWithRest(
  Schema.Struct({
    input_tokens: Count,
    output_tokens: Schema.Int,
    cache_read_input_tokens: Count,
    cache_creation_input_tokens: Count,
  }),
  [Schema.Record(Schema.String, Schema.Unknown)],
)
/** @since 0.1.0 */
export type MessageUsage = typeof MessageUsage.Type

/**
 * Reads a `usage` value that was already parsed, after what came `before` it: a stream says the input's counts at its
 * start and the output's at its end, and a later count takes the place of an earlier one.
 *
 * @category decoding
 * @since 0.1.0
 */
export const readTokens = (usage: unknown, before?: TokenUsage): TokenUsage | undefined => {
  const fresh = count(usage, "input_tokens")
  const output = count(usage, "output_tokens")
  if (fresh === undefined && output === undefined) return before
  const cached = count(usage, "cache_read_input_tokens") ?? before?.cached ?? 0
  const cacheWrite = count(usage, "cache_creation_input_tokens") ?? before?.cacheWrite ?? 0
  const freshBefore = before === undefined ? 0 : before.input - before.cached - before.cacheWrite
  return {
    input: (fresh ?? freshBefore) + cached + cacheWrite,
    cached,
    cacheWrite,
    output: output ?? before?.output ?? 0,
    reasoning: count(get(usage, "output_tokens_details"), "thinking_tokens") ?? before?.reasoning ?? 0,
  }
}

/**
 * Reads the usage of a parsed answer, or of one event of a stream after what came `before` it. Tokens written to the
 * cache count as input. What a stream's first event says of its output is not read: nothing has been written by then.
 *
 * **Example** (Two events)
 *
 * ```ts
 * import { MessageUsage } from "@guildhall/protocol/anthropic"
 *
 * const start = MessageUsage.read({ message: { usage: { input_tokens: 6, cache_read_input_tokens: 4, output_tokens: 1 } } })
 * MessageUsage.read({ type: "message_delta", usage: { output_tokens: 3 } }, start)
 * // => { inputToken: 6, cachedInputToken: 4, outputToken: 3 }
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const read = (json: unknown, before?: Usage): Usage | undefined => {
  const own = get(json, "usage")
  const usage = own ?? get(get(json, "message"), "usage")
  const fresh = count(usage, "input_tokens")
  const output = count(own, "output_tokens") ?? before?.outputToken
  if (fresh === undefined && output === before?.outputToken) return before
  const input = fresh === undefined ? before?.inputToken : fresh + (count(usage, "cache_creation_input_tokens") ?? 0)
  const cached = count(usage, "cache_read_input_tokens") ?? before?.cachedInputToken ?? 0
  return {
    inputToken: input ?? 0,
    ...(cached === 0 ? {} : { cachedInputToken: cached }),
    ...(output === undefined ? {} : { outputToken: output }),
  }
}
