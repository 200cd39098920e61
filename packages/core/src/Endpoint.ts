/**
 * The inference endpoints of a market, by the path under `/v1/` that buyers and providers both use.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * An inference endpoint. `chat/completions`, `responses` and `messages` are the three dialects of one conversation:
 * a request in one of them can be served by an instance that speaks another.
 *
 * @category models
 * @since 0.1.0
 */
export const Endpoint = Schema.Literals([
  "chat/completions",
  "completions",
  "embeddings",
  "responses",
  "messages",
  "images/generations",
  "audio/transcriptions",
  "rerank",
])
/** @since 0.1.0 */
export type Endpoint = typeof Endpoint.Type

/**
 * What an instance speaks that declares nothing.
 *
 * @category constants
 * @since 0.1.0
 */
export const standard: ReadonlyArray<Endpoint> = ["chat/completions"]

/**
 * The dialects of a conversation, in the order in which an instance's own one is preferred for a translation.
 *
 * @category constants
 * @since 0.1.0
 */
export const dialects = ["chat/completions", "responses", "messages"] as const satisfies ReadonlyArray<Endpoint>

/**
 * A dialect of a conversation.
 *
 * @category models
 * @since 0.1.0
 */
export type Dialect = (typeof dialects)[number]
