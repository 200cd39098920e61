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
import type { Counted, Exchanged } from "./tokens/Counting.ts"

/**
 * What is to be counted, which leaves the gateway's memory with the call, and the digests of the tokenizer and the
 * template as the catalogue has them.
 *
 * @category models
 * @since 0.1.0
 */
export interface CountRequest extends Exchanged {
  readonly model: ModelId
  readonly tokenizerDigest: string
  readonly templateDigest: string | undefined
}

/**
 * Why there is no count. `NotAvailable`: this process has no tokenizer with that digest, or cannot use it. `Malformed`:
 * the request or its answer cannot be read. `Crashed`: whatever counted came to an end over it, or took too long.
 *
 * @category errors
 * @since 0.1.0
 */
export class TokenCountError extends Schema.TaggedError<TokenCountError>()("TokenCountError", {
  reason: Schema.Literals(["NotAvailable", "Malformed", "Crashed"]),
  detail: Schema.String,
}) {
  readonly isRetryable = false
  override get message(): string {
    switch (this.reason) {
      case "NotAvailable":
        return `The exact count is not available. ${this.detail} The charge stays as the meter made it.`
      case "Malformed":
        return `The request cannot be counted. ${this.detail} The charge stays as the meter made it.`
      case "Crashed":
        return `The count was given up. ${this.detail} The charge stays as the meter made it.`
    }
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
    /**
     * Counts prompt and output as the model's own tokenizer does. Each count is a band: where it cannot be told exactly,
     * its high end is the most that it can plausibly have been.
     */
    readonly countExact: (request: CountRequest) => Effect.Effect<Counted, TokenCountError>
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
