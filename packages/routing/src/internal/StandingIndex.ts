import type { InstanceId } from "@guildhall/core/Instance"
import type { Candidate } from "../RoutingPolicy.ts"
import type { Table } from "../Scored.ts"
import { DrawHeap, grown } from "./DrawHeap.ts"
import * as Lots from "./Lots.ts"
import { BELOW, BRANCH, COUNT, LotTree, ROOT, STRIDE } from "./LotTree.ts"
import { sound, soundWeight } from "./Sound.ts"

/** Of each node: where the best below it stand, and the greatest weight of those that stand there. */
const FIRST = 0
const SECOND = 2
const WEIGHT = 4
const WIDTH = 3

type Standing = Omit<Table, "because">

/**
 * Instances by where they stand, whatever is asked. To find who is ranked first, go down the tree where the best standing meets
 * the lowest lot; nothing else needs to be looked at. A change goes up from one leaf. Nothing is allocated to choose.
 */
export class StandingIndex {
  readonly #tree = new LotTree(WIDTH)
  /** Of one row, the one of the instance that is put. */
  readonly #table: Standing
  readonly #variant: number
  /** What is still to be looked at where the best stand: nodes with their least lots. */
  readonly #waiting = new DrawHeap()
  /** What stands lower, in no order: seldom needed. */
  #lower = new Int32Array(64)
  #lowerLots = new Float64Array(64)
  #lowerSize = 0
  /** Where the best stand of those that were not looked at. */
  #bestFirst = 0
  #bestSecond = 0

  constructor(table: Standing, variant = 0) {
    this.#table = table
    this.#variant = variant
  }

  get count(): number {
    return this.#tree.size
  }

  get isSound(): boolean {
    return this.#tree.isSound
  }

  /** Puts an instance where it stands. */
  put(candidate: Candidate): void {
    const { first, second, weight } = this.#table
    this.#table.stand(candidate, 0, this.#variant)
    this.#put(candidate, sound(first?.[0] ?? 0), sound(second?.[0] ?? 0), soundWeight(weight?.[0] ?? 1))
  }

  /** Puts an instance where it is never found. */
  putAway(candidate: Candidate): void {
    this.#put(candidate, Infinity, Infinity, 0)
  }

  remove(id: InstanceId): void {
    const changed = this.#tree.remove(id)
    if (changed !== undefined) this.#climb(changed)
  }

  /** Visits instances by standing, and equal ones as they are drawn by weight, until one is taken. */
  walk(ofSeed: number, isTaken: (candidate: Candidate) => boolean): Candidate | undefined {
    const { candidates, shape, size } = this.#tree
    const waiting = this.#waiting
    waiting.size = 0
    this.#lowerSize = 0
    if (size === 0) return undefined
    this.#defer(ROOT, Lots.least(ofSeed, size))
    while (waiting.size > 0 || this.#lift()) {
      let node = waiting.node
      let lot = waiting.lot
      waiting.pop()
      let left = shape[node * STRIDE + BELOW] ?? 0
      while (left !== 0) {
        const onLeft = shape[left * STRIDE + COUNT] ?? 0
        const count = shape[node * STRIDE + COUNT] ?? 0
        const falls = Lots.fall(ofSeed, shape[node * STRIDE + BRANCH] ?? 0)
        const isLeft = Lots.isLeft(falls, onLeft, count)
        const later = lot + Lots.later(falls, isLeft ? count - onLeft : onLeft)
        const lotOfLeft = isLeft ? lot : later
        const lotOfRight = isLeft ? later : lot
        const drawOfLeft = this.#drawn(left, lotOfLeft)
        const drawOfRight = this.#drawn(left + 1, lotOfRight)
        // Down on the better side at once, while nothing that waits is better still.
        const isLeftBetter = drawOfLeft <= drawOfRight
        const draw = isLeftBetter ? drawOfLeft : drawOfRight
        const other = isLeftBetter ? drawOfRight : drawOfLeft
        node = isLeftBetter ? left : left + 1
        lot = isLeftBetter ? lotOfLeft : lotOfRight
        if (other < Infinity) waiting.push(isLeftBetter ? left + 1 : left, isLeftBetter ? lotOfRight : lotOfLeft, other)
        if (waiting.size > 0 && waiting.draw < draw) {
          waiting.push(node, lot, draw)
          node = -1
          break
        }
        left = shape[node * STRIDE + BELOW] ?? 0
      }
      if (node === -1) continue
      const candidate = candidates[node]
      if (candidate !== undefined && isTaken(candidate)) return candidate
    }
    return undefined
  }

  /** How soon the best below a node is drawn at the earliest. What stands lower than the best is put off. */
  #drawn(node: number, lot: number): number {
    const { values } = this.#tree
    const at = this.#tree.at(node)
    const weight = values[at + WEIGHT] ?? 0
    if (weight === 0) return Infinity
    if (values[at + FIRST] === this.#bestFirst && values[at + SECOND] === this.#bestSecond) return lot / weight
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
  #lift(): boolean {
    const { values } = this.#tree
    let first = Infinity
    let second = Infinity
    for (let entry = 0; entry < this.#lowerSize; entry++) {
      const at = this.#tree.at(this.#lower[entry] ?? 0)
      const own = values[at + FIRST] ?? 0
      const ownSecond = values[at + SECOND] ?? 0
      if (own > first || (own === first && ownSecond >= second)) continue
      first = own
      second = ownSecond
    }
    this.#bestFirst = first
    this.#bestSecond = second
    const size = this.#lowerSize
    this.#lowerSize = 0
    // Those that still stand lower are put off again, at a place that was read already.
    for (let entry = 0; entry < size; entry++) {
      const node = this.#lower[entry] ?? 0
      const lot = this.#lowerLots[entry] ?? 0
      const draw = this.#drawn(node, lot)
      if (draw < Infinity) this.#waiting.push(node, lot, draw)
    }
    return this.#waiting.size > 0
  }

  #put(candidate: Candidate, first: number, second: number, weight: number): void {
    const leaf = this.#tree.leaf(candidate)
    if (leaf === -1) return
    const { values } = this.#tree
    const at = this.#tree.at(leaf)
    values[at + FIRST] = first
    values[at + SECOND] = second
    values[at + WEIGHT] = weight
    this.#climb(leaf)
  }

  /** The best standing of both sides: the lowest, and the greatest weight of those that stand there. */
  #climb(from: number): void {
    const tree = this.#tree
    const { values } = tree
    for (let node = from; node !== ROOT;) {
      const left = tree.at(node & ~1)
      const right = left + 1
      node = tree.parent(node)
      const first = Math.min(values[left + FIRST] ?? 0, values[right + FIRST] ?? 0)
      const secondOfLeft = values[left + FIRST] === first ? (values[left + SECOND] ?? 0) : Infinity
      const secondOfRight = values[right + FIRST] === first ? (values[right + SECOND] ?? 0) : Infinity
      const second = Math.min(secondOfLeft, secondOfRight)
      const weightOfLeft = secondOfLeft === second ? (values[left + WEIGHT] ?? 0) : 0
      const weightOfRight = secondOfRight === second ? (values[right + WEIGHT] ?? 0) : 0
      const weight = Math.max(weightOfLeft, weightOfRight)
      const at = tree.at(node)
      if (values[at + FIRST] === first && values[at + SECOND] === second && values[at + WEIGHT] === weight) return
      values[at + FIRST] = first
      values[at + SECOND] = second
      values[at + WEIGHT] = weight
    }
  }
}
