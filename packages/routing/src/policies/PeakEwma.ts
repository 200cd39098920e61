/**
 * The policy `PeakEwma`: of two instances drawn at random, the one serves that will likely answer sooner: its time to the
 * first token and for the likely number of further ones, times the requests that it has and this one. Never the time of
 * whole requests, which says more of their length than of who served them.
 *
 * @since 0.1.0
 */
import * as Parts from "@guildhall/core/Parts"
import * as Schema from "effect/Schema"
import * as Draw from "../Draw.ts"
import { smallest } from "../internal/Order.ts"
import * as Naming from "../internal/Naming.ts"
import { count, setting, tokens } from "../internal/Settings.ts"
import { type Finding, shelves } from "../internal/Shelves.ts"
import { StandingIndex } from "../internal/StandingIndex.ts"
import * as Load from "../Load.ts"
import { type Candidate, RoutingPolicy, type RoutingRequest } from "../RoutingPolicy.ts"
import * as Scored from "../Scored.ts"

/**
 * The settings.
 *
 * - `choices`: how many are drawn, 2 by default: the choice of two is within `ln ln n` of the best of all, and no herd runs
 *   to one instance between two reports of it (Finagle, `Clients.rst`).
 * - `outputTokens`: how many tokens count where the request does not say, 250 by default.
 * - `unknownMs`: what an instance of unknown pace counts for while it has a request, 100,000 by default: large, so that no
 *   crowd is sent to one that nobody has seen answer. With none it counts as instant, so that it is tried.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  choices: count(1, 16, 2),
  outputTokens: tokens(250),
  unknownMs: setting(0, 1e9, 100_000),
})
/** @since 0.1.0 */
export type Settings = typeof Settings.Type

/**
 * The settings where nothing is said.
 *
 * @category constants
 * @since 0.1.0
 */
export const usual: Settings = Schema.decodeUnknownSync(Settings)({})

/** In the index all are equal: it says who is drawn. */
const alike: Omit<Scored.Table, "because"> = { stand: () => {} }

/**
 * Makes the policy. `pace` of a rating is what it goes by: moving averages that rise at once and fall slowly.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (settings: Settings): Scored.Scored => {
  const costOf = (request: RoutingRequest, candidate: Candidate): number => {
    const pending = Load.inFlight(candidate)
    const pace = candidate.rating?.pace
    if (pace === undefined) return pending === 0 ? 0 : settings.unknownMs * (pending + 1)
    const tokens = request.features?.outputTokens ?? settings.outputTokens
    return (pace.firstTokenMs + (tokens * pace.tokenUs) / 1_000) * (pending + 1)
  }
  const score = ({ candidates, lots, request }: Scored.Pool): Scored.Score => {
    const lowest = smallest(lots, settings.choices).at(-1) ?? Infinity
    const costs = Scored.column(candidates.length, (row) => {
      const candidate = candidates[row]
      return candidate !== undefined && (lots[row] ?? 0) <= lowest ? costOf(request, candidate) : Infinity
    })
    const because = (row: number): string => {
      const cost = costs[row] ?? 0
      const lot = `lot ${(lots[row] ?? 0).toPrecision(6)}`
      return cost < Number.MAX_VALUE ? `drawn, ${cost} ms of waiting, ${lot}` : `not among the drawn, ${lot}`
    }
    return { columns: [costs], because }
  }
  const finding: Finding<StandingIndex> = {
    index: () => new StandingIndex(alike),
    find: (indexOf, request, seed, mayServe) => {
      let drawn = 0
      let best: Candidate | undefined
      let least = Infinity
      indexOf(0)?.walk(Draw.ofSeed(seed), (candidate) => {
        if (!mayServe(candidate)) return false
        const cost = costOf(request, candidate)
        if (best === undefined || cost < least) {
          best = candidate
          least = cost
        }
        return ++drawn >= settings.choices
      })
      return best?.instance.id
    },
  }
  return Scored.make({
    name: Naming.withSettings("PeakEwma", settings, usual),
    version: 1,
    reads: ["outputTokens", "pace"],
    score,
    find: (...on) => shelves(finding, ...on),
  })
}

/**
 * The part by which a definition names the policy: `{ use: "PeakEwma" }`, with {@link Settings}.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingPolicy, { name: "PeakEwma", settings: Settings, make })
