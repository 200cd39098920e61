/**
 * Who is drawn by lot: places of a list, none twice, from numbers that nobody could choose.
 *
 * @since 0.1.0
 */

/**
 * Draws `count` different places of a list of `size`, in the order of the draw. Draw `i` counts `random(i)` modulo what is left
 * over the places that were not taken before. Takes all where there are fewer than `count`.
 *
 * **Example** (Three of five)
 *
 * ```ts
 * import { Draw } from "@guildhall/core/rules"
 *
 * Draw.distinct((i) => [7n, 2n, 2n][i] ?? 0n, 3, 5) // => [2, 3, 4]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const distinct = (random: (draw: number) => bigint, count: number, size: number): ReadonlyArray<number> => {
  const places: Array<number> = []
  for (let draw = 0; draw < Math.min(count, size); draw++) {
    let place = Number(random(draw) % BigInt(size - draw))
    for (const taken of places.toSorted((a, b) => a - b)) if (taken <= place) place++
    places.push(place)
  }
  return places
}
