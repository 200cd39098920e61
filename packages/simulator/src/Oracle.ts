/**
 * One that sees everything: the true length of each answer, what each engine has in hand, what its cache holds, and when it
 * will fail. It is greedy: for each request in turn it takes the cheapest instance, by what that request will really cost,
 * of those where this request will keep its objective. Where none will, it refuses at once, so that nobody else is late for
 * it. It does not look ahead to requests that have not come yet: a strong bound, and no proof that nobody does better.
 *
 * @since 0.1.0
 */
import type { InstanceId } from "@guildhall/core/Instance"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { Agenda } from "./Agenda.ts"
import type { Engine } from "./Engine.ts"
import type { Chooser } from "./Gateway.ts"
import type { Pool } from "./Provider.ts"
import type { Objective } from "./Request.ts"
import type { Fault } from "./Simulation.ts"

/**
 * The oracle, as what is simulated in place of a policy. It takes no instance on which a request would wait longer than
 * `waitMs` for the ones before it. Without that bound, only short prompts are soon enough for the cheap engines, where
 * everybody waits, and the long ones go where they are dear: each is served as cheaply as can be, and all together are not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Oracle {
  readonly _tag: "Oracle"
  readonly waitMs: number
}

/**
 * An oracle with this bound.
 *
 * @category constructors
 * @since 0.1.0
 */
export const waiting = (waitMs: number): Oracle => ({ _tag: "Oracle", waitMs })

/** Of the objective, this part: between a choice and its arrival a little may change. */
const MARGIN = 0.95

/**
 * The chooser of a simulation's oracle.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (world: {
  readonly pool: Pool
  readonly engines: ReadonlyArray<Engine>
  readonly faults: ReadonlyArray<Fault>
  readonly objective: Objective
  readonly agenda: Agenda
  readonly waitMs: number
}): (() => Chooser) => {
  const { agenda, engines, faults, objective, pool, waitMs } = world
  const fails = (engine: number, untilMs: number): boolean =>
    faults.some(({ atMs, engine: at, health, speed = 1 }) => {
      const isBad = health !== "well" || speed < 1
      return at === engine && isBad && atMs > agenda.nowMs && atMs <= untilMs
    })
  return () => (request, routing) => {
    const { work } = request
    let best: InstanceId | undefined
    let bestCost = 0n
    for (const { engine: at, instance } of pool.providers) {
      const engine = engines[at]
      if (engine === undefined || routing.tried.includes(instance.id)) continue
      const firstTokenMs = engine.firstTokenInMs(work)
      if (agenda.nowMs - request.atMs + firstTokenMs > objective.firstTokenMs * MARGIN) continue
      if (firstTokenMs - engine.prefillMs(work) > waitMs) continue
      const paceMs = engine.nextPaceMs()
      if (fails(at, agenda.nowMs + firstTokenMs + work.outputTokens * paceMs * 1.2)) continue
      if (paceMs > objective.tokenMs * MARGIN) continue
      const cachedInputToken = engine.cache.held(work.key, work.sharedTokens)
      const inputToken = work.inputTokens - cachedInputToken
      const cost = PriceSheet.cost(instance.price, { inputToken, cachedInputToken, outputToken: work.outputTokens })
      if (best !== undefined && cost >= bestCost) continue
      best = instance.id
      bestCost = cost
    }
    return best
  }
}
