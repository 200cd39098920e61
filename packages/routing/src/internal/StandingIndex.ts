import type { InstanceId } from "@guildhall/core/Instance"
import * as Draw from "../Draw.ts"
import type { Candidate } from "../RoutingPolicy.ts"
import { DrawHeap, grown } from "./DrawHeap.ts"
import * as Lots from "./Lots.ts"

/** How many bits two names have in common, of 64: 64 where both hashes are the same. */
const common = (hashA: number, secondA: number, hashB: number, secondB: number): number => {
  const difference = hashA ^ hashB
  return difference === 0 ? 32 + Math.clz32(secondA ^ secondB) : Math.clz32(difference)
}

const isSet = (bit: number, hash: number, second: number): boolean =>
  bit < 32 ? (hash & (1 << (31 - bit))) !== 0 : (second & (1 << (63 - bit))) !== 0

const LEAF_BITS = 64

/** The weight of one that stands at `first`. */
type WeightOf = (first: number) => number

/**
 * The instances of one model in the tree by which `Lots` draws, each branching point with the best standing below it. To
 * find who is ranked first, go down where the best standing meets the lowest lot; nothing else needs to be looked at. A
 * change goes up from one leaf. Nothing is allocated to choose.
 */
export class StandingIndex {
  readonly #leaves = new Map<InstanceId, number>()
  #candidates: Array<Candidate | undefined> = []
  #free: Array<number> = []
  #used = 0
  #root = -1
  #left = new Int32Array(64)
  #right = new Int32Array(64)
  #parent = new Int32Array(64)
  #count = new Int32Array(64)
  #bits = new Int32Array(64)
  #hash = new Int32Array(64)
  #other = new Int32Array(64)
  #branch = new Int32Array(64)
  #first = new Float64Array(64)
  #second = new Float64Array(64)
  #weight = new Float64Array(64)
  /** What is still to be looked at where the best stand: nodes with their least lots. */
  readonly #waiting = new DrawHeap()
  /** What stands lower, in no order: seldom needed. */
  #lower = new Int32Array(64)
  #lowerLots = new Float64Array(64)
  #lowerSize = 0
  /** Where the best stand of those that were not looked at. */
  #bestFirst = 0
  #bestSecond = 0

  /** False where two ids share all bits of their hashes: then only the reference form can tell. */
  isSound = true

  get count(): number {
    return this.#leaves.size
  }

  /** Puts an instance where it stands. One of no weight is never found. */
  put(candidate: Candidate, first: number, second: number, weight: number): void {
    const { id } = candidate.instance
    const leaf = this.#leaves.get(id) ?? this.#insert(id)
    if (leaf === -1) return
    this.#candidates[leaf] = candidate
    this.#first[leaf] = first
    this.#second[leaf] = second
    this.#weight[leaf] = weight
    this.#climb(this.#parent[leaf] ?? -1)
  }

