import { assert, describe, it } from "@effect/vitest"
import { Bytes32, Hex } from "@guildhall/chain/Hex"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect } from "effect"
import * as IndexStore from "../src/IndexStore.ts"
import * as IndexStoreSql from "../src/IndexStoreSql.ts"

const hash = (number: number) => Bytes32.make(`0x${number.toString(16).padStart(64, "0")}`)

const log = (blockNumber: number, logIndex: number, transaction = blockNumber * 1_000 + logIndex) => ({
  blockNumber,
  logIndex,
  blockHash: hash(blockNumber),
  transaction: hash(transaction),
  atS: 1_700_000_000 + blockNumber,
  address: Hex.make(`0x${"ab".repeat(20)}`),
  topics: [hash(1), hash(2)],
  data: Hex.make("0x00ff"),
})

const at = (number: number, finalNumber: number, forks = 0): IndexStore.Cursor => ({
  number,
  hash: hash(number),
  finalNumber,
  settledNumber: Math.min(finalNumber, 5),
  forks,
})

const { place: start } = IndexStore.BEGINNING

const block = (number: number) => ({ number, hash: hash(number) })

const stores = {
  "in memory": () => Effect.succeed(IndexStore.makeMemory()),
  "on PostgreSQL": () => IndexStoreSql.make({ name: "test", subject: "31337" }),
}

describe.each(Object.entries(stores))("an index's store %s", (_name, make) => {
  it.effect("makes a move as a whole, and only from where it stands", () =>
    Effect.gen(function* () {
      const store = yield* make()
      assert.isNull(yield* store.cursor)
      yield* store.move({ from: null, to: at(0, 0), keptUpTo: 0, blocks: [block(0)], logs: [] })
      const step = { from: at(0, 0), to: at(9, 5), keptUpTo: 0, blocks: [block(5), block(9)] }
      yield* store.move({ ...step, logs: [log(5, 1), log(4, 0), log(9, 2)] })
      assert.deepStrictEqual(yield* store.cursor, at(9, 5))
      const again = yield* Effect.flip(store.move({ ...step, logs: [log(6, 1)] }))
      assert.strictEqual(again.reason, "overtaken")
      const twice = { from: at(9, 5), to: at(10, 6), keptUpTo: 9, blocks: [block(10)] }
      const double = yield* Effect.flip(store.move({ ...twice, logs: [log(10, 0), log(11, 0, 10_000)] }))
      assert.strictEqual(double.reason, "inconsistent")
      assert.deepStrictEqual(yield* store.cursor, at(9, 5))
      assert.lengthOf(yield* store.logs({ after: start, isFinal: false, limit: 10 }), 3)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("answers events in order, page by page, final ones apart, and forgets what is rolled back", () =>
    Effect.gen(function* () {
      const store = yield* make()
      yield* store.move({ from: null, to: at(0, 0), keptUpTo: 0, blocks: [block(0)], logs: [] })
      const logs = [log(5, 0), log(4, 7), log(5, 1), log(8, 0), log(9, 3)]
      yield* store.move({
        from: at(0, 0),
        to: at(9, 5),
        keptUpTo: 0,
        blocks: [4, 5, 6, 7, 8, 9].map(block),
        logs,
      })
      const all = [log(4, 7), log(5, 0), log(5, 1), log(8, 0), log(9, 3)]
      assert.deepStrictEqual(yield* store.logs({ after: start, isFinal: false, limit: 10 }), all)
      assert.deepStrictEqual(yield* store.logs({ after: start, isFinal: true, limit: 10 }), all.slice(0, 3))
      const after = { blockNumber: 5, logIndex: 0 }
      assert.deepStrictEqual(yield* store.logs({ after, isFinal: false, limit: 2 }), all.slice(2, 4))
      assert.deepStrictEqual(yield* store.blocks, [9, 8, 7, 6, 5].map(block))
      yield* store.move({ from: at(9, 5), to: at(7, 5, 1), keptUpTo: 7, blocks: [], logs: [] })
      assert.deepStrictEqual(yield* store.logs({ after: start, isFinal: false, limit: 10 }), all.slice(0, 3))
      assert.deepStrictEqual(yield* store.blocks, [7, 6, 5].map(block))
      assert.deepStrictEqual(yield* store.undone(0, 10), [])
      // The same transaction may come again in another block.
      yield* store.move({
        from: at(7, 5, 1),
        to: at(8, 8, 1),
        keptUpTo: 7,
        blocks: [block(8)],
        logs: [log(8, 0, 9_003)],
      })
    }).pipe(Effect.provide(TestDatabase.layer)),
  )

  it.effect("keeps aside what was final and is taken back, and sets its readers back", () =>
    Effect.gen(function* () {
      const store = yield* make()
      yield* store.move({ from: null, to: at(0, 0), keptUpTo: 0, blocks: [block(0)], logs: [] })
      const logs = [log(6, 0), log(7, 0), log(7, 1), log(9, 0)]
      yield* store.move({ from: at(0, 0), to: at(9, 8), keptUpTo: 0, blocks: [6, 7, 8, 9].map(block), logs })
      assert.deepStrictEqual(yield* store.mark("mirror"), IndexStore.BEGINNING)
      yield* store.setMark("mirror", { place: log(7, 1), undone: 0 }, 0)
      yield* store.setMark("slow", { place: log(6, 0), undone: 0 }, 0)
      yield* store.move({ from: at(9, 8), to: at(6, 6, 1), keptUpTo: 6, blocks: [], logs: [] })
      const late = yield* Effect.flip(store.setMark("slow", { place: log(7, 1), undone: 0 }, 0))
      assert.strictEqual(late.reason, "overtaken")
      const undone = yield* store.undone(0, 10)
      assert.deepStrictEqual(
        undone.map((each) => each.log),
        [log(7, 0), log(7, 1)],
      )
      const [first] = undone
      assert.lengthOf(yield* store.undone(first?.number ?? 0, 10), 1)
      assert.deepStrictEqual((yield* store.mark("mirror")).place, IndexStore.endOf(6))
      const slow = yield* store.mark("slow")
      assert.deepStrictEqual([slow.place.blockNumber, slow.place.logIndex, slow.undone], [6, 0, 0])
      yield* store.setMark("mirror", { place: IndexStore.endOf(6), undone: undone[1]?.number ?? 0 }, 1)
      assert.strictEqual((yield* store.mark("mirror")).undone, undone[1]?.number)
    }).pipe(Effect.provide(TestDatabase.layer)),
  )
})

describe("an index's store on PostgreSQL", () => {
  it.effect("is of one subject only", () =>
    Effect.gen(function* () {
      const store = yield* IndexStoreSql.make({ name: "test", subject: "chain 1" })
      yield* store.move({ from: null, to: at(0, 0), keptUpTo: 0, blocks: [], logs: [] })
      const other = yield* IndexStoreSql.make({ name: "test", subject: "chain 2" })
      const error = yield* Effect.flip(other.cursor)
      assert.strictEqual(error.reason, "otherSubject")
      assert.isFalse(error.isRetryable)
      assert.include(error.message, "test is of chain 1, not of chain 2.")
    }).pipe(Effect.provide(TestDatabase.layer)),
  )
})
