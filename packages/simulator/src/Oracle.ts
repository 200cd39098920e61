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
import * as Draw from "@guildhall/routing/Draw"
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
 * One that `clings` sends prompts that begin alike to the same instances, in an order of their own, as long as those keep the
 * objective: what is cheapest now fills every cache with the same.
 *
 * @category models
 * @since 0.1.0
 */
export interface Oracle {
  readonly _tag: "Oracle"
  readonly waitMs: number
  readonly clings: boolean
}

/**
 * An oracle with this bound.
 *
 * @category constructors
 * @since 0.1.0
 */
export const waiting = (waitMs: number, clings = false): Oracle => ({ _tag: "Oracle", waitMs, clings })

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
  readonly oracle: Oracle
}): (() => Chooser) => {
  const { agenda, engines, faults, objective, oracle, pool } = world
  const hashes = pool.providers.map(({ instance }) => Draw.ofId(instance.id))
  const fails = (engine: number, untilMs: number): boolean =>
    faults.some(({ atMs, engine: at, health, speed = 1 }) => {
      const isBad = health !== "well" || speed < 1
      return at === engine && isBad && atMs > agenda.nowMs && atMs <= untilMs
    })
  return () => (request, routing) => {
    const { work } = request
    let best: InstanceId | undefined
    let least = 0n
    const ofKey = oracle.clings && work.sharedTokens > 0 ? Draw.ofSeed(Draw.ofId(work.key ?? "")) : undefined
    for (const [row, { engine: at, instance }] of pool.providers.entries()) {
      const engine = engines[at]
      if (engine === undefined || routing.tried.includes(instance.id)) continue
      const firstTokenMs = engine.firstTokenInMs(work)
      if (agenda.nowMs - request.atMs + firstTokenMs > objective.firstTokenMs * MARGIN) continue
      if (firstTokenMs - engine.prefillMs(work) > oracle.waitMs) continue
      const paceMs = engine.nextPaceMs()
      if (fails(at, agenda.nowMs + firstTokenMs + work.outputTokens * paceMs * 1.2)) continue
      if (paceMs > objective.tokenMs * MARGIN) continue
      if (ofKey !== undefined) {
        const lot = BigInt(Draw.lot(ofKey, hashes[row] ?? 0))
        if (best !== undefined && lot >= least) continue
        best = instance.id
        least = lot
        continue
      }
      const cachedInputToken = engine.cache.held(work.key, work.sharedTokens)
      const inputToken = work.inputTokens - cachedInputToken
      const cost = PriceSheet.cost(instance.price, { inputToken, cachedInputToken, outputToken: work.outputTokens })
      if (best !== undefined && cost >= least) continue
      best = instance.id
      least = cost
    }
    return best
  }
}
