/**
 * The Merkle tree of RFC 6962: one root stands for a batch of leaves, and a short path proves that a leaf is in it.
 * The hash function arrives as an argument, so the same code runs in a gateway, a browser and an auditor's script.
 *
 * @since 0.1.0
 */

/**
 * SHA-256, as whatever the platform offers.
 *
 * @category models
 * @since 0.1.0
 */
export type Hash = (bytes: Uint8Array) => Uint8Array

const join = (prefix: number, ...parts: ReadonlyArray<Uint8Array>): Uint8Array => {
  const joined = new Uint8Array(1 + parts.reduce((length, part) => length + part.length, 0))
  joined[0] = prefix
  let at = 1
  for (const part of parts) {
    joined.set(part, at)
    at += part.length
  }
  return joined
}

/**
 * The hash of one leaf. Use it where leaves are hashed one by one, long before their tree is built with {@link rootOf}.
 *
 * @category hashing
 * @since 0.1.0
 */
export const leafHash = (hash: Hash, leaf: Uint8Array): Uint8Array => hash(join(0, leaf))

/**
 * The hash of two subtrees side by side. Use it where a tree grows, or where parts of it are kept.
 *
 * @category hashing
 * @since 0.1.0
 */
export const nodeHash = (hash: Hash, left: Uint8Array, right: Uint8Array): Uint8Array => hash(join(1, left, right))

/**
 * How many of `size` leaves are in the left subtree: the largest power of two that is smaller than `size`.
 *
 * @category rules
 * @since 0.1.0
 */
export const splitPoint = (size: number): number => {
  let point = 1
  while (point * 2 < size) point *= 2
  return point
}

/**
 * The root of a list of leaves. The root of no leaves is the hash of nothing.
 *
 * @category rules
 * @since 0.1.0
 */
export const root = (hash: Hash, leaves: ReadonlyArray<Uint8Array>): Uint8Array => tree(hash, leaves).root

/**
 * The root of leaves that are hashed already.
 *
 * @category rules
 * @since 0.1.0
 */
export const rootOf = (hash: Hash, hashes: ReadonlyArray<Uint8Array>): Uint8Array => {
  const only = hashes[0]
  if (only === undefined) return hash(new Uint8Array())
  if (hashes.length === 1) return only
  const middle = splitPoint(hashes.length)
  return nodeHash(hash, rootOf(hash, hashes.slice(0, middle)), rootOf(hash, hashes.slice(middle)))
}

/**
 * A list of leaves with its root and the path of every leaf, in the time of one root. Use it to sign a batch.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tree {
  readonly root: Uint8Array
  readonly paths: ReadonlyArray<ReadonlyArray<Uint8Array>>
}

/**
 * The tree of a list of leaves. A leaf's path goes from its sibling up to the root's child.
 *
 * @category rules
 * @since 0.1.0
 */
export const tree = (hash: Hash, leaves: ReadonlyArray<Uint8Array>): Tree => {
  const hashes = leaves.map((leaf) => leafHash(hash, leaf))
  const paths = hashes.map((): Array<Uint8Array> => [])
  const build = (from: number, to: number): Uint8Array => {
    const only = hashes[from]
    if (only === undefined) return hash(new Uint8Array())
    if (to - from === 1) return only
    const middle = from + splitPoint(to - from)
    const left = build(from, middle)
    const right = build(middle, to)
    for (const path of paths.slice(from, middle)) path.push(right)
    for (const path of paths.slice(middle, to)) path.push(left)
    return nodeHash(hash, left, right)
  }
  return { root: build(0, hashes.length), paths }
}

/**
 * The path that proves the leaf at `index`. Where the paths of many leaves are needed, take them from {@link tree}.
 *
 * @category rules
 * @since 0.1.0
 */
export const path = (hash: Hash, leaves: ReadonlyArray<Uint8Array>, index: number): ReadonlyArray<Uint8Array> =>
  tree(hash, leaves).paths[index] ?? []

/**
 * The root that a leaf and its path lead to, or `undefined` where the path has a wrong length. A leaf is proved
 * when this equals the signed root (RFC 9162, section 2.1.3.2).
 *
 * @category rules
 * @since 0.1.0
 */
