/**
 * When votes make a verdict: when enough distinct voters say the same.
 *
 * @since 0.1.0
 */

/**
 * A vote: whose, and what it says.
 *
 * @category models
 * @since 0.1.0
 */
export interface Vote {
  readonly voter: string
  readonly verdict: string
}

/**
 * The first verdict that `quorum` distinct voters gave, in the order of their votes, with those who gave it, also after. A
 * voter's first vote counts. Undefined while none has enough.
 *
 * **Example** (Three of five)
 *
 * ```ts
 * import { Vote } from "@guildhall/core/rules"
 *
 * const votes = [
 *   { voter: "a", verdict: "good" },
 *   { voter: "b", verdict: "bad" },
 *   { voter: "c", verdict: "bad" },
 *   { voter: "c", verdict: "bad" },
 * ]
 * Vote.verdict(votes, 3) // => undefined
 * Vote.verdict([...votes, { voter: "d", verdict: "bad" }], 3) // => { verdict: "bad", voters: ["b", "c", "d"] }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const verdict = (
  votes: ReadonlyArray<Vote>,
  quorum: number,
): { readonly verdict: string; readonly voters: ReadonlyArray<string> } | undefined => {
  const byVerdict = new Map<string, Array<string>>()
  const seen = new Set<string>()
  let reached: string | undefined
  for (const vote of votes) {
    if (seen.has(vote.voter)) continue
    seen.add(vote.voter)
    const voters = byVerdict.get(vote.verdict) ?? []
    voters.push(vote.voter)
    byVerdict.set(vote.verdict, voters)
    if (reached === undefined && voters.length >= quorum) reached = vote.verdict
  }
  return reached === undefined ? undefined : { verdict: reached, voters: byVerdict.get(reached) ?? [] }
}
