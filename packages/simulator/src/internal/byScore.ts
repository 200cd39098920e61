import * as Draw from "@guildhall/routing/Draw"
import { exclude } from "@guildhall/routing/Filter"
import type { Candidate, Ranking, RoutingPolicy, RoutingRequest } from "@guildhall/routing/RoutingPolicy"

/** How one request's candidates are scored: the lowest is first. */
interface Scoring {
  readonly score: (candidate: Candidate) => number
  readonly because: (score: number) => string
}

/** A policy that ranks what the filters leave by a score, ties by lot. */
export const byScore = (
  name: string,
  scoring: (seed: number, request: RoutingRequest, eligible: ReadonlyArray<Candidate>) => Scoring,
): RoutingPolicy => ({
  name,
  version: 1,
  rank: (request, candidates, seed): Ranking => {
    const eligible: Array<Candidate> = []
    const excluded: Array<Ranking["excluded"][number]> = []
    for (const candidate of candidates) {
      const code = exclude(request, candidate)
      if (code === undefined) eligible.push(candidate)
      else excluded.push({ instance: candidate.instance.id, code })
    }
    const ofSeed = Draw.ofSeed(seed)
    const { because, score } = scoring(seed, request, eligible)
    const ranked = eligible
      .map((candidate) => {
        const { id } = candidate.instance
        return { id, score: score(candidate), lot: Draw.lot(ofSeed, Draw.ofId(id)) }
      })
      .sort((a, b) => a.score - b.score || a.lot - b.lot || (a.id < b.id ? -1 : 1))
      .map((one) => ({ instance: one.id, because: because(one.score) }))
    return { ranked, excluded }
  },
})
