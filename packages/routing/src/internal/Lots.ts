import { mix } from "../Draw.ts"

/**
 * Lots of a set of names: independent waiting times of mean 1 (exponential), all given by the seed. The one with the lowest
 * lot wins a draw among equals; with each lot divided by a weight, the one with the lowest wins with the probability of
 * its weight. Both hold for any part of the set, so one that cannot serve is passed over without a second draw.
 *
 * The names stand in a binary tree by the bits of their hashes, and lots are drawn from the root down. The least of `n`
 * waiting times has mean `1/n`; it falls to the left branch with the probability of that branch's part of the names, and
 * the least of the other branch comes a further time of mean `1/(its number)` later, because such times forget how long one
 * has waited already. So the least lot of a branch is known before any of its lots is drawn: an index finds the winner in
 * a few steps down the tree (see `StandingIndex`), and one name more or less changes the draws of few others.
 */

const SPAN = 4_294_967_296
const OTHER = 0x9e37_79b9
const STEPS = 1_024

/** −ln of 1/2 to 1 in equal steps. In single precision, so that no engine's logarithm differs in it. */
const logarithms = Float64Array.from({ length: STEPS + 2 }, (_, at) =>
  Math.fround(-Math.log((STEPS + at) / (2 * STEPS))),
)

/** A waiting time of mean 1 from 32 random bits: −ln of them as a number from 0 to 1, by a table that is exact to 10⁻⁶. */
const waiting = (value: number): number => {
  // Never zero: of a logarithm there is always one.
  const bits = value | 1
  const zeros = Math.clz32(bits)
  const scaled = bits << zeros
  const at = (scaled >>> 21) & (STEPS - 1)
  const low = logarithms[at] ?? 0
  const part = (scaled & 0x1f_ffff) / 0x20_0000
  return zeros * Math.LN2 + low + ((logarithms[at + 1] ?? 0) - low) * part
}

/** What a branching point is in all draws: the bits that its names have in common, and how many these are. */
export const branchOf = (hash: number, bits: number): number =>
  mix((bits === 0 ? 0 : bits >= 32 ? hash : hash & (-1 << (32 - bits))) ^ mix(bits + 1))

/** The least lot of `count` names. */
export const least = (ofSeed: number, count: number): number => waiting(mix(ofSeed ^ OTHER)) / count

/** What the seed gives to a branching point. */
export const fall = (ofSeed: number, branch: number): number => mix(ofSeed ^ branch)

/** Whether the least lot below a branching point falls to the left, which has `left` of `count` names. */
export const isLeft = (fall: number, left: number, count: number): boolean => (fall >>> 0) * count < left * SPAN

/** How much later the least lot of the other side comes, which has `count` names. */
export const later = (fall: number, count: number): number => waiting(mix((fall + OTHER) | 0)) / count

/** A second hash, for names whose first is the same: its bits follow those of the first. */
export const secondOf = (name: string): number => {
  let h = 0x9747_b28c
  for (let at = name.length - 1; at >= 0; at--) h = Math.imul(h ^ name.charCodeAt(at), 0x5bd1_e995)
  return mix(h)
}

/** Places of names in the order of their hashes, as if these were not negative. By counting, so that it costs no comparisons. */
const sorted = (hashes: Int32Array): Int32Array => {
  const { length } = hashes
  const shift = Math.max(16, Math.clz32(length))
  const ends = new Int32Array(1 << (32 - shift))
  for (const hash of hashes) {
    const bucket = hash >>> shift
    ends[bucket] = (ends[bucket] ?? 0) + 1
  }
  let end = 0
  for (let bucket = 0; bucket < ends.length; bucket++) {
    end += ends[bucket] ?? 0
    ends[bucket] = end
  }
  const order = new Int32Array(length)
  for (let at = length - 1; at >= 0; at--) {
    const bucket = (hashes[at] ?? 0) >>> shift
    const place = (ends[bucket] ?? 0) - 1
    ends[bucket] = place
    order[place] = at
  }
  // What has its first bits in common stands together; the rest is a few steps.
  for (let place = 1; place < length; place++) {
    const at = order[place] ?? 0
    const hash = (hashes[at] ?? 0) >>> 0
    let to = place
    while (to > 0 && (hashes[order[to - 1] ?? 0] ?? 0) >>> 0 > hash) {
      order[to] = order[to - 1] ?? 0
      to--
    }
    order[to] = at
  }
  return order
}

/** The tree of a set of names, from the root down: each branching point comes before those below it. */
interface Tree {
  readonly hashes: Int32Array
  readonly branches: Array<number>
  readonly counts: Array<number>
  /** A branching point, or the complement of a place in `order`. Places of one name too many share their lot. */
  readonly lefts: Array<number>
  readonly rights: Array<number>
  readonly lefter: Array<number>
  readonly order: Int32Array
  readonly ends: Array<number>
  /** Whether names share a first hash: then the tree is not given by the first hashes alone. */
  isTangled: boolean
}

