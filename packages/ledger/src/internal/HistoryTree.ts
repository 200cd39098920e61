import * as Effect from "effect/Effect"
import * as Merkle from "@guildhall/core/Merkle"
import * as Chain from "../Chain.ts"
import type { View } from "../LedgerStore.ts"

const BLOCK = 2 ** Chain.NODE_LEVEL

/** A full subtree that is kept as a node: its level, or undefined. */
const levelOf = ({ from, to }: Merkle.Leaves): number | undefined => {
  const size = to - from
  let level = 0
  while (2 ** level < size) level += 1
  return 2 ** level === size && level >= Chain.NODE_LEVEL && from % size === 0 ? level : undefined
}

/** The hash over a run of entries: kept ones are read, small ones made again from their entries. */
const hashOf = (
  view: View,
  leaves: Merkle.Leaves,
): Effect.Effect<Uint8Array, Effect.Error<ReturnType<View["accounts"]>>> =>
  Effect.gen(function* () {
    const { from, to } = leaves
    const level = levelOf(leaves)
    if (level !== undefined) {
      const number = Chain.nodeNumber(level, BigInt(from / (to - from)))
      const [node] = yield* view.history("nodes", { after: number - 1n, limit: 1 })
      if (node?.number === number) return node.hash
      return yield* Effect.die(`the history has no node ${number}`)
    }
    if (to - from <= BLOCK) {
      const entries = yield* view.history("entries", { after: BigInt(from), limit: to - from })
      return Merkle.rootOf(Chain.sha256, entries.map(Chain.leafHash))
    }
    const middle = from + Merkle.splitPoint(to - from)
    const left = yield* hashOf(view, { from, to: middle })
    return Merkle.nodeHash(Chain.sha256, left, yield* hashOf(view, { from: middle, to }))
  })

/** The hashes over runs of entries. */
export const hashes = (view: View, runs: ReadonlyArray<Merkle.Leaves>) =>
  Effect.forEach(runs, (leaves) => hashOf(view, leaves))
