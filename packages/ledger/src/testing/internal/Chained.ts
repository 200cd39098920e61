/**
 * The proof of a ledger's store that concerns the chain and the tree over its history.
 *
 * @since 0.1.0
 */
import { assert } from "@effect/vitest"
import * as Effect from "effect/Effect"
import * as Chain from "../../Chain.ts"
import { type Command, LedgerStore } from "../../LedgerStore.ts"
import * as Sample from "../SampleCommand.ts"
import * as Recompute from "./Recompute.ts"
import * as Trial from "./Trial.ts"

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
  const { batches: before } = yield* Recompute.chain
  yield* Trial.refuses(Sample.post(provider, buyer, 10n ** 20n), "InsufficientFunds")
  yield* Trial.outcome(Sample.hold(buyer, 1n))
  yield* Trial.outcome({ _tag: "Preview", command: Sample.post(outside, buyer, 1n) })
  const { batches, entries, nodes } = yield* Recompute.chain
  assert.lengthOf(batches, before.length)
  assert.isAtLeast(entries.length, ENOUGH)
  const levels = new Set(nodes.map(({ level }) => level))
  assert.isTrue(levels.has(Chain.NODE_LEVEL) && levels.has(Chain.NODE_LEVEL + 1))
  for (const { index, level, number } of nodes) assert.strictEqual(Chain.nodeNumber(level, index), number)
})
