/**
 * The chain of usage lines, as pure rules: what follows what, and which positions a chain has. The hash comes from the platform.
 *
 * @since 0.1.0
 */
import * as Hex from "effect/encoding/Hex"
import type * as Merkle from "@guildhall/core/Merkle"
import { lineBytes, type UsageLine } from "@guildhall/protocol/provider/UsageLog"
import { type Base, type Entry, follow } from "./UsageLog.ts"

/**
 * What is kept of a chain: the lines that the market has not acknowledged, oldest first, and where it ends.
 *
 * @category models
 * @since 0.1.0
 */
export interface UsageChain {
  readonly head: Base
  readonly lines: ReadonlyArray<UsageLine>
}

/**
 * Where what is kept begins.
 *
 * @category getters
 * @since 0.1.0
 */
export const baseOf = ({ head, lines }: UsageChain): Base => {
  const [first] = lines
  return first === undefined ? head : { number: first.number - 1, hash: first.previous }
}

/**
 * Whether the chain has a position, or has left it behind long ago.
 *
 * @category predicates
 * @since 0.1.0
 */
export const has = (chain: UsageChain, held: Base): boolean => {
  const base = baseOf(chain)
  if (held.number < base.number) return true
  if (held.number === base.number) return held.hash === base.hash
  return chain.lines.find(({ number }) => number === held.number)?.hash === held.hash
}

/**
 * The entries as lines that follow a position.
 *
 * @category combinators
 * @since 0.1.0
 */
export const after = (sha256: Merkle.Hash, from: Base, entries: ReadonlyArray<Entry>): UsageChain => {
  let head = from
  const lines = entries.map((entry) => {
    const line = follow(head, entry)
    const hash = Hex.encode(sha256(lineBytes(line)))
    head = { number: line.number, hash }
    return { ...line, hash }
  })
  return { head, lines }
}

/**
 * What is kept, as it follows another position.
 *
 * @category combinators
 * @since 0.1.0
 */
export const rebase = (sha256: Merkle.Hash, chain: UsageChain, from: Base): UsageChain =>
  after(
    sha256,
    from,
    chain.lines.map(({ hash: _hash, number: _number, previous: _previous, ...entry }) => entry),
  )
