/**
 * Refusals in the shape that OpenAI's clients read.
 *
 * @since 0.1.0
 */

/**
 * A refusal: HTTP status, a stable code, one sentence.
 *
 * @category models
 * @since 0.1.0
 */
export interface OpenAIError {
  readonly status: number
  readonly code: string
  readonly message: string
}

const typeOf = (status: number): string =>
  status === 401
    ? "authentication_error"
    : status === 429
      ? "rate_limit_error"
      : status < 500
        ? "invalid_request_error"
        : "server_error"

/**
 * The JSON text of a refusal.
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = (error: OpenAIError): string =>
  JSON.stringify({
    error: { message: error.message, type: typeOf(error.status), param: null, code: error.code },
  })
