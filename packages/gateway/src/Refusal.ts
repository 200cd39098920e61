/**
 * A request that gets no answer: why, in the words and the shape that the buyer sees.
 *
 * @since 0.1.0
 */
import * as Data from "effect/Data"
import * as Reason from "@guildhall/core/Reason"

/**
 * A refusal. `detail` replaces the reason's own sentence, `param` names the wrong member of the body. `raw` is a
 * provider's own error where the request was at fault: its status, and its body where that is in the buyer's dialect.
 *
 * @category errors
 * @since 0.1.0
 */
export class Refusal extends Data.TaggedError("Refusal")<{
  readonly code: Reason.ReasonCode
  readonly detail?: string | undefined
  readonly param?: string | undefined
  readonly headers?: Readonly<Record<string, string | ReadonlyArray<string>>> | undefined
  readonly raw?: { readonly status: number; readonly body: string | undefined } | undefined
}> {
  override get message(): string {
    return this.detail ?? Reason.describe(this.code).sentence
  }
}

/**
 * The HTTP status of a refusal.
 *
 * @category getters
 * @since 0.1.0
 */
export const status = (refusal: Refusal): number => refusal.raw?.status ?? Reason.describe(refusal.code).status

/**
 * The headers of a refusal. Clients must not repeat what cannot succeed; where the same request may succeed later they
 * are told when. What a refusal has of its own comes before that.
 *
 * @category encoding
 * @since 0.1.0
 */
export const headers = (refusal: Refusal): Record<string, string | ReadonlyArray<string>> => {
  const { isRetryable } = Reason.describe(refusal.code)
  return {
    "content-type": "application/json",
    "x-should-retry": String(isRetryable),
    ...(isRetryable && refusal.headers?.["x-should-retry"] === undefined ? { "retry-after": "1" } : {}),
    ...refusal.headers,
  }
}
