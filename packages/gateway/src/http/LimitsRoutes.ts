/**
 * How much the caller's key may use, and how much of that is used.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { Caller } from "@guildhall/protocol/api/Access"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Limits } from "../Limits.ts"
import * as Problems from "./internal/Problems.ts"

/**
 * The handlers.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "limits",
  Effect.fnUntraced(function* (handlers) {
    const limits = yield* Limits
    return handlers.handleAll({
      get: Effect.fn("LimitsRoutes.get")(function* () {
        const caller = yield* Caller
        return {
          key: caller.keyId,
          member: caller.memberId,
          terms: caller.terms,
          limits: yield* limits.usage(caller),
        }
      }, Problems.answer),
    })
  }),
)
