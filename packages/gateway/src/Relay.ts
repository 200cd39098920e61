/**
 * Step 5. Carries one attempt's bytes from the instance to the buyer, by callbacks: no Effect runs while they flow.
 *
 * @since 0.1.0
 */
import type { Hash } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Instance } from "@guildhall/core/Instance"
import { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import type { Admitted } from "./Admit.ts"
import type { HoldGate } from "./HoldGate.ts"
import type { Buyer } from "./internal/Buyer.ts"
import type { Ending, Exchange } from "./internal/Exchange.ts"
import { StreamExchange } from "./internal/StreamExchange.ts"
import { WholeExchange } from "./internal/WholeExchange.ts"
import type { Flight } from "./internal/Flights.ts"
import { Market } from "./Market.ts"
import * as Receipt from "./Receipt.ts"
import { Tally } from "./Tally.ts"

/**
 * One attempt: which instance, with which body and headers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attempt {
  readonly number: number
  readonly instance: Instance
  readonly body: Buffer
  readonly ticket: string
}

/**
 * What came of an attempt.
 *
 * @category models
 * @since 0.1.0
 */
export interface Relayed {
  readonly ending: Ending
  readonly tally: Tally
  /** The commitment to what the buyer was sent, not yet closed. */
  readonly hash: Hash
}

/**
 * What the relay needs to know of the request it serves. `deadline` is when all of it must be over, in milliseconds of
 * this process's monotonic clock.
 *
 * @category models
 * @since 0.1.0
 */
export interface RelayJob {
  readonly admitted: Admitted
  readonly buyer: Buyer
  readonly flight: Flight
  readonly gate: HoldGate
  readonly opening: Receipt.Opening
  readonly deadline: number
}

const PATH = "/v1/chat/completions"

/**
 * Makes the step. The effect that it gives cannot fail: how the attempt ended is its answer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const { definition } = yield* Market
  const transport = yield* ProviderTransport
  const clock = yield* Clock.Clock
  const { timeouts } = definition
  // A whole answer shows nothing before it is complete, so only the total limits it.
  const wholeTimeouts = { ...timeouts, headersMs: timeouts.totalMs, firstTokenMs: timeouts.totalMs }
  const now = () => clock.currentTimeMillisUnsafe()

  return (job: RelayJob, attempt: Attempt): Effect.Effect<Relayed> =>
    Effect.callback<Relayed>((resume) => {
      const { admitted, buyer, flight, gate } = job
      const { stream, includeUsage } = admitted.touched
      const tally = new Tally()
      const hash = Receipt.commit(job.opening.salts.response)
      const limits = stream ? timeouts : wholeTimeouts
      const options = {
        buyer,
        gate,
        tally,
        hash,
        timeouts: limits,
        deadline: job.deadline,
        now,
        headers: {
          "x-request-id": admitted.id,
          "x-guildhall-instance": attempt.instance.id,
          "x-guildhall-attempts": String(attempt.number),
        },
        done: (ending: Ending) => {
          flight.exchange = undefined
          resume(Effect.succeed({ ending, tally, hash }))
        },
      }
      const exchange: Exchange = stream
        ? new StreamExchange(options, { showUsage: includeUsage })
        : new WholeExchange(options)
      flight.exchange = exchange
      // The gateway began to stop while the hold or the ticket was waited for: nothing new is begun.
      if (flight.stopped !== undefined) return exchange.stop(flight.stopped)
      exchange.start(transport, {
        instance: attempt.instance,
        method: "POST",
        path: PATH,
        headers: {
          "content-type": "application/json",
          accept: stream ? "text/event-stream" : "application/json",
          "accept-encoding": "identity",
          "x-request-id": admitted.id,
          "guildhall-ticket": attempt.ticket,
        },
        body: attempt.body,
        connectMs: limits.connectMs,
        headersMs: limits.headersMs,
      })
    })
})
