/**
 * Errors in the shape that Anthropic's clients read: `{ "type": "error", "error": { type, message } }`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Reason from "@guildhall/core/Reason"

/**
 * An error body. `type` is Anthropic's coarse family. `code` is ours and stable, `param` names the wrong member;
 * Anthropic's own servers send neither.
 *
 * @category models
 * @since 0.1.0
 */
export const ErrorBody = Schema.Struct({
  type: Schema.Literal("error"),
  error: Schema.StructWithRest(
    Schema.Struct({
      type: Schema.String,
      message: Schema.String,
      code: Schema.optionalKey(Schema.String),
      param: Schema.optionalKey(Schema.NullOr(Schema.String)),
    }),
    [Schema.Record(Schema.String, Schema.Unknown)],
  ),
})
/** @since 0.1.0 */
export type ErrorBody = typeof ErrorBody.Type

/** What is not here is judged by its hundreds. */
const types: Readonly<Record<number, string>> = {
  401: "authentication_error",
  402: "billing_error",
  403: "permission_error",
  404: "not_found_error",
  408: "timeout_error",
  409: "conflict_error",
  413: "request_too_large",
  429: "rate_limit_error",
  503: "overloaded_error",
  504: "timeout_error",
  529: "overloaded_error",
}

/**
 * Anthropic's family of an HTTP status.
 *
 * **Example** (Every instance is full)
 *
 * ```ts
 * import { ErrorBody } from "@guildhall/protocol/anthropic"
 *
 * ErrorBody.typeOf(503) // => "overloaded_error"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const typeOf = (status: number): string =>
  types[status] ?? (status >= 500 ? "api_error" : "invalid_request_error")

/**
 * Makes the body for a reason. Without a message the reason's own sentence is used.
 *
 * **Example** (A key that is not known)
 *
 * ```ts
 * import { ErrorBody } from "@guildhall/protocol/anthropic"
 *
 * ErrorBody.make("invalid_api_key").error.type // => "authentication_error"
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  code: Reason.ReasonCode,
  options: { readonly message?: string | undefined; readonly param?: string | undefined } = {},
): ErrorBody => {
  const reason = Reason.describe(code)
  return {
    type: "error",
    error: {
      type: typeOf(reason.status),
      message: options.message ?? reason.sentence,
      code,
      param: options.param ?? null,
    },
  }
}
