import type { InstanceId } from "@guildhall/core/Instance"
import type { Candidate } from "../RoutingPolicy.ts"
import * as Lots from "./Lots.ts"
import { BELOW, BRANCH, COUNT, DEPTH, LotTree, ROOT, STRIDE } from "./LotTree.ts"
import type { Shares } from "./Shares.ts"
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
  /**
   * What is still to be looked at: nodes, with their least lots and by how much these are stretched at least. At most one for
   * each bit of a name.
   */
  readonly #nodes = new Int32Array(DEPTH)
  readonly #lots = new Float64Array(DEPTH)
  readonly #stretches = new Float64Array(DEPTH)

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
    const tree = this.#tree
    const { candidates, shape, values } = tree
    const nodes = this.#nodes
    if (tree.size === 0) return Infinity
    const least = values[tree.at(ROOT) + 2 * column] ?? 0
    let best = Infinity
    let node = ROOT
    let value = least
    for (let waiting = 0; ; node = nodes[--waiting] ?? 0, value = values[tree.at(node) + 2 * column] ?? 0) {
      for (
        let left = shape[node * STRIDE + BELOW] ?? 0;
        left !== 0 && value < best;
        left = shape[node * STRIDE + BELOW] ?? 0
      ) {
        const at = tree.at(left) + 2 * column
        const isLeft = (values[at] ?? 0) <= (values[at + 1] ?? 0)
        value = (isLeft ? values[at] : values[at + 1]) ?? 0
        node = isLeft ? left : left + 1
        nodes[waiting++] = node ^ 1
      }
      const candidate = candidates[node]
      if (value < best && candidate !== undefined && mayServe(candidate)) best = value
      if (waiting === 0 || best === least) return best
    }
  }

  /** The one that is drawn of those that may serve, the best of which counts `best`. */
  draw(ofSeed: number, column: number, shares: Shares, best: number, mayServe: MayServe): Candidate | undefined {
    const tree = this.#tree
    const { candidates, shape, values } = tree
    const nodes = this.#nodes
    const lots = this.#lots
    const stretches = this.#stretches
    if (best === Infinity) return undefined
    let chosen: Candidate | undefined
    let soonest = Infinity
    let node = ROOT
    let lot = Lots.least(ofSeed, tree.size)
    // None counts less than the best that may serve.
    let stretch = 1
    for (let waiting = 0; ;) {
      for (
        let left = shape[node * STRIDE + BELOW] ?? 0;
        left !== 0 && lot * stretch < soonest;
        left = shape[node * STRIDE + BELOW] ?? 0
      ) {
        const onLeft = shape[left * STRIDE + COUNT] ?? 0
        const count = shape[node * STRIDE + COUNT] ?? 0
        const falls = Lots.fall(ofSeed, shape[node * STRIDE + BRANCH] ?? 0)
        const isLotLeft = Lots.isLeft(falls, onLeft, count)
        const later = lot + Lots.later(falls, isLotLeft ? count - onLeft : onLeft)
        const at = tree.at(left) + 2 * column
        const isLeft = (values[at] ?? 0) <= (values[at + 1] ?? 0)
        const otherLot = isLeft === isLotLeft ? later : lot
        // The side with the better offers waits as this node does: only the other one's share is new.
        node = isLeft ? left : left + 1
        lot = isLeft === isLotLeft ? lot : later
        if (otherLot * stretch >= soonest) continue
        const otherStretch = shares.stretch((isLeft ? values[at + 1] : values[at]) ?? 0, best)
        if (otherLot * otherStretch >= soonest) continue
        // Down on the side where one is drawn sooner: the sooner one is found, the less of the rest need be looked at.
        const isOther = otherLot * otherStretch < lot * stretch
        nodes[waiting] = isOther ? node : node ^ 1
        lots[waiting] = isOther ? lot : otherLot
        stretches[waiting++] = isOther ? stretch : otherStretch
        if (!isOther) continue
        node ^= 1
        lot = otherLot
        stretch = otherStretch
      }
      const candidate = candidates[node]
      if (lot * stretch < soonest && candidate !== undefined && mayServe(candidate)) {
        chosen = candidate
        soonest = lot * stretch
      }
      if (waiting === 0) return chosen
      node = nodes[--waiting] ?? 0
      lot = lots[waiting] ?? 0
      stretch = stretches[waiting] ?? 0
    }
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
