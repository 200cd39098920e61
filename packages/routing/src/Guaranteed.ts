/**
 * What a gateway keeps of a promised share: where the policy promises instances of guaranteed tiers a part of the requests that
 * they could take, an account for each model says which requests are owed to them (see `rules/Guarantee`).
 *
 * Each gateway keeps its own. Each keeps the share of the requests that it routes, so together they keep it of all. A new start
 * begins with nothing owed.
 *
 * @since 0.1.0
 */
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import * as Guarantee from "@guildhall/core/rules/Guarantee"
import { exclude, type Filter } from "./Filter.ts"
import * as Preferred from "./Preferred.ts"
import type { Candidate, DirectoryView, RoutingPolicy, RoutingRequest } from "./RoutingPolicy.ts"
import * as Scored from "./Scored.ts"

/**
 * The accounts of a gateway.
 *
 * - `asked` takes in a request, once at each model: whether it is one that counts. Ask again where it was not.
 * - `isDue`: whether one that counts, and is about to be routed, is owed.
 * - `offered` takes in to whom it went, once at each model, whether it was owed or not.
 * - `owed`: what is owed now, of models that have an instance of a guaranteed tier.
 *
 * @category models
 * @since 0.1.0
 */
export interface Guaranteed {
  readonly asked: (request: RoutingRequest) => boolean
  readonly isDue: (model: ModelId) => boolean
  readonly offered: (instance: Instance) => void
  readonly owed: () => ReadonlyMap<ModelId, Guarantee.Account>
}

/**
 * Whether an instance is of a guaranteed tier.
 *
 * @category guards
 * @since 0.1.0
 */
export const isGuaranteed = ({ rating }: Candidate): boolean => rating?.tier?.priority === "guaranteed"

/**
 * Whether the market decides who gets a request. Where the buyer has an order of its own, it does not: such a request is
 * promised to nobody, and counts for nobody.
 *
 * @category guards
 * @since 0.1.0
 */
export const isAllotted = ({ preferences }: RoutingRequest): boolean =>
  preferences === undefined || !Preferred.reorders(preferences)

/**
 * What is counted: a request that fits an instance of a guaranteed tier, one that went to such an instance, and an offer that
 * was owed and is forfeited.
 *
 * @category models
 * @since 0.1.0
 */
export type Counted = "matching" | "offered" | "forfeited"

/** How many there are of one model, which of them are online, and what they are owed. */
interface Share {
  count: number
  readonly online: Set<InstanceId>
  account: Guarantee.Account
}

/**
 * Makes the accounts of a directory; undefined where the policy promises nothing, or does not look at what is owed.
 * `count` is told of each thing that is counted, with how many.
 *
 * A request fits an instance if nothing stops it but that the instance is full: those who are full are owed what they miss, up
 * to `Guarantee.OWED_MAX`. To find one that a request fits takes no longer for many who are full or offline.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (
  directory: DirectoryView,
  policy: RoutingPolicy,
  count: (counted: Counted, by: number) => void,
): Guaranteed | undefined => {
  const { guaranteedPercent = 0, reads } = policy
  if (!(guaranteedPercent > 0) || reads?.includes("owed") === false) return undefined
  const filters: ReadonlyArray<Filter> = Scored.isScored(policy) ? policy.filters : []
  const shares = new Map<ModelId, Share>()
  const models = new Map<InstanceId, ModelId>()

  const leave = (id: InstanceId, model: ModelId): void => {
    models.delete(id)
    const share = shares.get(model)
    if (share === undefined) return
    share.online.delete(id)
    if (--share.count === 0) shares.delete(model)
  }
  const enter = (id: InstanceId, model: ModelId): void => {
    models.set(id, model)
    const share = shares.get(model)
    if (share === undefined) shares.set(model, { count: 1, online: new Set(), account: Guarantee.empty })
    else share.count++
  }
  directory.onChange((id) => {
    const candidate = directory.candidate(id)
    const model = candidate !== undefined && isGuaranteed(candidate) ? candidate.instance.model : undefined
    const known = models.get(id)
    if (known !== model) {
      if (known !== undefined) leave(id, known)
      if (model !== undefined) enter(id, model)
    }
    const share = model === undefined ? undefined : shares.get(model)
    if (share === undefined) return
    // Nothing is added that is there, nor taken away that is not: most changes are of what is in flight.
    const isOnline = candidate?.instance.state === "online"
    if (share.online.has(id) === isOnline) return
    if (isOnline) share.online.add(id)
    else share.online.delete(id)
  })

  const fits = (request: RoutingRequest, id: InstanceId): boolean => {
    const candidate = directory.candidate(id)
    if (candidate === undefined) return false
    const code = exclude(request, candidate)
    if (code !== undefined && code !== "concurrency_full") return false
    for (const filter of filters) if (filter(request, candidate) !== undefined) return false
    return true
  }

  const asked = (request: RoutingRequest): boolean => {
    const share = shares.get(request.model)
    if (share === undefined || !isAllotted(request)) return false
    for (const id of share.online) {
      if (!fits(request, id)) continue
      const { account } = share
      share.account = Guarantee.asked(account, guaranteedPercent)
      count("matching", 1)
      const lost = Guarantee.forfeited(share.account) - Guarantee.forfeited(account)
      if (lost > 0) count("forfeited", lost)
      return true
    }
    return false
  }
  const isDue = (model: ModelId): boolean => {
    const share = shares.get(model)
    return share !== undefined && Guarantee.isDue(share.account)
  }
  const offered = ({ id }: Instance): void => {
    const model = models.get(id)
    const share = model === undefined ? undefined : shares.get(model)
    if (share === undefined) return
    share.account = Guarantee.offered(share.account)
    count("offered", 1)
  }
  const owed = () => new Map([...shares].map(([model, { account }]) => [model, account]))

  return { asked, isDue, offered, owed }
}
