/**
 * Step 4. Chooses an instance and, while nothing has gone to the buyer, another one after a failure. What was chosen is
 * recorded by reference, so that it can be explained later.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { Attempt as AttemptRecord, RoutingDecision } from "@guildhall/journal/JournalEntry"
import { Router } from "@guildhall/routing/Router"
import type { Ending } from "./internal/Exchange.ts"
import * as Ids from "./internal/Ids.ts"
import * as RequestRewrite from "./internal/RequestRewrite.ts"
import * as Ticks from "./internal/Ticks.ts"
import { Market } from "./Market.ts"
import type { Priced } from "./Price.ts"
import type { Attempt, RelayJob, Relayed } from "./Relay.ts"
import * as Tickets from "./Tickets.ts"

/**
 * What came of a request's attempts: how the last one ended, on which instance, and how it came to that.
 * `relayed` is absent where no instance was asked.
 *
 * @category models
 * @since 0.1.0
 */
export interface Routed {
  readonly ending: Ending
  readonly relayed: Relayed | undefined
  readonly instance: Instance | undefined
  readonly decision: RoutingDecision
}

const failed = (reason: ReasonCode): Ending => ({ _tag: "Failed", reason, retry: false })

/** Why an attempt did not serve, for the record. */
const reasonOf = (ending: Ending): ReasonCode | undefined => {
  switch (ending._tag) {
    case "Completed":
      return undefined
    case "Aborted":
      return "client_closed_request"
    case "Failed":
    case "Truncated":
      return ending.reason
  }
}

/**
 * Makes the step. `relay` carries one attempt.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const { definition } = yield* Market
  const router = yield* Router
  const ticket = yield* Tickets.make

  /** Counts the instance as busy from the moment it was chosen, so that requests at the same time choose others. */
  const attemptOn = (
    job: RelayJob,
    chosen: Omit<Attempt, "ticket">,
    relay: (job: RelayJob, attempt: Attempt) => Effect.Effect<Relayed>,
  ): Effect.Effect<Relayed | undefined> => {
    const { instance, number } = chosen
    router.apply({ _tag: "DispatchStarted", instanceId: instance.id })
    const carried = Effect.gen(function* () {
      const nowMs = yield* Clock.currentTimeMillis
      const request = { requestId: job.admitted.id, attempt: number, instance, hold: job.gate.amount, nowMs }
      const signed = yield* Effect.orElseSucceed(ticket(request), () => undefined)
      return signed === undefined ? undefined : yield* relay(job, { ...chosen, ticket: signed })
    })
    return Effect.ensuring(
      carried,
      Effect.sync(() => router.apply({ _tag: "DispatchEnded", instanceId: instance.id })),
    )
  }

  return Effect.fnUntraced(function* (
    job: RelayJob,
    priced: Priced,
    relay: (job: RelayJob, attempt: Attempt) => Effect.Effect<Relayed>,
  ) {
    const { admitted, flight, buyer } = job
    const seed = Ids.seed()
    const body = RequestRewrite.make(admitted, {
      outputTokens: definition.limits.outputTokens,
      promptBound: priced.promptBound,
    })
    const attempts: Array<AttemptRecord> = []
    const tried: Array<InstanceId> = []
    let version: number | undefined
    let last: { readonly relayed: Relayed; readonly instance: Instance } | undefined
    let ending: Ending = failed("no_capacity")
    while (attempts.length < definition.attempts) {
      const choice = router.choose({ model: admitted.model, contextTokens: priced.contextTokens, tried }, seed)
      version ??= choice.version
      if (choice._tag === "NoneLeft") {
        // What the last instance said is closer to the truth than that there is no other.
        if (attempts.length === 0) ending = failed(choice.reason)
        break
      }
      const { instance } = choice
      const chosen = { number: attempts.length + 1, instance, body: body(instance.contextLength) }
      const relayed = yield* attemptOn(job, chosen, relay)
      if (relayed === undefined) {
        ending = failed("service_unavailable")
        break
      }
      ending = relayed.ending
      last = { relayed, instance }
      tried.push(instance.id)
      const reason = reasonOf(ending)
      const attempt = { instance: instance.id, version: choice.version }
      attempts.push(reason === undefined ? attempt : { ...attempt, reason })
      if (ending._tag !== "Failed" || !ending.retry) break
      if (flight.stopped !== undefined) {
        ending = failed(flight.stopped)
        break
      }
      if (buyer.gone || Ticks.now() >= job.deadline) break
    }
    const decision: RoutingDecision = {
      replica: router.replica,
      version: version ?? 0,
      policy: router.policy,
      seed,
      model: admitted.model,
      contextTokens: priced.contextTokens,
      attempts,
    }
    return { ending, relayed: last?.relayed, instance: last?.instance, decision } satisfies Routed
  })
})
