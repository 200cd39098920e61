/** What stands for nothing where sums of fractions are rounded. */
const EPSILON = 1e-9

/**
 * Splits places among those who want some, by how much each wants, but so that nobody gets less than one, or than an equal part
 * where there are fewer places than that. Parts that are no whole numbers are rounded so that they sum up to all places: who gets
 * the odd ones follows from `lot`, from 0 to 1, and evens out over all lots.
 */
export const shares = (places: number, demands: ReadonlyArray<number>, lot: number): ReadonlyArray<number> => {
  const least = Math.min(1, places / Math.max(1, demands.length))
  const small = new Set<number>()
  let left = places
  let wanted = demands.reduce((sum, demand) => sum + demand, 0)
  for (let before = -1; before < small.size;) {
    before = small.size
    for (const [at, demand] of demands.entries()) {
      if (small.has(at) || left * demand >= least * wanted) continue
      small.add(at)
      left -= least
      wanted -= demand
    }
  }
  let sum = lot + EPSILON
  return demands.map((demand, at) => {
    const before = Math.floor(sum)
    sum += small.has(at) ? least : (left * demand) / wanted
    return Math.floor(sum) - before
  })
}
