/**
 * Joins neighbouring symbols pair by pair, the best pair first and of equal ones the leftmost: what byte-pair encodings
 * and SentencePiece's models have in common.
 *
 * @since 0.1.0
 */

/**
 * The rank of a pair, smaller is better; `undefined` where the two do not join.
 *
 * @category models
 * @since 0.1.0
 */
export type RankOf = (left: string, right: string) => number | undefined

interface Pair {
  readonly rank: number
  readonly left: number
  readonly text: string
}

const isBefore = (a: Pair, b: Pair): boolean => a.rank < b.rank || (a.rank === b.rank && a.left < b.left)

const push = (heap: Array<Pair>, pair: Pair): void => {
  let at = heap.push(pair) - 1
  while (at > 0) {
    const above = (at - 1) >> 1
    const parent = heap[above]
    if (parent === undefined || !isBefore(pair, parent)) break
    heap[at] = parent
    at = above
  }
  heap[at] = pair
}

const pop = (heap: Array<Pair>): Pair | undefined => {
  const [first] = heap
  const last = heap.pop()
  if (last === undefined || heap.length === 0) return first
  let at = 0
  for (;;) {
    const left = heap[2 * at + 1]
    const right = heap[2 * at + 2]
    if (left === undefined) break
    const useRight = right !== undefined && isBefore(right, left)
    const child = useRight ? right : left
    if (!isBefore(child, last)) break
    heap[at] = child
    at = 2 * at + (useRight ? 2 : 1)
  }
  heap[at] = last
  return first
}

/**
 * The symbols that are left when no two neighbours join any more. It takes `n log n` steps for `n` symbols, so that a
 * long text without a space is no trouble.
 *
 * **Example** (Two joins)
 *
 * ```ts
 * import * as Merging from "@guildhall/gateway/tokens/Merging"
 *
 * const ranks = new Map([["l o", 0], ["lo w", 1]])
 * Merging.merge(["l", "o", "w", "s"], (left, right) => ranks.get(`${left} ${right}`)) // => ["low", "s"]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const merge = (symbols: ReadonlyArray<string>, rankOf: RankOf): ReadonlyArray<string> => {
  const texts: Array<string | undefined> = [...symbols]
  const next = Int32Array.from(symbols, (_, index) => index + 1)
  const previous = Int32Array.from(symbols, (_, index) => index - 1)
  const heap: Array<Pair> = []

  const consider = (left: number): void => {
    const first = texts[left]
    const second = texts[next[left] ?? -1]
    if (first === undefined || second === undefined) return
    const rank = rankOf(first, second)
    if (rank !== undefined) push(heap, { rank, left, text: first + second })
  }

  for (let index = 0; index + 1 < symbols.length; index++) consider(index)
  for (let pair = pop(heap); pair !== undefined; pair = pop(heap)) {
    const { left, text } = pair
    const right = next[left] ?? symbols.length
    const [first, second] = [texts[left], texts[right]]
    // One of the two was joined with another neighbour in the meantime.
    if (first === undefined || second === undefined || first + second !== text) continue
    texts[left] = text
    texts[right] = undefined
    const after = next[right] ?? symbols.length
    next[left] = after
    if (after < symbols.length) previous[after] = left
    consider(previous[left] ?? -1)
    consider(left)
  }
  return texts.filter((text) => text !== undefined)
}