export const rootFromPath = (
  hash: Hash,
  leaf: Uint8Array,
  index: number,
  size: number,
  path: ReadonlyArray<Uint8Array>,
): Uint8Array | undefined => {
  if (!Number.isSafeInteger(index) || !Number.isSafeInteger(size) || index < 0 || index >= size) return undefined
  let node = index
  let last = size - 1
  let current = leafHash(hash, leaf)
  for (const sibling of path) {
    if (last === 0) return undefined
    if (node % 2 === 1 || node === last) {
      current = nodeHash(hash, sibling, current)
      while (node % 2 === 0 && node !== 0) {
        node = Math.floor(node / 2)
        last = Math.floor(last / 2)
      }
    } else {
      current = nodeHash(hash, current, sibling)
    }
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  return last === 0 ? current : undefined
}

/**
 * A run of leaves: from the first, up to but not with the last number.
 *
 * @category models
 * @since 0.1.0
 */
export interface Leaves {
  readonly from: number
  readonly to: number
}

/**
 * Whose hashes make up the path of a leaf in a tree of `size` leaves, from the leaf's sibling up to the root's child. For
 * trees too large to hold: each is looked up or made by itself.
 *
 * **Example** (The third of five)
 *
 * ```ts
 * import { Merkle } from "@guildhall/core"
 *
 * Merkle.pathLeaves(2, 5) // => [{ from: 3, to: 4 }, { from: 0, to: 2 }, { from: 4, to: 5 }]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const pathLeaves = (index: number, size: number): ReadonlyArray<Leaves> => {
  const go = (from: number, to: number): ReadonlyArray<Leaves> => {
    if (to - from < 2) return []
    const middle = from + splitPoint(to - from)
    return index < middle ? [...go(from, middle), { from: middle, to }] : [...go(middle, to), { from, to: middle }]
  }
  return index >= 0 && index < size ? go(0, size) : []
}

/**
 * Whose hashes prove that a tree of `size` leaves begins with one of the first `first` of them.
 *
 * @category rules
 * @since 0.1.0
 */
export const consistencyLeaves = (first: number, size: number): ReadonlyArray<Leaves> => {
  const go = (count: number, from: number, to: number, isWhole: boolean): ReadonlyArray<Leaves> => {
    if (count === to - from) return isWhole ? [] : [{ from, to }]
    const split = splitPoint(to - from)
    const middle = from + split
    return count <= split
      ? [...go(count, from, middle, isWhole), { from: middle, to }]
      : [...go(count - split, middle, to, false), { from, to: middle }]
  }
  return first > 0 && first <= size ? go(first, 0, size, true) : []
}

const isSame = (a: Uint8Array | undefined, b: Uint8Array): boolean =>
  a !== undefined && a.length === b.length && a.every((byte, at) => byte === b[at])

/**
 * Whether a proof shows that the tree with `root` and `size` leaves begins with the one that has `firstRoot` and `first`
 * leaves: nothing of it was changed or taken away. By the algorithm of RFC 9162, section 2.1.4.2.
 *
 * @category rules
 * @since 0.1.0
 */
export const isConsistent = (
  hash: Hash,
  earlier: { readonly size: number; readonly root: Uint8Array },
  later: { readonly size: number; readonly root: Uint8Array },
  proof: ReadonlyArray<Uint8Array>,
): boolean => {
  const sizes = [earlier.size, later.size]
  if (!sizes.every(Number.isSafeInteger) || earlier.size < 1 || earlier.size > later.size) return false
  if (earlier.size === later.size) return proof.length === 0 && isSame(earlier.root, later.root)
  let node = earlier.size - 1
  let last = later.size - 1
  const halve = (): void => {
    node = Math.floor(node / 2)
    last = Math.floor(last / 2)
  }
  while (node % 2 === 1) halve()
  // A full tree is a node of the later one: its root need not be told again.
  const [start, ...rest] = node === 0 ? [earlier.root, ...proof] : proof
  if (start === undefined) return false
  let [first, second] = [start, start]
  for (const sibling of rest) {
    if (last === 0) return false
    if (node % 2 === 1 || node === last) {
      first = nodeHash(hash, sibling, first)
      second = nodeHash(hash, sibling, second)
      while (node % 2 === 0 && node !== 0) halve()
    } else {
      second = nodeHash(hash, second, sibling)
    }
    halve()
  }
  return last === 0 && isSame(first, earlier.root) && isSame(second, later.root)
}
