/**
 * The tree by which an epoch is claimed: one leaf for each account, of all that it ever earned. Leaves are hashed twice and pairs in
 * order, as OpenZeppelin's `MerkleProof` and `StandardMerkleTree` have it, so a provider can check and use its proof with any tool.
 *
 * @since 0.1.0
 */
import type * as Address from "./Address.ts"
import * as Hex from "./Hex.ts"
import * as Keccak from "./Keccak.ts"

/**
 * Whose leaf it is: the chain, the contract that pays, and the token.
 *
 * @category models
 * @since 0.1.0
 */
export interface Domain {
  readonly chainId: number
  readonly contract: Address.Address
  readonly token: Address.Address
}

/** An account and what it earned in all epochs up to this one. @category models @since 0.1.0 */
export interface Earned {
  readonly account: Address.Address
  readonly cumulative: bigint
}

/**
 * A tree: its root, and the proof of each account in the order in which they were given.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tree {
  readonly root: Hex.Bytes32
  readonly proofs: ReadonlyArray<ReadonlyArray<Hex.Bytes32>>
}

/** The leaf of an account: the hash of the hash of its five words. @category hashing @since 0.1.0 */
export const leaf = (domain: Domain, { account, cumulative }: Earned): Hex.Bytes32 =>
  ofWords([
    Hex.word(BigInt(domain.chainId)),
    Hex.wordOf(domain.contract),
    Hex.wordOf(domain.token),
    Hex.wordOf(account),
    Hex.word(cumulative),
  ])

/**
 * A leaf of any words of thirty-two bytes: the hash of their hash. For trees of other contracts.
 *
 * @category hashing
 * @since 0.1.0
 */
export const ofWords = (words: ReadonlyArray<string>): Hex.Bytes32 => Keccak.ofHex(Keccak.ofHex(Hex.concat(...words)))

/** Two hashes in the order of their bytes, hashed. @category hashing @since 0.1.0 */
export const pair = (a: Hex.Bytes32, b: Hex.Bytes32): Hex.Bytes32 =>
  Keccak.ofHex(a < b ? Hex.concat(a, b) : Hex.concat(b, a))

/**
 * The tree over the accounts' leaves. No accounts have the root of thirty-two zero bytes, which no proof leads to.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (domain: Domain, accounts: ReadonlyArray<Earned>): Tree =>
  ofLeaves(accounts.map((earned) => leaf(domain, earned)))

/**
 * The tree over leaves, as `StandardMerkleTree` builds it: leaves sorted, then each node above its two.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ofLeaves = (leaves: ReadonlyArray<Hex.Bytes32>): Tree => {
  if (leaves.length === 0) return { root: Hex.word(0n), proofs: [] }
  const sorted = leaves
    .map((hash, at) => ({ hash, at }))
    .sort((a, b) => (a.hash < b.hash ? -1 : a.hash > b.hash ? 1 : 0))
  // A heap: the root at 0, the children of i at 2i + 1 and 2i + 2, the leaves from the end backwards.
  const size = 2 * leaves.length - 1
  const nodes = Array.from({ length: size }, () => Hex.word(0n))
  const places = new Map<number, number>()
  for (const [rank, { hash, at }] of sorted.entries()) {
    nodes[size - 1 - rank] = hash
    places.set(at, size - 1 - rank)
  }
  const node = (at: number): Hex.Bytes32 => nodes[at] ?? Hex.word(0n)
  for (let at = size - leaves.length - 1; at >= 0; at--) nodes[at] = pair(node(2 * at + 1), node(2 * at + 2))
  const proofs = leaves.map((_, index) => {
    const proof: Array<Hex.Bytes32> = []
    for (let at = places.get(index) ?? 0; at > 0; at = Math.floor((at - 1) / 2)) {
      proof.push(node(at % 2 === 1 ? at + 1 : at - 1))
    }
    return proof
  })
  return { root: node(0), proofs }
}

/** Whether a proof leads from a leaf to a root. @category rules @since 0.1.0 */
export const isProved = (root: Hex.Bytes32, of: Hex.Bytes32, proof: ReadonlyArray<Hex.Bytes32>): boolean =>
  proof.reduce(pair, of) === root
