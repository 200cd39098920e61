/**
 * What a probe of the market carries to an instance: a ticket and an id, as every request of a buyer does. The market pays what
 * a ticket promises up to a fixed number of tokens.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Instance } from "@guildhall/core/Instance"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import * as Ticket from "@guildhall/protocol/provider/Ticket"
import * as Ids from "./internal/Ids.ts"
import * as Tickets from "./Tickets.ts"

/**
 * The most tokens of a prompt that the ticket of a probe covers, and of an answer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly inputTokens: number
  readonly outputTokens: number
}

/**
 * Makes the function that answers a probe's headers. Where no ticket can be signed, the probe goes without, and is refused as
 * any request without a ticket.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* ({ inputTokens, outputTokens }: Options) {
  const ticket = yield* Tickets.make
  return Effect.fn("ProbeTickets.headers")(function* (instance: Instance) {
    const nowMs = yield* Clock.currentTimeMillis
    const requestId = Ids.requestId(nowMs)
    const hold = PriceSheet.cost(instance.price, { inputToken: inputTokens, outputToken: outputTokens })
    const header = yield* Effect.option(ticket({ requestId, attempt: 1, instance, hold, nowMs }))
    const headers: Readonly<Record<string, string>> = {
      "x-request-id": requestId,
      ...(header._tag === "Some" ? { [Ticket.HEADER]: header.value } : {}),
    }
    return headers
  })
})
