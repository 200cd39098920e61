/**
 * One inference request of a buyer.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The id of a request: `req_` and 32 hexadecimal digits of a UUIDv7, so ids sort by time. It is the answer's
 * `x-request-id`, the key of its settlement and the id of its receipt.
 *
 * @category models
 * @since 0.1.0
 */
export const RequestId = Schema.String.pipe(
  Schema.check(Schema.isPattern(/^req_[0-9a-f]{32}$/)),
  Schema.brand("RequestId"),
)
/** @since 0.1.0 */
export type RequestId = typeof RequestId.Type
