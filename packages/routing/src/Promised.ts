/**
 * How the share was kept that a policy promises to instances of guaranteed tiers, counted from decisions that are made again. It
 * asks the log and the policy alone, so it shows as well what a gateway did not say was owed.
 *
 * @since 0.1.0
 */
import type { InstanceId } from "@guildhall/core/Instance"
import * as Guaranteed from "./Guaranteed.ts"
import type { Candidate, Ranking, RoutingPolicy, RoutingRequest } from "./RoutingPolicy.ts"

/**
 * What was found: `matching` requests that the tier could take, or could have if it had not been full; `offered` of them to it,
 * where `promised` were due; `shortfall` is how many that was too few, and `full` at how many the whole tier was full.
 *
 * @category models
 * @since 0.1.0
 */
export interface Promised {
  readonly matching: number
  readonly offered: number
  readonly promised: number
  readonly shortfall: number
  readonly full: number
}

/**
 * A request as it was decided, once at each model: who there was, whom it went to, and how they ranked. There may be no ranking
 * where it went to one of those who are asked about. `isOwn` says of whom the requests are counted, all of the tier where it does
 * not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Seen {
  readonly policy: RoutingPolicy
  readonly request: RoutingRequest
  readonly candidates: ReadonlyArray<Candidate>
  readonly chosen: InstanceId | undefined
  readonly ranking: Ranking | undefined
  readonly isOwn?: ((id: InstanceId) => boolean) | undefined
}

/**
 * Makes a count. Its report is `undefined` while nothing was promised.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = () => {
  let [matching, offered, due, full] = [0, 0, 0, 0]

  const add = ({ candidates, chosen, isOwn, policy, ranking, request }: Seen): void => {
    const { guaranteedPercent = 0 } = policy
    if (!(guaranteedPercent > 0) || !Guaranteed.isAllotted(request)) return
    const tier = new Set(candidates.filter(Guaranteed.isGuaranteed).map(({ instance }) => instance.id))
    const own = isOwn === undefined ? tier : new Set([...tier].filter(isOwn))
    if (own.size === 0) return
    if (ranking !== undefined) {
      const isFull = ranking.excluded.some(({ code, instance }) => code === "concurrency_full" && own.has(instance))
      if (!isFull && !ranking.ranked.some(({ instance }) => own.has(instance))) return
      if (!ranking.ranked.some(({ instance }) => tier.has(instance))) full++
    }
    matching++
    due += guaranteedPercent
    if (chosen !== undefined && tier.has(chosen)) offered++
  }

  const report = (): Promised | undefined => {
    const promised = Math.floor(due / 100 + 1e-9)
    const shortfall = Math.max(0, promised - offered)
    return matching === 0 ? undefined : { matching, offered, promised, shortfall, full }
  }

  return { add, report } as const
}
