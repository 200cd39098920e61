/**
 * Errors in the shape that OpenAI's clients read: `{ "error": { message, type, param, code } }`.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Reason from "@guildhall/core/Reason"

/**
 * An error body. `type` is OpenAI's coarse family, `code` is ours and stable, `param` names the wrong member.
 *
 * @category models
 * @since 0.1.0
 */
export const ErrorBody = Schema.Struct({
  error: Schema.Struct({
    message: Schema.String,
    type: Schema.String,
    param: Schema.NullOr(Schema.String),
    code: Schema.NullOr(Schema.String),
  }),
})
/** @since 0.1.0 */
export type ErrorBody = typeof ErrorBody.Type

/**
 * OpenAI's family of an HTTP status.
 *
 * **Example** (A key that is not known)
 *
 * ```ts
 * import { ErrorBody } from "@guildhall/protocol/openai"
 *
 * ErrorBody.typeOf(401) // => "authentication_error"
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const typeOf = (status: number): string => {
  if (status === 401) return "authentication_error"
  if (status === 402) return "insufficient_quota"
  if (status === 403) return "permission_error"
  if (status === 429) return "rate_limit_error"
  return status >= 500 ? "server_error" : "invalid_request_error"
}

/**
 * Makes the body for a reason. Without a message the reason's own sentence is used.
 *
 * **Example** (No funds)
 *
 * ```ts
 * import { ErrorBody } from "@guildhall/protocol/openai"
 *
 * ErrorBody.make("insufficient_funds").error.type // => "insufficient_quota"
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
    error: {
      message: options.message ?? reason.sentence,
      type: typeOf(reason.status),
      param: options.param ?? null,
      code,
    },
  }
}
