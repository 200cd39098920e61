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
  stand: (candidate) => ({
    first: green.has(candidate.instance.region ?? "") ? 0 : 1,
    second: Load.inFlight(candidate) / Load.capacity(candidate),
    weight: 1,
  }),
  because: ({ first, second }) => `${first === 0 ? "clean" : "other"} power, ${Math.round(100 * second)} % in use`,
})

/** With this among the parts of a market, its definition may say `"routing": { "use": "GreenFirst" }`. */
export const part = Parts.part(RoutingPolicy, {
  name: greenFirst.name,
  settings: Parts.NoSettings,
  make: () => greenFirst,
})
