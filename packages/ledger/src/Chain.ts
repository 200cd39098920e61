/**
 * What makes history provable: a SHA-256 chain over the batches, and the Merkle tree of RFC 6962 over all entries, whose
 * root each batch records. Pure; every store computes and keeps the same bytes.
 *
 * A leaf is the JSON of an entry's header ({@link header}). The legs enter it by the Merkle root over them, four by four, so
 * that a proof shows the legs of one account only.
 *
 * @since 0.1.0
 */
import { hash } from "node:crypto"
import { Buffer } from "node:buffer"
import * as Schema from "effect/Schema"
import * as Canonical from "@guildhall/core/Canonical"
import * as Merkle from "@guildhall/core/Merkle"
import { AccountId } from "./Account.ts"
import { type Act, type Entry, keyOf } from "./Entry.ts"
import type { Posting } from "./Posting.ts"

/**
 * SHA-256.
 *
 * @category hashing
 * @since 0.1.0
 */
export const sha256 = (bytes: Uint8Array): Uint8Array => hash("sha256", bytes, "buffer")

/**
 * Where a book's history stands: how many batches and entries it has, the chain's head, and the roots of the full subtrees
 * that the entries make, largest first, from which the tree grows on.
 *
 * @category models
 * @since 0.1.0
 */
export interface Head {
  readonly batch: bigint
  readonly size: bigint
  readonly chain: Uint8Array
  readonly peaks: ReadonlyArray<Uint8Array>
}

/**
 * The record of a batch: its entries, when it was committed, the Merkle root over all entries up to its last one, and the
 * chain's head after it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Batch {
  readonly number: bigint
  readonly firstSequence: bigint
  readonly lastSequence: bigint
  readonly committedAtMs: number
  readonly root: Uint8Array
  readonly chain: Uint8Array
}

/**
 * The root of a full subtree of 2^`level` entries, the `index`th of its level. Kept from {@link NODE_LEVEL} up; smaller
 * ones are quickly made again. Nodes are numbered from 1 in the order in which they become full.
 *
 * @category models
 * @since 0.1.0
 */
export interface Node {
  readonly number: bigint
  readonly level: number
  readonly index: bigint
  readonly hash: Uint8Array
}

/** The lowest level of nodes that are kept: one for 256 entries. @category constants @since 0.1.0 */
export const NODE_LEVEL = 8

/** How many legs are hashed together. @category constants @since 0.1.0 */
export const LEGS_TOGETHER = 4

/**
 * A book without history.
 *
 * @category constructors
 * @since 0.1.0
 */
export const empty: Head = { batch: 0n, size: 0n, chain: new Uint8Array(32), peaks: [] }

/**
 * A leg as it is hashed.
 *
 * @category models
 * @since 0.1.0
 */
export interface LegLine {
  readonly account: AccountId
  readonly amount: bigint
  readonly balance: bigint
}

/**
 * The text of up to four legs, which is hashed as one leaf of the legs' tree.
 *
 * @category encoding
 * @since 0.1.0
 */
export const legText = (lines: ReadonlyArray<LegLine>): string => {
  let text = ""
  for (const { account, amount, balance } of lines) text += `${account} ${amount} ${balance}\n`
  return text
}

/**
 * The legs that such a text tells; undefined where it is none.
 *
 * @category encoding
 * @since 0.1.0
 */
export const linesOf = (text: string): ReadonlyArray<LegLine> | undefined => {
  const lines = text.split("\n")
  if (lines.pop() !== "" || lines.length > LEGS_TOGETHER) return undefined
  const read: Array<LegLine> = []
  for (const line of lines) {
    const [account, amount, balance, ...rest] = line.split(" ")
    const isLine = isAccountId(account) && isWhole(amount) && isWhole(balance) && rest.length === 0
    if (!isLine) return undefined
    read.push({ account, amount: BigInt(amount), balance: BigInt(balance) })
  }
  return read
}

const isAccountId = Schema.is(AccountId)
const isWhole = (text: string | undefined): text is string => text !== undefined && /^-?\d{1,78}$/.test(text)

/** Where two hashes are put side by side: nothing waits between writing and hashing it. */
const pair = new Uint8Array(65).fill(1, 0, 1)

/** What {@link Merkle.nodeHash} makes of two hashes, without a list for each. */
const nodeHash = (left: Uint8Array, right: Uint8Array): Uint8Array => {
  pair.set(left, 1)
  pair.set(right, 33)
  return sha256(pair)
}

const leaf = (text: string): Uint8Array => hash("sha256", `\u0000${text}`, "buffer")

/**
 * The hashes of an entry's legs, four by four.
 *
 * @category hashing
 * @since 0.1.0
 */
export const legHashes = (posting: Posting, balances: ReadonlyArray<bigint>): ReadonlyArray<Uint8Array> => {
  const hashes: Array<Uint8Array> = []
  for (let group = 0; group * LEGS_TOGETHER < posting.legs.length; group++) {
    hashes.push(leaf(legText(legLines(posting, balances, group))))
  }
  return hashes
}

/**
 * The legs of a posting that are hashed together, by the number of their group.
 *
 * @category encoding
 * @since 0.1.0
 */
export const legLines = ({ legs }: Posting, balances: ReadonlyArray<bigint>, group: number): ReadonlyArray<LegLine> => {
  const from = group * LEGS_TOGETHER
  const lines: Array<LegLine> = []
  for (const { account, amount } of from === 0 && legs.length <= LEGS_TOGETHER
    ? legs
    : legs.slice(from, from + LEGS_TOGETHER)) {
    lines.push({ account, amount, balance: balances[from + lines.length] ?? 0n })
  }
  return lines
}