  remove(id: InstanceId): void {
    const leaf = this.#leaves.get(id)
    if (leaf === undefined) return
    this.#leaves.delete(id)
    const parent = this.#parent[leaf] ?? -1
    this.#release(leaf)
    if (parent === -1) {
      this.#root = -1
      return
    }
    const sibling = (this.#left[parent] === leaf ? this.#right[parent] : this.#left[parent]) ?? -1
    const above = this.#parent[parent] ?? -1
    this.#release(parent)
    this.#hang(sibling, parent, above)
    for (let node = above; node !== -1; node = this.#parent[node] ?? -1)
      this.#count[node] = (this.#count[node] ?? 0) - 1
    this.#climb(above)
  }

  /** Visits instances by standing, and equal ones as they are drawn by weight, until one is taken. */
  walk(ofSeed: number, isTaken: (candidate: Candidate) => boolean): Candidate | undefined {
    return this.#visit(ofSeed, undefined, isTaken)
  }

  /** Visits instances as they are drawn, by a weight that does not grow with `first` and may be zero, until one is taken. */
  draw(ofSeed: number, weightOf: WeightOf, isTaken: (candidate: Candidate) => boolean): Candidate | undefined {
    return this.#visit(ofSeed, weightOf, isTaken)
  }

  #visit(
    ofSeed: number,
    weightOf: WeightOf | undefined,
    isTaken: (candidate: Candidate) => boolean,
  ): Candidate | undefined {
    const waiting = this.#waiting
    waiting.size = 0
    this.#lowerSize = 0
    if (this.#root === -1) return undefined
    this.#defer(this.#root, Lots.least(ofSeed, this.#leaves.size))
    while (waiting.size > 0 || this.#lift(weightOf)) {
      let node = waiting.node
      let lot = waiting.lot
      waiting.pop()
      let left = this.#left[node] ?? -1
      while (left !== -1) {
        const right = this.#right[node] ?? -1
        const onLeft = this.#count[left] ?? 0
        const count = this.#count[node] ?? 0
        const falls = Lots.fall(ofSeed, this.#branch[node] ?? 0)
        const isLeft = Lots.isLeft(falls, onLeft, count)
        const later = lot + Lots.later(falls, isLeft ? count - onLeft : onLeft)
        const lotOfLeft = isLeft ? lot : later
        const lotOfRight = isLeft ? later : lot
        const drawOfLeft = this.#drawn(left, lotOfLeft, weightOf)
        const drawOfRight = this.#drawn(right, lotOfRight, weightOf)
        // Down on the better side at once, while nothing that waits is better still.
        const isLeftBetter = drawOfLeft <= drawOfRight
        const draw = isLeftBetter ? drawOfLeft : drawOfRight
        const other = isLeftBetter ? drawOfRight : drawOfLeft
        node = isLeftBetter ? left : right
        lot = isLeftBetter ? lotOfLeft : lotOfRight
        if (other < Infinity) waiting.push(isLeftBetter ? right : left, isLeftBetter ? lotOfRight : lotOfLeft, other)
        if (waiting.size > 0 && waiting.draw < draw) {
          waiting.push(node, lot, draw)
          node = -1
          break
        }
        left = this.#left[node] ?? -1
      }
      if (node === -1) continue
      const candidate = this.#candidates[node]
      if (candidate !== undefined && isTaken(candidate)) return candidate
    }
    return undefined
  }

  /** How soon the best below a node is drawn at the earliest. What stands lower than the best is put off. */
  #drawn(node: number, lot: number, weightOf: WeightOf | undefined): number {
    const weight = this.#weight[node] ?? 0
    if (weight === 0) return Infinity
    const first = this.#first[node] ?? 0
    if (weightOf !== undefined) {
      const drawn = weightOf(first)
      return drawn > 0 ? lot / drawn : Infinity
    }
    if (first === this.#bestFirst && this.#second[node] === this.#bestSecond) return lot / weight
    this.#defer(node, lot)
    return Infinity
  }

  #defer(node: number, lot: number): void {
    if (this.#lowerSize === this.#lower.length) {
      this.#lower = grown(this.#lower, Int32Array)
      this.#lowerLots = grown(this.#lowerLots, Float64Array)
    }
    this.#lower[this.#lowerSize] = node
    this.#lowerLots[this.#lowerSize++] = lot
  }

  /** Goes on to the best of what was put off; false where there is nothing. */
  #lift(weightOf: WeightOf | undefined): boolean {
    let first = Infinity
    let second = Infinity
    for (let at = 0; at < this.#lowerSize; at++) {
      const node = this.#lower[at] ?? 0
      const own = this.#first[node] ?? 0
      const ownSecond = this.#second[node] ?? 0
      if (own > first || (own === first && ownSecond >= second)) continue
      first = own
      second = ownSecond
    }
    this.#bestFirst = first
    this.#bestSecond = second
    const size = this.#lowerSize
    this.#lowerSize = 0
    // Those that still stand lower are put off again, at a place that was read already.
    for (let at = 0; at < size; at++) {
      const node = this.#lower[at] ?? 0
      const lot = this.#lowerLots[at] ?? 0
      const draw = this.#drawn(node, lot, weightOf)
      if (draw < Infinity) this.#waiting.push(node, lot, draw)
    }
    return this.#waiting.size > 0
  }

  /** The best standing of both sides: the lowest, and the greatest weight of those that stand there. */
  #climb(from: number): void {
    for (let node = from; node !== -1; node = this.#parent[node] ?? -1) {
      const left = this.#left[node] ?? 0
      const right = this.#right[node] ?? 0
      const first = Math.min(this.#first[left] ?? 0, this.#first[right] ?? 0)
      const secondOfLeft = this.#first[left] === first ? (this.#second[left] ?? 0) : Infinity
      const secondOfRight = this.#first[right] === first ? (this.#second[right] ?? 0) : Infinity
      const second = Math.min(secondOfLeft, secondOfRight)
      const weightOfLeft = secondOfLeft === second ? (this.#weight[left] ?? 0) : 0
      const weightOfRight = secondOfRight === second ? (this.#weight[right] ?? 0) : 0
      const weight = Math.max(weightOfLeft, weightOfRight)
      if (this.#first[node] === first && this.#second[node] === second && this.#weight[node] === weight) return
      this.#first[node] = first
      this.#second[node] = second
      this.#weight[node] = weight
    }
  }

  #insert(id: InstanceId): number {
    const hash = Draw.ofId(id)
    const other = Lots.secondOf(id)
    let node = this.#root
    let bits = 0
    while (node !== -1) {
      bits = common(hash, other, this.#hash[node] ?? 0, this.#other[node] ?? 0)
      const ofNode = this.#bits[node] ?? LEAF_BITS
      if (bits < ofNode) break
      if (ofNode === LEAF_BITS) {
        this.isSound = false
        return -1
      }
      node = (isSet(ofNode, hash, other) ? this.#right[node] : this.#left[node]) ?? -1
    }
    const leaf = this.#take(hash, other, LEAF_BITS)
    this.#count[leaf] = 1
    this.#leaves.set(id, leaf)
    if (node === -1) this.#hang(leaf, -1, -1)
    else this.#fork(leaf, node, bits)
    return leaf
  }

  /** Puts a branching point above a node, with the leaf on the other side. */
  #fork(leaf: number, node: number, bits: number): void {
    const hash = this.#hash[leaf] ?? 0
    const other = this.#other[leaf] ?? 0
    const fork = this.#take(hash, other, bits)
    this.#branch[fork] = Lots.branchOf(hash, bits)
    const isRight = isSet(bits, hash, other)
    this.#left[fork] = isRight ? node : leaf
    this.#right[fork] = isRight ? leaf : node
    this.#hang(fork, node, this.#parent[node] ?? -1)
    this.#parent[node] = fork
    this.#parent[leaf] = fork
    this.#count[fork] = (this.#count[node] ?? 0) + 1
    for (let above = this.#parent[fork] ?? -1; above !== -1; above = this.#parent[above] ?? -1) {
      this.#count[above] = (this.#count[above] ?? 0) + 1
    }
  }

  /** Puts a node in the place of another below the same branching point. */
  #hang(node: number, before: number, above: number): void {
    this.#parent[node] = above
    if (above === -1) this.#root = node
    else if (this.#left[above] === before) this.#left[above] = node
    else this.#right[above] = node
  }

  #take(hash: number, other: number, bits: number): number {
    const node = this.#free.pop() ?? this.#used++
    if (node === this.#left.length) this.#grow()
    this.#left[node] = -1
    this.#right[node] = -1
    this.#parent[node] = -1
    this.#hash[node] = hash
    this.#other[node] = other
    this.#bits[node] = bits
    this.#first[node] = NaN
    return node
  }

  #release(node: number): void {
    this.#candidates[node] = undefined
    this.#free.push(node)
  }

  #grow(): void {
    this.#left = grown(this.#left, Int32Array)
    this.#right = grown(this.#right, Int32Array)
    this.#parent = grown(this.#parent, Int32Array)
    this.#count = grown(this.#count, Int32Array)
    this.#bits = grown(this.#bits, Int32Array)
    this.#hash = grown(this.#hash, Int32Array)
    this.#other = grown(this.#other, Int32Array)
    this.#branch = grown(this.#branch, Int32Array)
    this.#first = grown(this.#first, Float64Array)
    this.#second = grown(this.#second, Float64Array)
    this.#weight = grown(this.#weight, Float64Array)
  }
}
