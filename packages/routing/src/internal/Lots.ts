import { mix, ofId } from "../Draw.ts"

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

/** −ln of 1/2 to 1 in equal steps. In single precision, so that no engine's logarithm differs in it, and half as much is read. */
const logarithms = Float32Array.from({ length: STEPS + 2 }, (_, at) => -Math.log((STEPS + at) / (2 * STEPS)))

/** A waiting time of mean 1 from 32 random bits: −ln of them as a number from 0 to 1, by a table that is exact to 10⁻⁶. */
const waiting = (value: number): number => {
  // Never zero: of a logarithm there is always one.
  const bits = value | 1
  const zeros = Math.clz32(bits)
  const scaled = bits << zeros
  const at = (scaled >>> 21) & (STEPS - 1)
  const part = (scaled & 0x1f_ffff) / 0x20_0000
  const low = logarithms[at] ?? 0
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

/**
 * The tree of a list of names, from the root down: each branching point comes before those below it. `points` has five numbers
 * of each: what it is in all draws; what is on its left and on its right, another point or, by a number after the last of them,
 * the place of a name; and how many names are on its left and on its right. A name that stands at several places is a leaf
 * once: `copies` are its further places, each followed by the first.
 */
export interface Tree {
  readonly names: ReadonlyArray<string>
  readonly points: Int32Array
  readonly copies: ReadonlyArray<number>
}

const POINT = 5

/** A tree while it grows: on a side is a branching point, or the complement of a name's place. */
interface Growing {
  readonly names: ReadonlyArray<string>
  readonly order: Int32Array
  readonly points: Array<number>
  readonly copies: Array<number>
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
const grow = (tree: Growing, keys: Int32Array, low: number, high: number, shared: number | undefined): number => {
  const { copies, order, points } = tree
  const start = keys[low] ?? 0
  const difference = start ^ (keys[high - 1] ?? 0)
  if (difference === 0) {
    if (high - low > 1 && shared === undefined) return untangle(tree, keys, low, high)
    const first = order[low] ?? 0
    for (let place = low + 1; place < high; place++) copies.push(order[place] ?? 0, first)
    return ~first
  }
  const bit = Math.clz32(difference)
  const middle = split(keys, low, high, bit)
  const branch = shared === undefined ? branchOf(start, bit) : branchOf(shared, 32 + bit)
  const at = points.push(branch, 0, 0, middle - low, high - middle) - POINT
  points[at + 1] = grow(tree, keys, low, middle, shared)
  points[at + 2] = grow(tree, keys, middle, high, shared)
  return at / POINT
}

/** Grows the tree of names that have the same first hash, by their second. */
const untangle = (tree: Growing, keys: Int32Array, low: number, high: number): number => {
  const second = (at: number): number => secondOf(tree.names[at] ?? "")
  const places = Array.from(tree.order.subarray(low, high)).sort((a, b) => (second(a) >>> 0) - (second(b) >>> 0))
  tree.order.set(places, low)
  const seconds = new Int32Array(high)
  seconds.set(places.map(second), low)
  return grow(tree, seconds, low, high, keys[low] ?? 0)
}

const grown = (names: ReadonlyArray<string>): Tree => {
  const hashes = Int32Array.from(names, ofId)
  const order = sorted(hashes)
  const tree: Growing = { names, order, points: [], copies: [] }
  const keys = order.map((at) => hashes[at] ?? 0)
  if (names.length > 0) grow(tree, keys, 0, names.length, undefined)
  const points = Int32Array.from(tree.points)
  const count = points.length / POINT
  for (let point = 0; point < points.length; point += POINT) {
    for (const side of [point + 1, point + 2]) {
      const below = points[side] ?? 0
      if (below < 0) points[side] = count + ~below
    }
  }
  return { names, points, copies: tree.copies }
}

const isSame = (a: ReadonlyArray<string>, b: ReadonlyArray<string>): boolean => {
  if (a.length !== b.length) return false
  for (let at = 0; at < a.length; at++) if (a[at] !== b[at]) return false
  return true
}

/** A market changes less often than it is asked, so the last trees are kept: they depend on the names alone. */
const kept: Array<Tree> = []
const KEPT_MAX = 4

/** The tree of these names. */
export const treeOf = (names: ReadonlyArray<string>): Tree => {
  const known = kept.find((tree) => isSame(tree.names, names))
  if (known !== undefined) return known
  const tree = grown(names)
  kept.unshift(tree)
  if (kept.length > KEPT_MAX) kept.pop()
  return tree
}

/** A tree that is still kept whose first name this is: mostly that of a market which has not changed. */
export const likely = (first: string): Tree | undefined => kept.find(({ names }) => names[0] === first)

/** Here are the least lots below the branching points of a tree while it is drawn, and then the lots of its names. */
let drawn = new Float64Array(2_048)

/**
 * Draws the lots of the names of a tree, the seed given as `Draw.ofSeed`: of all, or of those at these places. All are drawn
 * in any case, since each takes part in what the others draw.
 */
export const draw = (tree: Tree, ofSeed: number, places?: Int32Array): Float64Array => {
  const { copies, names, points } = tree
  const length = points.length / POINT
  while (drawn.length < length + names.length) drawn = new Float64Array(2 * drawn.length)
  fill(points, least(ofSeed, names.length), ofSeed, drawn)
  for (let at = 0; at < copies.length; at += 2) {
    drawn[length + (copies[at] ?? 0)] = drawn[length + (copies[at + 1] ?? 0)] ?? 0
  }
  if (places === undefined) return drawn.slice(length, length + names.length)
  const lots = new Float64Array(places.length)
  for (let at = 0; at < places.length; at++) lots[at] = drawn[length + (places[at] ?? 0)] ?? 0
  return lots
}

const fill = (points: Int32Array, first: number, ofSeed: number, into: Float64Array): void => {
  // Where nothing branches, this is the one name's.
  into[0] = first
  for (let at = 0, point = 0; point < points.length; at++, point += POINT) {
    const left = points[point + 3] ?? 0
    const count = left + (points[point + 4] ?? 0)
    const falls = fall(ofSeed, points[point] ?? 0)
    const lot = into[at] ?? 0
    // No branch in the code: which side it is cannot be foreseen, and a wrong guess costs as much as all the rest.
    const side = Number(!isLeft(falls, left, count))
    into[points[point + 1 + side] ?? 0] = lot
    into[points[point + 2 - side] ?? 0] = lot + later(falls, points[point + 4 - side] ?? 0)
  }
}
