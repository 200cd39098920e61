/**
 * Step 4. Chooses an instance and, while nothing has gone to the buyer, another one after a failure. What was chosen is
 * recorded by reference, so that it can be explained later.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Instance } from "@guildhall/core/Instance"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { RoutingDecision } from "@guildhall/journal/JournalEntry"
import { Router } from "@guildhall/routing/Router"
import type { Admitted } from "./Admit.ts"
import * as Features from "./Features.ts"
import type * as Hedge from "./Hedge.ts"
import * as Attempts from "./internal/Attempts.ts"
import type { Ending } from "./internal/Exchange.ts"
import * as Ids from "./internal/Ids.ts"
import * as NoneLeft from "./internal/NoneLeft.ts"
import * as Ticks from "./internal/Ticks.ts"
import { Market } from "./Market.ts"
import type { Priced } from "./Price.ts"
import type { Attempt, RelayJob, Relayed } from "./Relay.ts"
import * as RetryBudget from "./RetryBudget.ts"

/**
 * What came of a request's attempts: how the last one ended, on which instance, and how it came to that.
 * `relayed` is absent where no instance was asked. `hedges` are the attempts that were asked beside another one and lost.
 * `retryMs` says when another attempt could be afforded, where the budget for them was spent, and `busyS` how soon one
 * of the providers wants to be asked again, where they were too busy.
 *
 * @category models
 * @since 0.1.0
 */
export interface Routed {
  readonly ending: Ending
  readonly relayed: Relayed | undefined
  readonly instance: Instance | undefined
  readonly decision: RoutingDecision
  readonly hedges: ReadonlyArray<Tried>
  readonly firstByteAtMs: number | undefined
  readonly retryMs: number | undefined
  readonly busyS: number | undefined
}

/**
 * An instance that was asked, and what came of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tried {
  readonly number: number
  readonly instance: Instance
  readonly version: number
  readonly relayed: Relayed
}

const failed = (reason: ReasonCode): Ending => ({ _tag: "Failed", reason, retry: false })

/** How soon one of those that were too busy wants to be asked again, or the queue before them. */
const busyS = (ending: Ending, tried: ReadonlyArray<Tried>): number | undefined => {
  if (ending._tag !== "Failed") return undefined
  if (ending.reason !== "provider_busy") return tried.length === 0 ? ending.retryAfterS : undefined
  const waits = tried.flatMap(({ relayed: { ending } }) =>
    ending._tag === "Failed" && ending.retryAfterS !== undefined ? [ending.retryAfterS] : [],
  )
  return waits.length === 0 ? undefined : Math.min(...waits)
}

const isLost = ({ relayed }: Pick<Tried, "relayed">): boolean =>
  relayed.ending._tag === "Failed" && relayed.ending.reason === "hedge_lost"

/**
 * Makes the step. The effect that it gives cannot fail; a request that no instance could serve ends with a reason.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (hedge: Hedge.Hedge) {
  const { definition } = yield* Market
  const router = yield* Router
  const { attempt, conclude, decisionOf } = yield* Attempts.make(hedge)
  const featuresOf = yield* Features.make
  const retryBudget = RetryBudget.make(definition.relay.retries, Ticks.now())

  /** One attempt, or two side by side where the first is slower than it usually is. */
  const round = (way: Attempts.Way) => {
    const { admitted, outlet } = way.job
    const one = attempt(way)
    if (!hedge.isOn || !admitted.touched.stream) return Effect.map(one, (result) => [result])
    return hedge.race(one, one, {
      usualMs: () => {
        const asked = way.asked.at(-1)
        return asked === undefined ? undefined : hedge.usualMs(asked)
      },
      isSlow: () => !outlet.shows() && outlet.gate.state === "open",
      amount: way.priced.cost(0),
    })
  }

  /** A buyer who allows no fallback gets one attempt, or one for each provider in its order. */
  const mayFallBack = ({ models, preferences }: Admitted, tries: number): boolean =>
    preferences?.fallbacks !== false || preferences.order !== undefined || tries < models.length

  const mayRetry = ({ job, skipped, tried }: Attempts.Way, ending: Ending): boolean =>
    ending._tag === "Failed" &&
    ending.retry &&
    tried.length - skipped < definition.attempts &&
    mayFallBack(job.admitted, tried.length - skipped) &&
    job.flight.stopped === undefined &&
    !job.outlet.gone &&
    Ticks.now() < job.deadline

  /** A reason that is nobody's own is that of all instances of the model that was asked for. */
  const told = ({ job, priced }: Attempts.Way, ending: Ending): Ending => {
    if (ending._tag !== "Failed" || ending.detail !== undefined) return ending
    const { endpoint, model, preferences, where: features } = job.admitted
    const asked = { model, contextTokens: priced.contextTokens, endpoint: endpoint.name, preferences, features }
    return { ...ending, detail: NoneLeft.words(ending.reason, asked, router.instances(model)) }
  }

  return Effect.fnUntraced(function* (
    job: RelayJob,
    priced: Priced,
    carry: (job: RelayJob, attempt: Attempt) => Effect.Effect<Relayed>,
  ) {
    const way: Attempts.Way = {
      job,
      priced,
      gate: job.outlet.gate,
      seed: Ids.seed(),
      features: featuresOf(job.admitted, priced),
      carry,
      tried: [],
      asked: [],
      version: undefined,
      counted: [],
      offered: [],
      noneLeft: undefined,
      full: undefined,
      skipped: 0,
      wordless: undefined,
    }
    let last: Tried | undefined
    let ending: Ending = failed("no_capacity")
    retryBudget.request()
    for (;;) {
      const results = yield* round(way)
      const tried = results.flatMap((result) => ("relayed" in result ? [result] : []))
      way.tried.push(...tried)
      last = tried.find((one) => one.relayed.ending._tag !== "Failed") ?? tried.find((one) => !isLost(one)) ?? last
      const [stop] = results.flatMap((result) => ("relayed" in result ? [] : [result]))
      // What the last instance said is closer to the truth than that there is no other.
      if (last !== undefined) ending = last.relayed.ending
      else if (stop !== undefined) ending = told(way, stop)
      if (stop !== undefined || !mayRetry(way, ending)) break
      if (!retryBudget.take(Ticks.now())) break
    }
    if (ending._tag !== "Completed") yield* conclude(way)
    if (job.flight.stopped !== undefined && ending._tag === "Failed") ending = failed(job.flight.stopped)
    const isOut = ending._tag === "Failed" && ending.retry && retryBudget.isSpent(Ticks.now())
    return {
      ending,
      relayed: last?.relayed,
      instance: last?.instance,
      decision: decisionOf(way),
      hedges: way.tried.filter((one) => isLost(one) && one.relayed.sent),
      firstByteAtMs: job.outlet.firstByteAtMs,
      retryMs: isOut ? (retryBudget.waitMs(Ticks.now()) ?? 1_000) : undefined,
      busyS: busyS(ending, way.tried),
    } satisfies Routed
  })
})
