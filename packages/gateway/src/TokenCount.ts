/**
 * The exact count of a request's tokens, with the tokenizer and the chat template that a catalogue names by digest. It
 * is made off the request's path, after the answer, and can only ever lower a charge. This is the port; the layer here
 * knows no tokenizer and says so.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { ModelId } from "@guildhall/core/Model"
import type { Usage } from "@guildhall/core/Usage"

/**
 * What is to be counted: the request's body, and the text of the model's output, which leave the gateway's memory with
 * the call. The digests are SHA-256, in hexadecimal, of the tokenizer's and the template's files.
 *
 * @category models
 * @since 0.1.0
 */
export interface CountRequest {
  readonly model: ModelId
  readonly tokenizerDigest: string
  readonly templateDigest: string
  readonly request: string
  readonly output: string
}

/**
 * Why there is no count. `NotAvailable`: this process has no tokenizer with that digest. `Malformed`: the template
 * cannot be applied to the request.
 *
 * @category errors
 * @since 0.1.0
 */
export class TokenCountError extends Schema.TaggedError<TokenCountError>()("TokenCountError", {
  reason: Schema.Literals(["NotAvailable", "Malformed"]),
  detail: Schema.String,
}) {
  readonly isRetryable = false
  override get message(): string {
    return this.reason === "NotAvailable"
      ? `The exact count is not available. ${this.detail} The charge stays as the meter made it.`
      : `The request cannot be counted. ${this.detail} The charge stays as the meter made it.`
  }
}

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class TokenCount extends Context.Service<
  TokenCount,
  {
    /** Counts prompt and output, as the model's own tokenizer does. */
    readonly countExact: (request: CountRequest) => Effect.Effect<Usage, TokenCountError>
  }
>()("@guildhall/gateway/TokenCount") {}

/**
 * The layer that has no tokenizer: every count is `NotAvailable`.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerNone: Layer.Layer<TokenCount> = Layer.succeed(
  TokenCount,
  TokenCount.of({
    countExact: ({ model }) =>
      Effect.fail(new TokenCountError({ reason: "NotAvailable", detail: `No tokenizer is installed for ${model}.` })),
  }),
)
