/**
 * The combinator `partitionBy`: chance is dealt to owners, not to instances. One machine that is listed fifty times then wins
 * no more draws than one that is listed once.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Parts from "@guildhall/core/Parts"
import * as Schema from "effect/Schema"
import * as Draw from "../Draw.ts"
import * as Lots from "../internal/Lots.ts"
import * as Naming from "../internal/Naming.ts"
import * as Reads from "../internal/Reads.ts"
import { type Candidate, RoutingPolicy } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * What instances are put together by: the device that they run on, the member that owns them, the provider's name, or where
 * they stand. One that has not said it stands for itself.
 *
 * @category models
 * @since 0.1.0
 */
export const Attribute = Schema.Literals(["device", "member", "provider", "region", "country"])
/** @since 0.1.0 */
export type Attribute = typeof Attribute.Type

/**
 * The name of the partition in which a candidate stands.
 *
 * @category rules
 * @since 0.1.0
 */
export const partitionOf = ({ instance }: Candidate, by: Attribute): string => {
  switch (by) {
    case "device":
      return instance.deviceId
    case "member":
      return instance.memberId
    default:
      return instance[by] ?? instance.id
  }
}

/**
 * Orders as the policy does, but each partition has one lot, which all of its instances share; among those of one partition
 * their own lots decide. So partitions that stand alike are drawn as often, and one that draws by weight is drawn by that of
 * its best instance.
 *
 * It changes what chance decides and nothing else: a load is still that of each instance, and a policy that only ranks is left
 * as it is.
 *
 * @category combinators
 * @since 0.1.0
 */
export const partitionBy = (by: Attribute, policy: RoutingPolicy): Scored.Scored => {
  const inner = Scored.lift(policy)
  const score = (pool: Scored.Pool): Scored.Score => {
    const names = pool.candidates.map((candidate) => partitionOf(candidate, by))
    const places = new Map([...new Set(names)].map((name, place) => [name, place]))
    const unique = [...places.keys()]
    const tree = Lots.treeOf(unique)
    const draw = (ofSeed: number): Float64Array => {
      const lots = Lots.draw(tree, ofSeed)
      return Scored.column(names.length, (row) => lots[places.get(names[row] ?? "") ?? 0] ?? 0)
    }
    const lots = draw(Draw.ofSeed(pool.seed))
    const scored = inner.score({ ...pool, lots, draw })
    return {
      columns: [...scored.columns, lots],
      because: (row) => `${by} ${names[row] ?? ""}: ${scored.because(row)}`,
      codes: scored.codes,
    }
  }
  const name = Naming.made("partitionBy", [by, Naming.one(policy)])
  const made = Scored.make({ name, version: 1, ...Reads.ofAll([policy]), score, filters: inner.filters })
  return { ...made, ...Reads.promised([policy]) }
}

/**
 * The part by which a definition names the combinator: `{ use: "partitionBy", with: { by: "device", policy: { … } } }`.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.composed(RoutingPolicy, {
  name: "partitionBy",
  settings: Schema.Struct({ by: Attribute, policy: Parts.PartRef }),
  make: ({ by, policy }, parts) => Effect.map(parts.resolve(RoutingPolicy, policy), (one) => partitionBy(by, one)),
})
