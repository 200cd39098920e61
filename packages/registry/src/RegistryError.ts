/**
 * Why the registry refused.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Reason from "@guildhall/core/Reason"

/**
 * The one error of the registry. `code` says what happened; `detail` what to do about it.
 *
 * @category errors
 * @since 0.1.0
 */
export class RegistryError extends Schema.TaggedError<RegistryError>()("RegistryError", {
  code: Reason.ReasonCode,
  detail: Schema.String,
  cause: Schema.optionalKey(Schema.Defect()),
}) {
  get isRetryable(): boolean {
    return Reason.describe(this.code).isRetryable
  }
  override get message(): string {
    return `${Reason.describe(this.code).sentence} ${this.detail}`
  }
}
