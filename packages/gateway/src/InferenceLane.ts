/**
 * The request path: admit → price → hold → route → relay → meter → settle → receipt. The eight in order, and nothing
 * else.
 *
 * @since 0.1.0
 */
import type { IncomingMessage, ServerResponse } from "node:http"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { KeyRing } from "@guildhall/core/KeyRing"
import type { Journal } from "@guildhall/journal/Journal"
import type { Ledger } from "@guildhall/ledger/Ledger"
import type { ProviderTransport } from "@guildhall/protocol/ProviderTransport"
import type { Router } from "@guildhall/routing/Router"
import * as Admit from "./Admit.ts"
import * as Conclusion from "./Conclusion.ts"
import * as Hold from "./Hold.ts"
import type { HoldRenewal } from "./HoldRenewal.ts"
import { Buyer } from "./internal/Buyer.ts"
import { type Flight, Flights } from "./internal/Flights.ts"
import * as Ids from "./internal/Ids.ts"
import * as Respond from "./internal/Respond.ts"
import * as LaneMetrics from "./LaneMetrics.ts"
import { Market } from "./Market.ts"
import * as Meter from "./Meter.ts"
import * as Price from "./Price.ts"
import * as Receipt from "./Receipt.ts"
import { Refusal } from "./Refusal.ts"
import * as RefusalLog from "./RefusalLog.ts"
import * as Relay from "./Relay.ts"
import * as Route from "./Route.ts"
import * as Settle from "./Settle.ts"

/**
 * What the lane serves.
 *
 * @category models
 * @since 0.1.0
 */
export type Endpoint = "chat/completions"

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
  const route = yield* Route.make
  const relay = yield* Relay.make
  const meter = yield* Meter.make
  const settle = yield* Settle.make
  const logRefusal = yield* RefusalLog.make
  const metrics = yield* LaneMetrics.make
  const { definition } = market

  const serve = Effect.fnUntraced(function* (buyer: Buyer, flight: Flight, visit: Admit.Visit) {
    const deadline = performance.now() + definition.timeouts.totalMs
    const admitted = yield* Effect.withSpan(admit(buyer, visit), "admit")
    yield* Effect.ensuring(pay(buyer, flight, admitted, deadline), Effect.sync(admitted.leave))
  })

  const pay = Effect.fnUntraced(function* (buyer: Buyer, flight: Flight, admitted: Admit.Admitted, deadline: number) {
    const opening = Receipt.open(admitted.body)
    const priced = yield* Effect.withSpan(price(admitted), "price")
    const gate = yield* Effect.withSpan(hold(admitted, priced, opening), "hold")
    const job = { admitted, buyer, flight, gate, salts: opening.salts, deadline }
    const carry = (job: Relay.RelayJob, attempt: Relay.Attempt) => Effect.withSpan(relay(job, attempt), "relay")
    const routed = yield* Effect.withSpan(route(job, priced, carry), "route")
    const conclusion = Conclusion.of(routed, gate.refusal)
    const { relayed, instance, decision } = routed
    if (conclusion.refusal !== undefined) {
      Respond.refuse(buyer, conclusion.refusal, { id: admitted.id, attempts: decision.attempts.length })
    }
    const metered =
      conclusion.delivered && relayed !== undefined
        ? meter(admitted.model, relayed.tally, priced, admitted.touched.choices, conclusion.outcome === "completed")
        : Meter.NOTHING
    const charge =
      conclusion.delivered && instance !== undefined
        ? Settle.charge(definition.split, instance.price, metered.usage, gate.amount)
        : Settle.FREE
    const receipt = Receipt.make(market, admitted, opening, {
      outcome: conclusion.outcome,
      reason: conclusion.reason,
      instance,
      usage: metered.usage,
      usageSource: metered.source,
      charge: charge.amount,
      split: charge.split,
      attempts: decision.attempts.length,
      firstByteAtMs: relayed?.tally.firstByteAtMs,
      endedAtMs: clock.currentTimeMillisUnsafe(),
      responseCommitment: conclusion.delivered ? relayed?.hash.digest("hex") : undefined,
    })
    metrics.ended(receipt)
    const entry = Receipt.entryJson(Receipt.entry(receipt, opening.salts, decision))
    const { payer, scheme } = admitted
    const settlement = { requestId: admitted.id, gate, payer, scheme, instance, charge, entry }
    yield* Effect.withSpan(settle(settlement), "settle")
  })

  const refuse = (buyer: Buyer, visit: Admit.Visit, refusal: Refusal) =>
    Effect.sync(() => {
      Respond.refuse(buyer, refusal, { id: visit.id, attempts: 0 })
      metrics.refused(refusal.code)
      logRefusal({
        _tag: "RequestRefused",
        id: Receipt.entryId(visit.id, 0),
        requestId: visit.id,
        buyer: visit.payer?.memberId ?? null,
        keyId: visit.payer?.keyId ?? null,
        model: visit.model ?? null,
        reason: refusal.code,
        decision: null,
        atMs: clock.currentTimeMillisUnsafe(),
      })
    })

  const handle = (request: IncomingMessage, response: ServerResponse): Effect.Effect<void> =>
    Effect.suspend(() => {
      const startedAtMs = clock.currentTimeMillisUnsafe()
      const visit: Admit.Visit = { id: Ids.requestId(startedAtMs), startedAtMs, payer: undefined, model: undefined }
      const buyer = new Buyer(request, response)
      if (flights.draining) return refuse(buyer, visit, new Refusal({ code: "shutting_down" }))
      const flight = flights.enter()
      metrics.inFlight(flights.size)
      return serve(buyer, flight, visit).pipe(
        Effect.catchTag("Refusal", (refusal) => refuse(buyer, visit, refusal)),
        Effect.catchCause((cause) =>
          Effect.andThen(
            Effect.logError(`The request ${visit.id} failed inside the gateway.`, cause),
            refuse(buyer, visit, new Refusal({ code: "internal_error" })),
          ),
        ),
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
    handle: () => handle,
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
  Market | Router | Ledger | HoldRenewal | Journal | KeyRing | ProviderTransport
> = Layer.effect(InferenceLane, make)
