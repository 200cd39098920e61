import type { InstanceId } from "@guildhall/core/Instance"
import type { Standing } from "../Recount.ts"
import type * as Verdict from "../tokens/Verdict.ts"

/** So many instances are remembered; beyond it the one seen first is forgotten. */
const STANDINGS_MAX = 10_000

/** How the reports of instances have stood up to exact counts. */
export const make = () => {
  const standings = new Map<InstanceId, Standing>()
  return {
    of: (instance: InstanceId): Standing | undefined => standings.get(instance),
    add: (instance: InstanceId | undefined, verdict: Verdict.Verdict): void => {
      if (instance === undefined || verdict._tag === "unknown") return
      const before = standings.get(instance) ?? { counted: 0, lowered: 0, higher: 0 }
      const [oldest] = standings.keys()
      if (standings.size >= STANDINGS_MAX && !standings.has(instance) && oldest !== undefined) standings.delete(oldest)
      standings.set(instance, {
        counted: before.counted + 1,
        lowered: before.lowered + (verdict._tag === "lowered" ? 1 : 0),
        higher: before.higher + (verdict._tag === "higher" ? 1 : 0),
      })
    },
  }
}
