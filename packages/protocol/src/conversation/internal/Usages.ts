/** The counts of tokens, as each dialect writes them. */
import { count, get } from "../../internal/Json.ts"
import type { TokenUsage } from "../Answer.ts"
import type { Additions } from "../Dialect.ts"

/** What a provider did not say is nothing. */
export const none: TokenUsage = { input: 0, cached: 0, cacheWrite: 0, output: 0, reasoning: 0 }

export const readChat = (usage: unknown): TokenUsage | undefined => {
  const input = count(usage, "prompt_tokens")
  const output = count(usage, "completion_tokens")
  if (input === undefined || output === undefined) return undefined
  const details = get(usage, "prompt_tokens_details")
  return {
    input,
    cached: Math.min(count(details, "cached_tokens") ?? 0, input),
    cacheWrite: count(details, "cache_write_tokens") ?? 0,
    output,
    reasoning: count(get(usage, "completion_tokens_details"), "reasoning_tokens") ?? 0,
  }
}

export const chat = (usage: TokenUsage, additions: Additions["usage"]) => ({
  prompt_tokens: usage.input,
  completion_tokens: usage.output,
  total_tokens: usage.input + usage.output,
  prompt_tokens_details: {
    cached_tokens: usage.cached,
    ...(usage.cacheWrite === 0 ? {} : { cache_write_tokens: usage.cacheWrite }),
  },
  completion_tokens_details: { reasoning_tokens: usage.reasoning },
  ...additions,
})

export const responses = (usage: TokenUsage, additions: Additions["usage"]) => ({
  input_tokens: usage.input,
  input_tokens_details: { cached_tokens: usage.cached, cache_write_tokens: usage.cacheWrite },
  output_tokens: usage.output,
  output_tokens_details: { reasoning_tokens: usage.reasoning },
  total_tokens: usage.input + usage.output,
  ...additions,
})

/** Here what the cache was read or written for does not count as input. The end of a stream says only these. */
export const messagesEnd = (usage: TokenUsage, additions: Additions["usage"]) => ({
  input_tokens: Math.max(usage.input - usage.cached - usage.cacheWrite, 0),
  cache_creation_input_tokens: usage.cacheWrite,
  cache_read_input_tokens: usage.cached,
  output_tokens: usage.output,
  output_tokens_details: { thinking_tokens: usage.reasoning },
  server_tool_use: null,
  ...additions,
})

export const messages = (usage: TokenUsage, additions: Additions["usage"]) => ({
  ...messagesEnd(usage, undefined),
  cache_creation: null,
  inference_geo: null,
  service_tier: null,
  speed: null,
  ...additions,
})
