/** The rule of what a device signs under numbers: its commitments, and the heads of its usage log. */

/** So many of each are kept of a device, the highest: what it contradicts after that is not seen. */
export const KEPT_MAX = 64

/** What stands under a number: the hash that was signed. */
export interface Position {
  readonly number: number
  readonly hash: string
}

/**
 * - `New`: it goes on from what is held, or nothing is held. `isGap` where it does not say how it goes on.
 * - `Known`: this very position is held.
 * - `Behind`: it is older than what is held and says nothing of it, as from an old copy of a home.
 * - `Forked`: it says something else of a position that is held. `at` is that one.
 */
export type Fate =
  | { readonly _tag: "New"; readonly isGap: boolean }
  | { readonly _tag: "Known" }
  | { readonly _tag: "Behind" }
  | { readonly _tag: "Forked"; readonly at: number }

/** Judges a position by those that are held, highest first. `says` is what it says of other positions, itself included. */
export const judge = (held: ReadonlyArray<Position>, signed: Position, says: ReadonlyMap<number, string>): Fate => {
  const conflict = held.find(({ hash, number }) => says.has(number) && says.get(number) !== hash)
  if (conflict !== undefined) return { _tag: "Forked", at: conflict.number }
  const [last] = held
  if (last === undefined) return { _tag: "New", isGap: false }
  if (signed.number > last.number) return { _tag: "New", isGap: !says.has(last.number) }
  return held.some(({ number }) => number === signed.number) ? { _tag: "Known" } : { _tag: "Behind" }
}
