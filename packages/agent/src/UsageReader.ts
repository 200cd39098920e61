/**
 * Reads the counts of tokens from an answer as it passes, without changing it: from the `usage` of the answer where there is
 * one, else from what was seen.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Usage } from "@guildhall/core/Usage"

/**
 * A reader of one answer. `read` hears every chunk in order; `usage` gives the counts known so far.
 *
 * @category models
 * @since 0.1.0
 */
export interface UsageReader {
  readonly read: (chunk: Uint8Array) => void
  readonly usage: () => Usage
}

const Count = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 })))
const Reported = Schema.Struct({
  usage: Schema.Struct({
    prompt_tokens: Count,
    completion_tokens: Count,
    prompt_tokens_details: Schema.optional(
      Schema.NullOr(Schema.Struct({ cached_tokens: Schema.optional(Schema.NullOr(Count)) })),
    ),
  }),
})
const decode = Schema.decodeUnknownOption(Schema.fromJsonString(Reported))

const parse = (json: string): Usage | undefined =>
  Option.match(decode(json), {
    onNone: () => undefined,
    onSome: ({ usage }): Usage => {
      const cached = Math.min(usage.prompt_tokens_details?.cached_tokens ?? 0, usage.prompt_tokens)
      return {
        inputToken: usage.prompt_tokens - cached,
        ...(cached > 0 ? { cachedInputToken: cached } : {}),
        outputToken: usage.completion_tokens,
      }
    },
  })

/** Longer lines and bodies are passed on but not read. */
const MAX_HELD = 8 * 1024 * 1024
/** A prompt's tokens are seldom longer than this; the count must be low rather than high. */
const BYTES_A_TOKEN = 8

/**
 * Makes a reader. `requestBytes` bounds the prompt of an answer that ended before its counts came.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: { readonly stream: boolean; readonly requestBytes: number }): UsageReader => {
  const decoder = new TextDecoder()
  let reported: Usage | undefined
  let held = ""
  let deltas = 0

  const line = (text: string) => {
    if (!text.startsWith("data:")) return
    if (text.includes('"usage":{') || text.includes('"usage": {')) reported = parse(text.slice(5)) ?? reported
    // Servers send a token or more with each delta, so their number never exceeds that of the tokens.
    if (/"(content|reasoning_content|arguments)":\s?"[^"]/.test(text)) deltas += 1
  }

  return {
    read: (chunk) => {
      if (held.length < MAX_HELD) held += decoder.decode(chunk, { stream: true })
      if (!options.stream) return
      let from = 0
      for (let end = held.indexOf("\n"); end >= 0; end = held.indexOf("\n", from)) {
        line(held.slice(from, end))
        from = end + 1
      }
      held = held.slice(from)
    },
    usage: () => {
      if (!options.stream) reported = parse(held) ?? reported
      return (
        reported ??
        (deltas > 0 ? { inputToken: Math.floor(options.requestBytes / BYTES_A_TOKEN), outputToken: deltas } : {})
      )
    },
  }
}
