/**
 * The policy `GreenFirst`: instances in regions whose power is clean serve first, the least loaded of them; the others take
 * what is left over.
 */
import * as Parts from "@guildhall/core/Parts"
import * as Load from "@guildhall/routing/Load"
import { RoutingPolicy } from "@guildhall/routing/RoutingPolicy"
import * as Scored from "@guildhall/routing/Scored"

/** Who changes this list changes the policy: raise its version then, so that older decisions are not taken for wrong ones. */
const green: ReadonlySet<string> = new Set(["is-west", "no-south", "se-north"])

export const greenFirst = Scored.standings({
  name: "GreenFirst",
  version: 1,
  table: (length) => {
    const isOther = new Float64Array(length)
    const load = new Float64Array(length)
    return {
      first: isOther,
      second: load,
      stand: (candidate, row) => {
        isOther[row] = green.has(candidate.instance.region ?? "") ? 0 : 1
        load[row] = Load.inFlight(candidate) / Load.capacity(candidate)
      },
      because: (row) =>
        `${isOther[row] === 0 ? "clean" : "other"} power, ${Math.round(100 * (load[row] ?? 0))} % in use`,
    }
  },
})

/** With this among the parts of a market, its definition may say `"routing": { "use": "GreenFirst" }`. */
export const part = Parts.part(RoutingPolicy, {
  name: greenFirst.name,
  settings: Parts.NoSettings,
  make: () => greenFirst,
})
