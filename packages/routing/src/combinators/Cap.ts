/**
 * The combinator `cap`: nobody carries more than a share of what is in flight for a model, while there are others.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Parts from "@guildhall/core/Parts"
import * as Schema from "effect/Schema"
import { setting } from "../internal/Settings.ts"
import * as Load from "../Load.ts"
import * as Naming from "../internal/Naming.ts"
import * as Reads from "../internal/Reads.ts"
import { type Candidate, type Ranking, RoutingPolicy, type RoutingRequest } from "../RoutingPolicy.ts"
import { Attribute, partitionOf } from "./PartitionBy.ts"

/**
 * Whose share is bounded, and by how much: `percent` of the requests in flight for the model. `slack` requests are anyone's
 * (10 by default), so that a quiet market is not split by a rule for a busy one.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings {
  readonly by: Attribute
  readonly percent: number
  readonly slack: number
}

/** Which partitions carry more than their share. */
const overloaded = (
  { by, percent, slack }: Settings,
  { model }: RoutingRequest,
  candidates: ReadonlyArray<Candidate>,
): ReadonlySet<string> => {
  const carried = new Map<string, number>()
  let total = 0
  for (const candidate of candidates) {
    if (candidate.instance.model !== model) continue
    const partition = partitionOf(candidate, by)
    const inFlight = Load.inFlight(candidate)
    carried.set(partition, (carried.get(partition) ?? 0) + inFlight)
    total += inFlight
  }
  const most = (total * percent) / 100 + slack
  return new Set([...carried].flatMap(([partition, inFlight]) => (inFlight > most ? [partition] : [])))
}

/**
 * Ranks as the policy does, with the instances of those over their share behind all others. None is left out: where nobody
 * else is there, they serve.
 *
 * @category combinators
 * @since 0.1.0
 */
export const cap = (settings: Settings, policy: RoutingPolicy): RoutingPolicy => {
  const rank = (request: RoutingRequest, candidates: ReadonlyArray<Candidate>, seed: number): Ranking => {
    const ranking = policy.rank(request, candidates, seed)
    const over = overloaded(settings, request, candidates)
    if (over.size === 0) return ranking
    const partitions = new Map(candidates.map((one) => [one.instance.id, partitionOf(one, settings.by)]))
    const isOver = ({ instance }: Ranking["ranked"][number]): boolean => over.has(partitions.get(instance) ?? "")
    const behind = ranking.ranked.filter(isOver).map(({ because, instance }) => ({
      instance,
      because: `its ${settings.by} carries over ${settings.percent} %, ${because}`,
    }))
    return { ranked: [...ranking.ranked.filter((entry) => !isOver(entry)), ...behind], excluded: ranking.excluded }
  }
  const { by, percent, slack } = settings
  return {
    name: Naming.made("cap", [by, `${percent}`, `${slack}`, Naming.one(policy)]),
    version: 1,
    ...Reads.ofAll([policy]),
    ...Reads.promised([policy]),
    rank,
  }
}

/**
 * The part by which a definition names the combinator:
 * `{ use: "cap", with: { by: "member", percent: 40, policy: { … } } }`.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.composed(RoutingPolicy, {
  name: "cap",
  settings: Schema.Struct({
    by: Attribute,
    percent: Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100 }))),
    slack: setting(0, 1e9, 10),
    policy: Parts.PartRef,
  }),
  make: ({ by, percent, policy, slack }, parts) =>
    Effect.map(parts.resolve(RoutingPolicy, policy), (one) => cap({ by, percent, slack }, one)),
})
