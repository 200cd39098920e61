import type { InstanceId } from "@guildhall/core/Instance"
import type { Candidate } from "../RoutingPolicy.ts"
import { grown } from "./DrawHeap.ts"
import * as Lots from "./Lots.ts"
import { LotTree, ROOT } from "./LotTree.ts"
import type { Sharing } from "./Sharing.ts"
import { sound } from "./Sound.ts"

/** What an offer counts, in each of the columns. */
type Count = (candidate: Candidate, counts: Float64Array) => void

type MayServe = (candidate: Candidate) => boolean

/**
 * Instances by what their offers count for requests of a few kinds, each kind a column: each node has the least of those below
 * it. The best offer is known by that; who is drawn by share is found where a low lot may meet a good offer. All columns are
 * of one tree, so that a change of an instance goes up once. Nothing is allocated to choose.
 */
export class ShareIndex {
  readonly #tree: LotTree
  readonly #count: Count
  readonly #counted: Float64Array
  /** What is still to be looked at: nodes, with their least lots and how soon one below is drawn at the earliest. */
  #nodes = new Int32Array(64)
  #lots = new Float64Array(64)
  #draws = new Float64Array(64)

  constructor(columns: number, count: Count) {
    this.#tree = new LotTree(columns)
    this.#count = count
    this.#counted = new Float64Array(columns)
  }

  get count(): number {
    return this.#tree.size
  }

  get isSound(): boolean {
    return this.#tree.isSound
  }

  /** Puts an instance where its offer stands. */
  put(candidate: Candidate): void {
    this.#count(candidate, this.#counted)
    for (let column = 0; column < this.#counted.length; column++) {
      this.#counted[column] = sound(this.#counted[column] ?? 0)
    }
    this.#put(candidate)
  }

  /** Puts an instance where it is never found. */
  putAway(candidate: Candidate): void {
    this.#counted.fill(Infinity)
    this.#put(candidate)
  }

  remove(id: InstanceId): void {
    const changed = this.#tree.remove(id)
    if (changed !== undefined) this.#climb(changed)
  }

  /** What the best offer counts of those that may serve; infinite where there is none. */
  best(column: number, mayServe: MayServe): number {
    const { below, candidates, values } = this.#tree
    const tree = this.#tree
    let best = Infinity
    let waiting = this.#tree.size === 0 ? 0 : this.#wait(0, ROOT, 0, 0)
    while (waiting > 0) {
      let node = this.#nodes[--waiting] ?? 0
      let value = values[tree.at(node) + 2 * column] ?? 0
      for (let left = below[node] ?? 0; left !== 0 && value < best; left = below[node] ?? 0) {
        const at = tree.at(left) + 2 * column
        const isLeft = (values[at] ?? 0) <= (values[at + 1] ?? 0)
        value = (isLeft ? values[at] : values[at + 1]) ?? 0
        node = isLeft ? left : left + 1
        waiting = this.#wait(waiting, node ^ 1, 0, 0)
      }
      if (value >= best) continue
      const candidate = candidates[node]
      if (candidate !== undefined && mayServe(candidate)) best = value
    }
    return best
  }

  /** The one that is drawn of those that may serve, the best of which counts `best`. */
  draw(ofSeed: number, column: number, sharing: Sharing, best: number, mayServe: MayServe): Candidate | undefined {
    const { below, branches, candidates, counts, values } = this.#tree
    const tree = this.#tree
    let chosen: Candidate | undefined
    let soonest = Infinity
    let waiting = tree.size === 0 ? 0 : this.#wait(0, ROOT, Lots.least(ofSeed, tree.size), 0)
    while (waiting > 0) {
      let node = this.#nodes[--waiting] ?? 0
      let lot = this.#lots[waiting] ?? 0
      let draw = this.#draws[waiting] ?? 0
      for (let left = below[node] ?? 0; left !== 0 && draw < soonest; left = below[node] ?? 0) {
        const onLeft = counts[left] ?? 0
        const count = counts[node] ?? 0
        const falls = Lots.fall(ofSeed, branches[node] ?? 0)
        const isLeft = Lots.isLeft(falls, onLeft, count)
        const later = lot + Lots.later(falls, isLeft ? count - onLeft : onLeft)
        const lotOfLeft = isLeft ? lot : later
        const lotOfRight = isLeft ? later : lot
        const at = tree.at(left) + 2 * column
        const drawOfLeft = drawn(lotOfLeft, values[at] ?? 0, sharing, best)
        const drawOfRight = drawn(lotOfRight, values[at + 1] ?? 0, sharing, best)
        // Down on the better side at once: the sooner one is found, the less of the rest need be looked at.
        const isLeftBetter = drawOfLeft <= drawOfRight
        const other = isLeftBetter ? drawOfRight : drawOfLeft
        if (other < soonest)
          waiting = this.#wait(waiting, isLeftBetter ? left + 1 : left, isLeftBetter ? lotOfRight : lotOfLeft, other)
        node = isLeftBetter ? left : left + 1
        lot = isLeftBetter ? lotOfLeft : lotOfRight
        draw = isLeftBetter ? drawOfLeft : drawOfRight
      }
      if (draw >= soonest) continue
      const candidate = candidates[node]
      if (candidate === undefined || !mayServe(candidate)) continue
      chosen = candidate
      soonest = draw
    }
    return chosen
  }

  #wait(size: number, node: number, lot: number, draw: number): number {
    if (size === this.#nodes.length) {
      this.#nodes = grown(this.#nodes, Int32Array)
      this.#lots = grown(this.#lots, Float64Array)
      this.#draws = grown(this.#draws, Float64Array)
    }
    this.#nodes[size] = node
    this.#lots[size] = lot
    this.#draws[size] = draw
    return size + 1
  }

  #put(candidate: Candidate): void {
    const leaf = this.#tree.leaf(candidate)
    if (leaf === -1) return
    const { values } = this.#tree
    const counted = this.#counted
    const at = this.#tree.at(leaf)
    for (let column = 0; column < counted.length; column++) values[at + 2 * column] = counted[column] ?? 0
    this.#climb(leaf)
  }

  #climb(from: number): void {
    const tree = this.#tree
    const { values } = tree
    const width = 2 * this.#counted.length
    for (let node = from; node !== ROOT;) {
      const left = tree.at(node & ~1)
      node = tree.parent(node)
      const at = tree.at(node)
      let isChanged = false
      for (let column = 0; column < width; column += 2) {
        const ofLeft = values[left + column] ?? 0
        const ofRight = values[left + column + 1] ?? 0
        const least = ofLeft < ofRight ? ofLeft : ofRight
        if (values[at + column] === least) continue
        values[at + column] = least
        isChanged = true
      }
      if (!isChanged) return
    }
  }
}

/** When one with this lot is drawn. One that counts infinitely never is. */
const drawn = (lot: number, value: number, sharing: Sharing, best: number): number =>
  value === Infinity ? Infinity : lot * sharing.stretch(value, best)
