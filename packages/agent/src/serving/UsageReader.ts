/**
 * Reads the counts of an answer as it passes, without changing it: from the `usage` of the answer where there is one, in the
 * shape of its endpoint, else from what was seen.
 *
 * @since 0.1.0
 */
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { Endpoint } from "@guildhall/core/Endpoint"
import type { Usage } from "@guildhall/core/Usage"
import * as EndpointShape from "@guildhall/protocol/EndpointShape"

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

const parse = Schema.decodeUnknownOption(Schema.fromJsonString(Schema.Unknown))

/** Longer lines and bodies are passed on but not read. */
const MAX_HELD = 8 * 1024 * 1024
/** Images lie in the answer itself. */
const MAX_HELD_IMAGES = 64 * 1024 * 1024
/** A prompt's tokens are seldom longer than this; the count must be low rather than high. */
const BYTES_A_TOKEN = 8

/** Lines that say what was used. */
const TELLS = /"usage":\s?\{|"type":\s?"image_generation\.completed"/
/** Lines that bring tokens. Servers send a token or more with each, so their number never exceeds that of the tokens. */
const DELTAS: Partial<Readonly<Record<Endpoint, RegExp>>> = {
  "chat/completions": /"(content|reasoning_content|reasoning|arguments)":\s?"[^"]/,
  completions: /"text":\s?"[^"]/,
  responses: /"type":\s?"response\.[a-z_.]+\.delta"/,
  messages: /"type":\s?"content_block_delta"/,
}

/**
 * Makes a reader. `requestBytes` bounds the prompt of an answer that ended before its counts came.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: {
  readonly endpoint: Endpoint
  readonly stream: boolean
  readonly requestBytes: number
}): UsageReader => {
  const { endpoint, stream } = options
  const decoder = new TextDecoder()
  const shape = EndpointShape.of(endpoint)
  const isDelta = DELTAS[endpoint]
  const mostHeld = endpoint === "images/generations" ? MAX_HELD_IMAGES : MAX_HELD
  let reported: Usage | undefined
  let held = ""
  let deltas = 0

  const told = (json: string): Usage | undefined =>
    Option.match(parse(json), {
      onNone: () => reported,
      onSome: (value) => shape.readUsage(value, reported) ?? reported,
    })

  const line = (text: string) => {
    if (!text.startsWith("data:")) return
    if (TELLS.test(text)) reported = told(text.slice(5))
    if (isDelta?.test(text) === true) deltas += 1
  }

  /** What was seen, where the answer ended before it told of it. */
  const seen = (): Usage =>
    deltas === 0 ? {} : { inputToken: Math.floor(options.requestBytes / BYTES_A_TOKEN), outputToken: deltas }

  return {
    read: (chunk) => {
      if (held.length < mostHeld) held += decoder.decode(chunk, { stream: true })
      if (!stream) return
      let from = 0
      for (let end = held.indexOf("\n"); end >= 0; end = held.indexOf("\n", from)) {
        line(held.slice(from, end))
        from = end + 1
      }
      held = held.slice(from)
    },
    usage: () => ({ ...seen(), ...(stream ? reported : told(held)) }),
  }
}
