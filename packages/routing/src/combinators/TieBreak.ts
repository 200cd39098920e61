/**
 * The combinator `tieBreak`: where one policy holds candidates for equals, another decides among them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Parts from "@guildhall/core/Parts"
import * as Schema from "effect/Schema"
import * as Naming from "../internal/Naming.ts"
import * as Reads from "../internal/Reads.ts"
import { RoutingPolicy } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * Orders by `policy`, and its equals by `by`. A policy that draws holds none for equals; one that only ranks neither.
 *
 * With two policies by standing that are equal where their `first` is, the result has a fast form.
 *
 * @category combinators
 * @since 0.1.0
 */
export const tieBreak = (policy: RoutingPolicy, by: RoutingPolicy): Scored.Scored => {
  const name = Naming.made("tieBreak", [policy, by].map(Naming.one))
  if (Scored.isStandings(policy) && Scored.isStandings(by) && policy.isByFirst && by.isByFirst) {
    return byStanding(name, policy, by)
  }
  const first = Scored.lift(policy)
  const second = Scored.lift(by)
  const score = (pool: Scored.Pool): Scored.Score => {
    const one = first.score(pool)
    const other = second.score(pool)
    // What follows are lots, which would leave no equals.
    const columns = Scored.isStandings(first) && first.isByFirst ? one.columns.slice(0, 1) : one.columns
    return {
      columns: [...columns, ...other.columns],
      because: (row) => `${one.because(row)}; ${other.because(row)}`,
      codes: pool.candidates.map((_, row) => one.codes?.[row] ?? other.codes?.[row]),
    }
  }
  const made = Scored.make({
    name,
    version: 1,
    ...Reads.ofAll([policy, by]),
    score,
    filters: [...first.filters, ...second.filters],
  })
  return { ...made, ...Reads.promised([policy, by]) }
}

const byStanding = (name: string, policy: Scored.Standings, by: Scored.Standings): Scored.Standings =>
  Scored.standings({
    name,
    version: 1,
    ...Reads.ofAll([policy, by]),
    filters: [...policy.filters, ...by.filters],
    table: (length) => {
      const ofFirst = policy.table(length)
      const ofSecond = by.table(length)
      return {
        first: ofFirst.first,
        second: ofSecond.first,
        stand: (candidate, row) => {
          ofFirst.stand(candidate, row, 0)
          ofSecond.stand(candidate, row, 0)
        },
        because: (row) => `${ofFirst.because(row)}; ${ofSecond.because(row)}`,
      }
    },
  })

/**
 * The part by which a definition names the combinator: `{ use: "tieBreak", with: { policy: { … }, by: { … } } }`.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.composed(RoutingPolicy, {
  name: "tieBreak",
  settings: Schema.Struct({ policy: Parts.PartRef, by: Parts.PartRef }),
  make: Effect.fnUntraced(function* ({ by, policy }, parts) {
    return tieBreak(yield* parts.resolve(RoutingPolicy, policy), yield* parts.resolve(RoutingPolicy, by))
  }),
})
