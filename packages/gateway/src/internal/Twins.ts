import * as Effect from "effect/Effect"
import type { Admitted } from "../Admit.ts"
import { type AnswerTap, Idempotency } from "../Idempotency.ts"
import type { Refusal } from "../Refusal.ts"
import type { Buyer } from "./Buyer.ts"
import type { Flight } from "./Flights.ts"
import * as Json from "./Json.ts"

interface Asked {
  readonly admitted: Admitted
  readonly buyer: Buyer
  readonly flight: Flight
}

const NO_TAPS: ReadonlyArray<AnswerTap> = []

const mayKeep = ({ content, payer }: Admitted): boolean =>
  payer.dataCollection === "allow" &&
  (content._tag !== "Json" || Json.get(Json.get(content.json, "provider"), "data_collection") !== "deny")

/**
 * Makes what stands between a request that was let in and its payment: one with an `Idempotency-Key` that has a twin gets the
 * twin's answer, and is not paid for. Without the header it costs one look at the headers.
 */
export const make = Effect.gen(function* () {
  const idempotency = yield* Idempotency

  const once = Effect.fnUntraced(function* <A extends Asked>(
    asked: A,
    key: string,
    pay: (asked: A, taps: ReadonlyArray<AnswerTap>) => Effect.Effect<void, Refusal>,
  ) {
    const { admitted, buyer, flight } = asked
    const { body, contentType, endpoint, id, payer } = admitted
    const begun = yield* idempotency.begin({
      id,
      payer,
      key,
      // The boundary of a form stands there, and without it the same bytes say something else.
      path: `${endpoint.path} ${contentType}`,
      body,
      keep: mayKeep(admitted),
      twin: buyer,
      isStopped: () => flight.stopped !== undefined,
    })
    if (begun._tag === "Fresh") {
      const { finish, tap } = begun
      const paid = Effect.tapError(pay(asked, [tap]), (refusal) => Effect.sync(() => tap.onRefused(refusal)))
      return yield* Effect.ensuring(paid, finish)
    }
    yield* begun.write({
      buyer,
      headers: admitted.place.headers(),
      frame: (reason) => endpoint.errors.errorFrame(reason, {}),
      onStop: (stop) => {
        flight.outlet = { stop }
        if (flight.stopped !== undefined) stop(flight.stopped)
      },
    })
  })

  return <A extends Asked>(
    asked: A,
    pay: (asked: A, taps: ReadonlyArray<AnswerTap>) => Effect.Effect<void, Refusal>,
  ): Effect.Effect<void, Refusal> => {
    const key = asked.buyer.request.headers["idempotency-key"]
    return key === undefined ? pay(asked, NO_TAPS) : once(asked, String(key), pay)
  }
})
