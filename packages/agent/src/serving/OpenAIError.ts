/**
 * Refusals of an agent, in the shape that OpenAI's clients read.
 *
 * @since 0.1.0
 */
import type { ReasonCode } from "@guildhall/core/Reason"
import * as ErrorBody from "@guildhall/protocol/openai/ErrorBody"

/**
 * A refusal: HTTP status, a stable code, a sentence for this case.
 *
 * @category models
 * @since 0.1.0
 */
export interface OpenAIError {
  readonly status: number
  readonly code: ReasonCode
  readonly message: string
}

/**
 * The JSON text of a refusal.
 *
 * **Example** (A body that is not JSON)
 *
 * ```ts
 * import { OpenAIError } from "@guildhall/agent/serving"
 *
 * const refusal = { status: 400, code: "invalid_json", message: "The body is not valid JSON." } as const
 * JSON.parse(OpenAIError.encode(refusal)).error.type // => "invalid_request_error"
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const encode = ({ status, code, message }: OpenAIError): string => {
  const { error } = ErrorBody.make(code, { message })
  // An agent that is full says 429 to its gateway, where the reason's own status is the gateway's to a buyer.
  return JSON.stringify({ error: { ...error, type: ErrorBody.typeOf(status) } })
}
