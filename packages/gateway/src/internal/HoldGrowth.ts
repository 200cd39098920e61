import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Schedule from "effect/Schedule"
import { Ledger } from "@guildhall/ledger/Ledger"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import { type Payer, sourcesOf } from "@guildhall/ledger/PaymentScheme"
import type { Grow, HoldGate } from "../HoldGate.ts"
import { Market } from "../Market.ts"
import type { Priced } from "../Price.ts"
import { covered, type Reserved } from "../Reservation.ts"

/** A stream waits so long for a store that is away before it is ended for want of money. */
const retries = Schedule.spaced("200 millis").pipe(Schedule.upTo({ duration: "5 seconds" }))

/** Lets the hold of a stream cover more tokens: as many as are asked for, or as many as there is money for. */
export const make = Effect.gen(function* () {
  const { reservation } = (yield* Market).definition
  const ledger = yield* Ledger
  const fork = Effect.runForkWith(yield* Effect.context<never>())

  return (priced: Priced, payer: Payer): Grow => {
    const sources = sourcesOf(payer).map(({ account }) => account)
    const to = (gate: HoldGate, reserved: Reserved): Effect.Effect<Parameters<HoldGate["grown"]>[0], LedgerError> =>
      ledger.grow(gate.id, { amount: reserved.amount, sources }).pipe(
        Effect.map(({ parts }) => ({ reserved, parts })),
        Effect.catch((error) => {
          const { reason } = error
          if (reason._tag !== "InsufficientFunds") return Effect.fail(error)
          const available = gate.reserved.amount + reason.available
          const least = { available, wanted: reserved.tokens, atLeast: gate.reserved.tokens + 1 }
          const less = covered(reservation, priced, least)
          return less === undefined || less.tokens >= reserved.tokens ? Effect.succeed(undefined) : to(gate, less)
        }),
      )
    return (gate, tokens) => {
      const grown = to(gate, { amount: priced.cost(tokens), tokens }).pipe(
        Effect.retry({ while: (error) => error.isRetryable, schedule: retries }),
      )
      fork(grown).addObserver((exit) => gate.grown(Exit.isSuccess(exit) ? exit.value : undefined))
    }
  }
})
