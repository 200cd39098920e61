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

  const attemptOn = (
    job: RelayJob,
    attempt: Attempt,
    relay: (job: RelayJob, attempt: Attempt) => Effect.Effect<Relayed>,
  ): Effect.Effect<Relayed> =>
    Effect.suspend(() => {
      router.apply({ _tag: "DispatchStarted", instanceId: attempt.instance.id })
      return Effect.ensuring(
        relay(job, attempt),
        Effect.sync(() => router.apply({ _tag: "DispatchEnded", instanceId: attempt.instance.id })),
      )
    })

  return Effect.fnUntraced(function* (
    job: RelayJob,
    priced: Priced,
    relay: (job: RelayJob, attempt: Attempt) => Effect.Effect<Relayed>,
  ) {
    const { admitted, gate, flight, buyer } = job
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
      const number = attempts.length + 1
      const nowMs = yield* Clock.currentTimeMillis
      const signed = yield* Effect.orElseSucceed(
        ticket({ requestId: admitted.id, attempt: number, instance, hold: gate.amount, nowMs }),
        () => undefined,
      )
      if (signed === undefined) {
        ending = failed("service_unavailable")
        break
      }
      const relayed = yield* attemptOn(
        job,
        { number, instance, body: body(instance.contextLength), ticket: signed },
        relay,
      )
      ending = relayed.ending
      last = { relayed, instance }
      tried.push(instance.id)
      const reason = reasonOf(ending)
      attempts.push(reason === undefined ? { instance: instance.id } : { instance: instance.id, reason })
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
