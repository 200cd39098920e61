/**
 * Step 5. Carries one attempt's bytes from the instance to the buyer, by callbacks: no Effect runs while they flow.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Instance } from "@guildhall/core/Instance"
import type { Conversation } from "@guildhall/protocol/conversation/Conversation"
import { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import type { Admitted } from "./Admit.ts"
import type { InferenceEndpoint } from "./InferenceEndpoint.ts"
import type { Ending, Exchange } from "./internal/Exchange.ts"
import type { Flight } from "./internal/Flights.ts"
import type { Outlet } from "./internal/Outlet.ts"
import * as Rendition from "./internal/Rendition.ts"
import { StreamExchange } from "./internal/StreamExchange.ts"
import * as Translation from "./internal/Translation.ts"
import { WholeExchange } from "./internal/WholeExchange.ts"
import { Market } from "./Market.ts"
import type { Observer } from "./Recount.ts"
import { Tally } from "./Tally.ts"

/**
 * One attempt: which instance, by which of its endpoints, with which body. `explain` is the decision up to this attempt,
 * as JSON.
 *
 * @category models
 * @since 0.1.0
 */
export interface Attempt {
  readonly number: number
  readonly instance: Instance
  readonly endpoint: InferenceEndpoint
  readonly explain: () => string
  /** Hears how many requests the instance says that it has. */
  readonly said: (requests: number) => void
  readonly body: Buffer
  /** What was asked, where the instance speaks another dialect than the buyer. */
  readonly conversation: Conversation | undefined
  readonly ticket: string
  /** Called when its first token comes. */
  readonly onFirstToken?: (() => void) | undefined
}

/**
 * What came of an attempt. `sent`: the provider had the request, and so the work of reading its prompt.
 *
 * @category models
 * @since 0.1.0
 */
export interface Relayed {
  readonly ending: Ending
  readonly tally: Tally
  readonly sent: boolean
  /** When the first token came, on the scale of this process's monotonic clock. */
  readonly firstTokenAt: number | undefined
}

/**
 * What the relay needs to know of the request it serves. `deadline` is when all of it must be over, in milliseconds of
 * this process's monotonic clock; `bill` what an answer of an instance costs as it stands.
 *
 * @category models
 * @since 0.1.0
 */
export interface RelayJob {
  readonly admitted: Admitted
  readonly outlet: Outlet
  readonly flight: Flight
  readonly deadline: number
  /** Who counts the answer again later, where anybody does. */
  readonly observer: Observer | undefined
  readonly bill: (tally: Tally, instance: Instance) => Rendition.Bill
}

/**
 * Makes the step. The effect that it gives cannot fail: how the attempt ended is its answer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const { definition } = yield* Market
  const transport = yield* ProviderTransport
  const { timeouts, relay } = definition
  // A whole answer shows nothing before it is complete, so only the total limits it.
  const wholeTimeouts = { ...timeouts, headersMs: timeouts.totalMs, firstTokenMs: timeouts.totalMs }

  const reading = ({ admitted }: RelayJob, { conversation, endpoint, explain }: Attempt): Translation.Translation => {
    const { format } = endpoint
    const { touched, wishes } = admitted
    const wished = {
      showCost: wishes.cost || relay.cost === "always",
      explain: wishes.explain ? explain : undefined,
    }
    const from = endpoint.dialect
    const to = admitted.endpoint.dialect
    if (conversation === undefined || from === undefined || to === undefined) {
      return {
        format,
        rendition: Rendition.verbatim({ format, showUsage: touched.includeUsage || wished.showCost, ...wished }),
      }
    }
    const createdS = Math.floor(admitted.startedAtMs / 1_000)
    const answer = { id: admitted.id.slice(4), model: touched.model, createdS, request: conversation }
    return Translation.make({ from, to, format, answer, ...wished })
  }

  return (job: RelayJob, attempt: Attempt): Effect.Effect<Relayed> =>
    Effect.callback<Relayed>((resume) => {
      const { admitted, flight, outlet } = job
      const { stream } = admitted.touched
      const { endpoint, instance } = attempt
      const tally = new Tally(admitted.touched.choices, admitted.touched.messages.length)
      const limits = stream ? timeouts : wholeTimeouts
      const options = {
        outlet,
        tally,
        timeouts: limits,
        tokensPerSecondMin: stream ? relay.tokensPerSecondMin : 0,
        deadline: job.deadline,
        ...reading(job, attempt),
        spoken: endpoint.name === admitted.endpoint.name ? endpoint.errors : undefined,
        observer: job.observer,
        said: attempt.said,
        readUsage: endpoint.shape.readUsage,
        headers: { "x-guildhall-instance": instance.id, "x-guildhall-attempts": String(attempt.number) },
        bill: (tally: Tally) => job.bill(tally, instance),
        onFirstToken: attempt.onFirstToken,
        done: (ending: Ending) =>
          resume(Effect.succeed({ ending, tally, sent: exchange.sent, firstTokenAt: exchange.firstTokenAt })),
      }
      const exchange: Exchange = stream ? new StreamExchange(options) : new WholeExchange(options)
      // The gateway began to stop while the hold or the ticket was waited for: nothing new is begun.
      if (flight.stopped !== undefined) return exchange.stop(flight.stopped)
      job.observer?.onStart({ endpoint: endpoint.name, body: attempt.body })
      exchange.start(transport, {
        instance,
        method: "POST",
        path: endpoint.path,
        headers: {
          "content-type": admitted.contentType,
          accept: stream ? "text/event-stream" : endpoint.accept,
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