/** Where the bit is first set, among places in the order of their keys. */
const split = (keys: Int32Array, from: number, to: number, bit: number): number => {
  let low = from
  let high = to - 1
  const mask = 1 << (31 - bit)
  while (low < high) {
    const middle = (low + high) >>> 1
    if (((keys[middle] ?? 0) & mask) === 0) low = middle + 1
    else high = middle
  }
  return low
}

/** Grows what is below places, and says what it is. `shared` is the first hash where keys are second ones. */
const grow = (
  tree: Tree,
  names: ReadonlyArray<string>,
  keys: Int32Array,
  low: number,
  high: number,
  shared: number | undefined,
): number => {
  const start = keys[low] ?? 0
  const difference = start ^ (keys[high - 1] ?? 0)
  if (difference === 0) {
    if (high - low > 1 && shared === undefined) return untangle(tree, names, keys, low, high)
    tree.ends[low] = high
    return ~low
  }
  const bit = Math.clz32(difference)
  const middle = split(keys, low, high, bit)
  const at = tree.branches.push(shared === undefined ? branchOf(start, bit) : branchOf(shared, 32 + bit)) - 1
  tree.counts.push(high - low)
  tree.lefter.push(middle - low)
  tree.lefts.push(0)
  tree.rights.push(0)
  tree.lefts[at] = grow(tree, names, keys, low, middle, shared)
  tree.rights[at] = grow(tree, names, keys, middle, high, shared)
  return at
}

/** Grows the tree of names that have the same first hash, by their second. */
const untangle = (tree: Tree, names: ReadonlyArray<string>, keys: Int32Array, low: number, high: number): number => {
  tree.isTangled = true
  const second = (at: number): number => secondOf(names[at] ?? "")
  const places = Array.from(tree.order.subarray(low, high)).sort((a, b) => (second(a) >>> 0) - (second(b) >>> 0))
  tree.order.set(places, low)
  const seconds = new Int32Array(high)
  seconds.set(places.map(second), low)
  return grow(tree, names, seconds, low, high, keys[low] ?? 0)
}

const treeOf = (names: ReadonlyArray<string>, hashes: Int32Array): Tree => {
  const order = sorted(hashes)
  const tree: Tree = {
    isTangled: false,
    hashes,
    branches: [],
    counts: [],
    lefts: [],
    rights: [],
    lefter: [],
    order,
    ends: [],
  }
  grow(
    tree,
    names,
    order.map((at) => hashes[at] ?? 0),
    0,
    order.length,
    undefined,
  )
  return tree
}

const isSame = (a: Int32Array, b: Int32Array): boolean => {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}

/** A market changes less often than it is asked, so the last trees are kept: they depend on the names alone. */
const kept: Array<Tree> = []
const KEPT_MAX = 4

const keptTree = (names: ReadonlyArray<string>, hashes: Int32Array): Tree => {
  const known = kept.find((tree) => isSame(tree.hashes, hashes))
  if (known !== undefined) return known
  const tree = treeOf(names, hashes)
  if (tree.isTangled) return tree
  kept.unshift(tree)
  if (kept.length > KEPT_MAX) kept.pop()
  return tree
}

/** Draws the lots of names with these hashes (`Draw.ofId`), the seed given as `Draw.ofSeed`. */
export const draw = (names: ReadonlyArray<string>, hashes: Int32Array, ofSeed: number): Float64Array => {
  const lots = new Float64Array(hashes.length)
  if (hashes.length === 0) return lots
  const tree = keptTree(names, hashes)
  const { branches, counts, ends, lefter, lefts, order, rights } = tree
  const leasts = new Float64Array(branches.length)
  const give = (to: number, lot: number): void => {
    if (to >= 0) leasts[to] = lot
    else for (let place = ~to; place < (ends[~to] ?? 0); place++) lots[order[place] ?? 0] = lot
  }
  if (branches.length === 0) give(~0, least(ofSeed, hashes.length))
  else leasts[0] = least(ofSeed, hashes.length)
  for (let at = 0; at < branches.length; at++) {
    const count = counts[at] ?? 0
    const left = lefter[at] ?? 0
    const falls = fall(ofSeed, branches[at] ?? 0)
    const lot = leasts[at] ?? 0
    const isOnLeft = isLeft(falls, left, count)
    const other = lot + later(falls, isOnLeft ? count - left : left)
    give(lefts[at] ?? 0, isOnLeft ? lot : other)
    give(rights[at] ?? 0, isOnLeft ? other : lot)
  }
  return lots
}