/**
 * What else a posting says, as JSON; null where it says nothing else.
 *
 * @category encoding
 * @since 0.1.0
 */
export const detailOf = ({ links, rate }: Posting): string | null => {
  if (rate === undefined) return links === undefined ? null : Canonical.stringify({ links: { ...links } })
  const { numerator, denominator, ...rest } = rate
  const plain = { ...rest, numerator: numerator.toString(), denominator: denominator.toString() }
  return Canonical.stringify(links === undefined ? { rate: plain } : { links: { ...links }, rate: plain })
}

/** The root over the legs, in base64url. Most postings have one group of legs, which is the root. */
const legsRoot = (posting: Posting, balances: ReadonlyArray<bigint>): string =>
  posting.legs.length <= LEGS_TOGETHER
    ? hash("sha256", `\u0000${legText(legLines(posting, balances, 0))}`, "base64url")
    : Buffer.from(Merkle.rootOf(sha256, legHashes(posting, balances))).toString("base64url")

const amountAsText = (_: string, value: unknown): unknown => (typeof value === "bigint" ? value.toString() : value)

/**
 * An act as JSON.
 *
 * @category encoding
 * @since 0.1.0
 */
export const actText = (act: Act): string => Canonical.stringify(JSON.parse(JSON.stringify(act, amountAsText)))

/**
 * An entry's header: what is hashed as its leaf. For a posting a JSON array of the version, the sequence, when it was posted
 * and counts, its kind, key, hold, detail and the base64url of its legs' root; for an act of the version, the sequence,
 * when it was made, its key and its JSON.
 *
 * @category encoding
 * @since 0.1.0
 */
export const header = (entry: Entry): string => {
  const sequence = entry.sequence.toString()
  if (entry._tag === "Acted") {
    return JSON.stringify(["act1", sequence, entry.postedAtMs, keyOf(entry), actText(entry.act)])
  }
  const { posting, balances, hold, postedAtMs, effectiveAtMs } = entry
  return JSON.stringify([
    "post1",
    sequence,
    postedAtMs,
    effectiveAtMs,
    posting.kind,
    posting.idempotencyKey,
    hold,
    detailOf(posting),
    legsRoot(posting, balances),
  ])
}

/**
 * The hash of a leaf.
 *
 * @category hashing
 * @since 0.1.0
 */
export const leafHash = (entry: Entry): Uint8Array => leaf(header(entry))

/**
 * The Merkle root over everything up to a head.
 *
 * @category getters
 * @since 0.1.0
 */
export const rootOf = ({ peaks }: Head): Uint8Array => {
  let root: Uint8Array | undefined
  for (const peak of peaks.toReversed()) root = root === undefined ? peak : Merkle.nodeHash(sha256, peak, root)
  return root ?? sha256(new Uint8Array())
}

/** How many nodes of {@link NODE_LEVEL} and above are full once there are so many entries. */
const nodesAt = (size: bigint): bigint => {
  let count = 0n
  for (let rest = size >> BigInt(NODE_LEVEL); rest > 0n; rest >>= 1n) count += rest
  return count
}

/**
 * The number under which a node is kept.
 *
 * @category getters
 * @since 0.1.0
 */
export const nodeNumber = (level: number, index: bigint): bigint =>
  nodesAt(((index + 1n) << BigInt(level)) - 1n) + BigInt(level - NODE_LEVEL + 1)

/**
 * Adds a batch of entries to a head. There is no record for a batch without entries.
 *
 * @category constructors
 * @since 0.1.0
 */
export const append = (
  head: Head,
  entries: ReadonlyArray<Entry>,
  nowMs: number,
): { readonly head: Head; readonly batch: Batch | undefined; readonly nodes: ReadonlyArray<Node> } => {
  if (entries.length === 0) return { head, batch: undefined, nodes: [] }
  const peaks = [...head.peaks]
  const nodes: Array<Node> = []
  let size = head.size
  let number = nodesAt(size)
  for (const entry of entries) {
    let node = leafHash(entry)
    let level = 0
    for (let rest = size; rest % 2n === 1n; rest /= 2n) {
      node = nodeHash(peaks.pop() ?? node, node)
      level += 1
      if (level >= NODE_LEVEL) nodes.push({ number: ++number, level, index: size >> BigInt(level), hash: node })
    }
    peaks.push(node)
    size += 1n
  }
  const next: Head = { batch: head.batch + 1n, size, chain: head.chain, peaks }
  const root = rootOf(next)
  const chain = link(head.chain, { number: next.batch, lastSequence: size, committedAtMs: nowMs, root })
  const batch: Batch = {
    number: next.batch,
    firstSequence: head.size + 1n,
    lastSequence: size,
    committedAtMs: nowMs,
    root,
    chain,
  }
  return { head: { ...next, chain }, batch, nodes }
}

/**
 * The chain's head after a batch: the hash of the head before, and of the batch's number, last sequence, time and root.
 *
 * @category hashing
 * @since 0.1.0
 */
export const link = (
  before: Uint8Array,
  batch: Pick<Batch, "number" | "lastSequence" | "committedAtMs" | "root">,
): Uint8Array => {
  const { number, lastSequence, committedAtMs, root } = batch
  return sha256(Buffer.concat([before, root, Buffer.from(`${number} ${lastSequence} ${committedAtMs}`)]))
}
