/**
 * The proof of a ledger's store that concerns the chain and the tree over its history.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Chain from "../../Chain.ts"
import type { Entry } from "../../Entry.ts"
import { type Command, LedgerStore } from "../../LedgerStore.ts"
import * as Sample from "../SampleCommand.ts"
import * as History from "./History.ts"
import * as Trial from "./Trial.ts"

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex")

const plainBatch = ({ chain, root, ...batch }: Chain.Batch) => ({ ...batch, root: hex(root), chain: hex(chain) })
const plainNode = ({ hash, ...node }: Chain.Node) => ({ ...node, hash: hex(hash) })

/** What `Chain` makes of a history whose batches ended there. */
const recompute = (entries: ReadonlyArray<Entry>, recorded: ReadonlyArray<Chain.Batch>) => {
  let head = Chain.empty
  const batches: Array<Chain.Batch> = []
  const nodes: Array<Chain.Node> = []
  for (const { committedAtMs, lastSequence } of recorded) {
    const added = Chain.append(head, entries.slice(Number(head.size), Number(lastSequence)), committedAtMs)
    head = added.head
    if (added.batch !== undefined) batches.push(added.batch)
    nodes.push(...added.nodes)
  }
  return { head, batches, nodes }
}

/** Asserts that all batches and nodes of a store are what `Chain` makes of its entries. @since 0.1.0 */
export const agrees = Effect.gen(function* () {
  const [entries, batches, nodes] = [yield* History.entries, yield* History.batches, yield* History.nodes]
  const computed = recompute(entries, batches)
  assert.strictEqual(computed.head.size, BigInt(entries.length), "the batches have all entries")
  assert.deepStrictEqual(batches.map(plainBatch), computed.batches.map(plainBatch))
  assert.deepStrictEqual(nodes.map(plainNode), computed.nodes.map(plainNode))
  for (const { committedAtMs, firstSequence, lastSequence } of batches) {
    for (const { postedAtMs, sequence } of entries.slice(Number(firstSequence) - 1, Number(lastSequence))) {
      assert.strictEqual(postedAtMs, committedAtMs, `entry ${sequence} is as old as its batch`)
    }
  }
  return { entries, batches, nodes }
})

/** So many entries make nodes of the two lowest levels that are kept. */
const ENOUGH = 640

/** Guarantee 12. @since 0.1.0 */
export const chained = Effect.gen(function* () {
  const store = yield* LedgerStore
  const { outside, buyer, provider } = yield* Trial.people(1_000n)
  const batchOf = (size: number): ReadonlyArray<Command> =>
    Array.from({ length: size }, (_, at) =>
      at % 7 === 3
        ? Sample.open(Sample.accountId())
        : at % 7 === 5
          ? {
              _tag: "Post",
              posting: Sample.postingOf([
                [outside, -3n],
                [buyer, 1n],
                [provider, 1n],
                [buyer, 2n],
                [provider, -1n],
              ]),
            }
          : Sample.post(outside, buyer, 1n, at % 2 === 0 ? {} : { links: { request: Sample.text(), epoch: "é 😀" } }),
    )
  const sizes = [1, 2, 3, 255, 1, 120, 64, 64, 130]
  for (const size of sizes) yield* Trial.commit(batchOf(size))
  yield* Effect.all(
    [5, 1, 7, 2].map((size) => store.commit(batchOf(size))),
    { concurrency: "unbounded" },
  )
  // A batch that leaves nothing behind leaves no record either.
  const { batches: before } = yield* agrees
  yield* Trial.refuses(Sample.post(provider, buyer, 10n ** 20n), "InsufficientFunds")
  yield* Trial.outcome(Sample.hold(buyer, 1n))
  yield* Trial.outcome({ _tag: "Preview", command: Sample.post(outside, buyer, 1n) })
  const { batches, entries, nodes } = yield* agrees
  assert.lengthOf(batches, before.length)
  assert.isAtLeast(entries.length, ENOUGH)
  const levels = new Set(nodes.map(({ level }) => level))
  assert.isTrue(levels.has(Chain.NODE_LEVEL) && levels.has(Chain.NODE_LEVEL + 1))
  for (const { index, level, number } of nodes) assert.strictEqual(Chain.nodeNumber(level, index), number)
})
