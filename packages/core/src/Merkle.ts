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

const leafHash = (hash: Hash, leaf: Uint8Array): Uint8Array => hash(join(0, leaf))
const nodeHash = (hash: Hash, left: Uint8Array, right: Uint8Array): Uint8Array => hash(join(1, left, right))

/** The largest power of two that is smaller than `size`. */
const splitPoint = (size: number): number => {
  let point = 1
  while (point * 2 < size) point *= 2
  return point
}

const rootOfHashes = (hash: Hash, hashes: ReadonlyArray<Uint8Array>): Uint8Array => {
  const [first] = hashes
  if (first === undefined) return hash(new Uint8Array())
  if (hashes.length === 1) return first
  const point = splitPoint(hashes.length)
  return nodeHash(hash, rootOfHashes(hash, hashes.slice(0, point)), rootOfHashes(hash, hashes.slice(point)))
}

const pathOfHashes = (hash: Hash, hashes: ReadonlyArray<Uint8Array>, index: number): Array<Uint8Array> => {
  if (hashes.length <= 1) return []
  const point = splitPoint(hashes.length)
  const left = hashes.slice(0, point)
  const right = hashes.slice(point)
  return index < point
    ? [...pathOfHashes(hash, left, index), rootOfHashes(hash, right)]
    : [...pathOfHashes(hash, right, index - point), rootOfHashes(hash, left)]
}

/**
 * The root of a list of leaves. The root of no leaves is the hash of nothing.
 *
 * @category rules
 * @since 0.1.0
 */
export const root = (hash: Hash, leaves: ReadonlyArray<Uint8Array>): Uint8Array =>
  rootOfHashes(
    hash,
    leaves.map((leaf) => leafHash(hash, leaf)),
  )

/**
 * The path that proves the leaf at `index`, from the leaf's sibling up to the root's child.
 *
 * @category rules
 * @since 0.1.0
 */
export const path = (hash: Hash, leaves: ReadonlyArray<Uint8Array>, index: number): ReadonlyArray<Uint8Array> =>
  pathOfHashes(
    hash,
    leaves.map((leaf) => leafHash(hash, leaf)),
    index,
  )

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
  if (index < 0 || index >= size) return undefined
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
