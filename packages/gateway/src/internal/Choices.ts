import type { Tally } from "../Tally.ts"
import * as Json from "./Json.ts"

/** Reads one choice into the tally, and answers whether it carried output or an end. */
type Take = (tally: Tally, choice: unknown, index: number) => boolean

/** Which choice this is. A server that does not say goes through them in their order. */
const indexOf = (choice: unknown, at: number): number => {
  const index = Json.get(choice, "index") ?? at
  return typeof index === "number" && Number.isInteger(index) && index >= 0 ? index : Infinity
}

/**
 * Takes those choices of one event that the buyer asked for, each of them once. What else stands in the list belongs to
 * no answer, and nobody pays for it.
 */
export const ofEvent = (listed: ReadonlyArray<unknown>, tally: Tally, take: Take): boolean => {
  if (listed.length === 1) {
    const index = indexOf(listed[0], 0)
    return index < tally.choices && take(tally, listed[0], index)
  }
  const taken = new Set<number>()
  let delivers = false
  for (const [at, choice] of listed.entries()) {
    const index = indexOf(choice, at)
    if (index >= tally.choices || taken.has(index)) continue
    taken.add(index)
    if (take(tally, choice, index)) delivers = true
  }
  return delivers
}

/**
 * Takes as many choices of a whole answer as were asked for, those of which `member` is not what it should be left out.
 * Answers whether there was one.
 */
export const ofWhole = (listed: ReadonlyArray<unknown>, tally: Tally, is: (choice: unknown) => boolean, take: Take) => {
  let found = false
  for (const [at, choice] of listed.slice(0, tally.choices).entries()) {
    if (!is(choice)) continue
    found = true
    take(tally, choice, at)
  }
  return found
}
