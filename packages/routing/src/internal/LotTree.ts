import type { InstanceId } from "@guildhall/core/Instance"
import * as Draw from "../Draw.ts"
import type { Candidate } from "../RoutingPolicy.ts"
import { grown } from "./DrawHeap.ts"
import * as Lots from "./Lots.ts"

/** How many bits two names have in common, of 64: 64 where both hashes are the same. */
const common = (hashA: number, secondA: number, hashB: number, secondB: number): number => {
  const difference = hashA ^ hashB
  return difference === 0 ? 32 + Math.clz32(secondA ^ secondB) : Math.clz32(difference)
}

const isSet = (bit: number, hash: number, second: number): boolean =>
  bit < 32 ? (hash & (1 << (31 - bit))) !== 0 : (second & (1 << (63 - bit))) !== 0

const LEAF_BITS = 64

/** The left one of the two nodes below, or 0; how many instances are below; and what `Lots.fall` knows of it. */
export const BELOW = 0
export const COUNT = 1
export const BRANCH = 2
export const STRIDE = 4

/** How far a leaf may be from the top: names have so many bits. */
export const DEPTH = LEAF_BITS

/** The node on top. The two nodes below another stand side by side, the left one at an even number from 2 on. */
export const ROOT = 0

/**
 * The instances of one model in the tree by which `Lots` draws, each node with a row of numbers: of an instance, or of what is
 * best among those below. Arrays are public for the loops that go down them, which are most of what a choice costs.
 */
export class LotTree {
  readonly #leaves = new Map<InstanceId, number>()
  readonly #width: number
  #free: Array<number> = []
  #used = 2
  #above = new Int32Array(32)
  #hash = new Int32Array(64)
  #other = new Int32Array(64)
  #bits = new Int32Array(64)
  candidates: Array<Candidate | undefined> = []
  /** What a node is, at {@link STRIDE} times its number. Together, since memory is what a step in a large tree waits for. */
  shape = new Int32Array(64 * STRIDE)
  /** The numbers of two nodes that stand side by side are together: see {@link LotTree.at}. */
  values: Float64Array<ArrayBuffer>

  /** False where two ids share all bits of their hashes: then only the reference form can tell. */
  isSound = true

  constructor(width: number) {
    this.#width = width
    this.values = new Float64Array(64 * width)
  }

  get size(): number {
    return this.#leaves.size
  }

  /** Where the first number of a node is; each further one comes two places later. */
  at(node: number): number {
    return (node & ~1) * this.#width + (node & 1)
  }

  parent(node: number): number {
    return this.#above[node >> 1] ?? ROOT
  }

  /** The node of an instance, which enters with it; -1 where it cannot be told from another. Valid until one comes or goes. */
  leaf(candidate: Candidate): number {
    const { id } = candidate.instance
    const leaf = this.#leaves.get(id) ?? this.#insert(id)
    if (leaf !== -1) this.candidates[leaf] = candidate
    return leaf
  }

  /** Removes an instance, and answers the node whose numbers have changed with it. */
  remove(id: InstanceId): number | undefined {
    const leaf = this.#leaves.get(id)
    if (leaf === undefined) return undefined
    this.#leaves.delete(id)
    this.candidates[leaf] = undefined
    if (leaf === ROOT) return undefined
    const parent = this.parent(leaf)
    this.#move(leaf ^ 1, parent)
    this.#free.push(leaf & ~1)
    this.#count(parent, -1)
    return parent
  }

  #insert(id: InstanceId): number {
    const hash = Draw.ofId(id)
    const other = Lots.secondOf(id)
    if (this.size === 0) return this.#set(ROOT, id, hash, other)
    let node = ROOT
    let bits = common(hash, other, this.#hash[node] ?? 0, this.#other[node] ?? 0)
    while (bits >= (this.#bits[node] ?? LEAF_BITS)) {
      if (this.#bits[node] === LEAF_BITS) {
        this.isSound = false
        return -1
      }
      node = (this.shape[node * STRIDE + BELOW] ?? 0) + (isSet(this.#bits[node] ?? 0, hash, other) ? 1 : 0)
      bits = common(hash, other, this.#hash[node] ?? 0, this.#other[node] ?? 0)
    }
    const left = this.#take()
    const isRight = isSet(bits, hash, other)
    this.#move(node, isRight ? left : left + 1)
    this.#above[left >> 1] = node
    this.#bits[node] = bits
    this.shape[node * STRIDE + BELOW] = left
    this.shape[node * STRIDE + COUNT] = (this.shape[node * STRIDE + COUNT] ?? 0) + 1
    this.shape[node * STRIDE + BRANCH] = Lots.branchOf(hash, bits)
    this.#count(node, 1)
    return this.#set(isRight ? left + 1 : left, id, hash, other)
  }

  #set(leaf: number, id: InstanceId, hash: number, other: number): number {
    this.#leaves.set(id, leaf)
    this.#hash[leaf] = hash
    this.#other[leaf] = other
    this.#bits[leaf] = LEAF_BITS
    this.shape[leaf * STRIDE + BELOW] = 0
    this.shape[leaf * STRIDE + COUNT] = 1
    return leaf
  }

  /** One more or one less below each node above this one. */
  #count(node: number, more: number): void {
    for (let at = node; at !== ROOT;) {
      at = this.parent(at)
      this.shape[at * STRIDE + COUNT] = (this.shape[at * STRIDE + COUNT] ?? 0) + more
    }
  }

  /** Puts a node, with all that is below it, in the place of another. */
  #move(from: number, to: number): void {
    const candidate = this.candidates[from]
    const below = this.shape[from * STRIDE + BELOW] ?? 0
    this.candidates[to] = candidate
    this.candidates[from] = undefined
    this.shape.copyWithin(to * STRIDE, from * STRIDE, (from + 1) * STRIDE)
    this.#hash[to] = this.#hash[from] ?? 0
    this.#other[to] = this.#other[from] ?? 0
    this.#bits[to] = this.#bits[from] ?? 0
    for (let column = 0; column < this.#width; column++) {
      this.values[this.at(to) + 2 * column] = this.values[this.at(from) + 2 * column] ?? 0
    }
    if (below !== 0) this.#above[below >> 1] = to
    else if (candidate !== undefined) this.#leaves.set(candidate.instance.id, to)
  }

  #take(): number {
    const free = this.#free.pop()
    if (free !== undefined) return free
    const left = this.#used
    this.#used += 2
    if (left === this.#bits.length) this.#grow()
    return left
  }

  #grow(): void {
    this.#above = grown(this.#above, Int32Array)
    this.#hash = grown(this.#hash, Int32Array)
    this.#other = grown(this.#other, Int32Array)
    this.#bits = grown(this.#bits, Int32Array)
    this.shape = grown(this.shape, Int32Array)
    this.values = grown(this.values, Float64Array)
  }
}
