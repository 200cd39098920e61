/**
 * The request path: admit → price → hold → route → relay → meter → settle → receipt. The eight in order, and nothing
 * else.
 *
 * @since 0.1.0
 */
import type { Hash } from "node:crypto"
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Cause from "effect/Cause"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { Endpoint } from "@guildhall/core/Endpoint"
import type { KeyRing } from "@guildhall/core/KeyRing"
import type { Journal } from "@guildhall/journal/Journal"
import type { Ledger } from "@guildhall/ledger/Ledger"
import type { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import type { Router } from "@guildhall/routing/Router"
import * as Admit from "./Admit.ts"
import * as Conclusion from "./Conclusion.ts"
import * as Hedge from "./Hedge.ts"
import * as Hold from "./Hold.ts"
import type { HoldRenewal } from "./HoldRenewal.ts"
import type { AnswerTap, Idempotency } from "./Idempotency.ts"
import * as InferenceEndpoint from "./InferenceEndpoint.ts"
import * as Afterwards from "./internal/Afterwards.ts"
import { Buyer } from "./internal/Buyer.ts"
import { type Flight, Flights } from "./internal/Flights.ts"
import * as Ids from "./internal/Ids.ts"
import * as Jobs from "./internal/Jobs.ts"
import type { OutletOptions } from "./internal/Outlet.ts"
import * as Refuser from "./internal/Refuser.ts"
import * as Spans from "./internal/Spans.ts"
import * as Ticks from "./internal/Ticks.ts"
import * as Twins from "./internal/Twins.ts"
import * as LaneMetrics from "./LaneMetrics.ts"
import type { Limits } from "./Limits.ts"
import { Market } from "./Market.ts"
import * as Meter from "./Meter.ts"
import * as Price from "./Price.ts"
import * as Receipt from "./Receipt.ts"
import type { Recount } from "./Recount.ts"
import { Refusal } from "./Refusal.ts"
import * as Relay from "./Relay.ts"
import * as Route from "./Route.ts"
import * as Settle from "./Settle.ts"

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class InferenceLane extends Context.Service<
  InferenceLane,
  {
    /**
     * Serves one request on Node's own request and response. The effect ends when the request is settled; it cannot be
     * interrupted, and notices by itself when the buyer leaves.
     */
    readonly handle: (endpoint: Endpoint) => (request: IncomingMessage, response: ServerResponse) => Effect.Effect<void>
    /** How many requests are under way, settlements included. */
    readonly inFlight: () => number
    /**
     * Takes no new requests, lets those under way go on for `deadlineMs`, then ends their streams in-band. Returns when
     * all are settled; it waits for that as long as it is not interrupted.
     */
    readonly drain: (deadlineMs: number) => Effect.Effect<void>
  }
>()("@guildhall/gateway/InferenceLane") {}

const make = Effect.gen(function* () {
  const market = yield* Market
  const clock = yield* Clock.Clock
  const flights = new Flights()
  const admit = yield* Admit.make
  const price = yield* Price.make
  const hold = yield* Hold.make
  const hedge = yield* Hedge.make
  const afterwards = yield* Afterwards.make(hedge)
  const route = yield* Route.make(hedge)
  const relay = yield* Relay.make
  const { asItStands, meter } = yield* Meter.make
  const settle = yield* Settle.make
  const receipt = yield* Receipt.step
  const metrics = yield* LaneMetrics.make
  const { crashed, refuse } = yield* Refuser.make(metrics)
  const once = yield* Twins.make
  const jobOf = yield* Jobs.make(asItStands)
  const { span, annotate } = yield* Spans.make
  const { definition } = market

  const serve = Effect.fnUntraced(function* (buyer: Buyer, flight: Flight, visit: Admit.Visit) {
    const deadline = Ticks.now() + definition.timeouts.totalMs
    const admitted = yield* span("admit", admit(buyer, visit))
    const asked: Jobs.Asked = { admitted, buyer, flight, deadline }
    const answered = once(asked, (asked, taps) => pay(asked, visit, taps))
    yield* Effect.ensuring(answered, Effect.sync(admitted.place.leave))
  })

  const pay = Effect.fnUntraced(function* (asked: Jobs.Asked, visit: Admit.Visit, taps: ReadonlyArray<AnswerTap>) {
    const { admitted } = asked
    const opening = Receipt.open(admitted.body)
    const priced = yield* span("price", price(admitted))
    yield* admitted.place.reserve(Price.taking(priced))
    const gate = yield* span("hold", hold.take(admitted, priced, opening))
    const carried = carryOut(asked, priced, visit, { gate, opening, taps })
    yield* Effect.onError(carried, (cause) =>
      Effect.sync(() => {
        if (Cause.hasDies(cause)) hold.abandon(gate)
      }),
    )
  })

  const carryOut = Effect.fnUntraced(function* (
    asked: Jobs.Asked,
    priced: Price.Priced,
    visit: Admit.Visit,
    { gate, opening, taps }: Pick<OutletOptions, "gate" | "taps"> & { readonly opening: Receipt.Opening },
  ) {
    const hash = Receipt.commit(opening.salts.response)
    const job = jobOf(asked, priced, { gate, hash, taps })
    const { observer, outlet } = job
    asked.flight.outlet = outlet
    yield* deliver(job, priced, visit, { opening, hash }).pipe(
      Effect.onError(() => Effect.sync(() => observer?.onEnd(undefined))),
      Effect.ensuring(Effect.sync(() => outlet.close())),
    )
  })

  const deliver = Effect.fnUntraced(function* (
    job: Relay.RelayJob,
    priced: Price.Priced,
    visit: Admit.Visit,
    { hash, opening }: { readonly hash: Hash; readonly opening: Receipt.Opening },
  ) {
    const { admitted, outlet } = job
    const { gate } = outlet
    const routed = yield* span("route", route(job, priced, carry))
    visit.decision = routed.decision
    const conclusion = Conclusion.of(routed)
    // A buyer who got nothing is told why, before anything is written down.
    if (gate.refusal === undefined && conclusion.refusal !== undefined) {
      outlet.refuse(conclusion.refusal, { id: admitted.id, attempts: routed.decision.attempts.length })
    }
    // Its commitment is about to be made: no comment may follow.
    outlet.close()
    admitted.place.over()
    yield* Hold.decided(gate)
    const metered = yield* span("meter", meter(admitted, priced, routed, conclusion))
    const write = (charge: Settle.Charge) =>
      span("receipt", receipt(admitted, opening, routed, hash, conclusion, metered, charge))
    const settlement = { admitted, gate, instance: routed.instance, usage: metered.usage }
    const { charge, entry } = yield* span("settle", settle(settlement, write))
    const left = entry.receipt
    admitted.place.spend({ tokens: Price.tokensOf(left.usage), cost: left.charge })
    if (conclusion.outcome === "completed") hold.learn(admitted, metered.usage.outputToken ?? 0)
    yield* afterwards(job, priced, routed, { charge, entry }, conclusion)
    metrics.ended(left)
    yield* annotate(() => LaneMetrics.attributes(left))
  })

  const carry = (job: Relay.RelayJob, attempt: Relay.Attempt) => span("relay", relay(job, attempt))

  const handle =
    (name: Endpoint) =>
    (request: IncomingMessage, response: ServerResponse): Effect.Effect<void> =>
      Effect.suspend(() => {
        const endpoint = InferenceEndpoint.of(name)
        const startedAtMs = clock.currentTimeMillisUnsafe()
        const visit = Admit.visit(endpoint, Ids.requestId(startedAtMs), startedAtMs)
        const buyer = new Buyer(request, response)
        if (flights.draining) return refuse(buyer, visit, new Refusal({ code: "shutting_down" }))
        const flight = flights.enter()
        metrics.inFlight(flights.size)
        return span(name, serve(buyer, flight, visit)).pipe(
          Effect.catchTag("Refusal", (refusal) => refuse(buyer, visit, refusal)),
          Effect.catchCause((cause) => crashed(buyer, visit, cause)),
          Effect.ensuring(
            Effect.sync(() => {
              flights.leave(flight)
              metrics.inFlight(flights.size)
            }),
          ),
        )
      }).pipe(Effect.uninterruptible)

  const empty = Effect.callback<void>((resume) => flights.whenEmpty(() => resume(Effect.void)))

  return InferenceLane.of({
    handle,
    inFlight: () => flights.size,
    drain: Effect.fn("InferenceLane.drain")(function* (deadlineMs) {
      flights.draining = true
      yield* Effect.timeoutOption(empty, deadlineMs)
      flights.stop("shutting_down")
      yield* empty
    }),
  })
})

/**
 * The lane.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<
  InferenceLane,
  never,
  Market | Limits | Router | Ledger | HoldRenewal | Idempotency | Recount | Journal | KeyRing | ProviderTransport
> = Layer.effect(InferenceLane, make)
