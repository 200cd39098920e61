import { assert, describe, layer } from "@effect/vitest"
import * as TestDatabase from "@guildhall/tools/TestDatabase"
import { Effect, Layer, Redacted } from "effect"
import { FetchHttpClient } from "effect/http"
import * as Chain from "../src/Chain.ts"
import * as Indexer from "../src/Indexer.ts"
import * as IndexStore from "../src/IndexStore.ts"
import * as IndexStoreSql from "../src/IndexStoreSql.ts"
import * as Rpc from "../src/Rpc.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import * as Emitter from "@guildhall/tools/Emitter"

const topic = `0x${"11".repeat(32)}`
const second = `0x${"22".repeat(32)}`

const chain = (confirmations: number, finalityDepth: number) =>
  Chain.make({
    id: 31_337,
    name: "Anvil",
    nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
    blockTimeMs: 1_000,
    confirmations,
    finalityDepth,
    fees: { style: "eip1559", minPriorityFeeWei: 1n, maxFeeCapWei: 100n },
  })

const { place: start } = IndexStore.BEGINNING

const make = Effect.fnUntraced(function* (confirmations: number, finalityDepth: number) {
  const { request, url } = yield* Anvil.Anvil
  yield* Emitter.deploy(request)
  const rpc = yield* Rpc.make({ chain: chain(confirmations, finalityDepth), endpoints: [Redacted.make(url)] })
  const store = yield* IndexStoreSql.make({ name: `${confirmations}-${finalityDepth}`, subject: "test" })
  const firstBlock = Number(yield* rpc.head) + 1
  const watches = Effect.succeed([{ addresses: [Emitter.ADDRESS] }])
  return { index: Indexer.make({ name: "test", rpc, store, firstBlock, watches }), store, firstBlock }
})

const live = Layer.mergeAll(Anvil.layer(), TestDatabase.layer, FetchHttpClient.layer)

describe("Indexer on a real chain and a real database", () => {
  layer(live, { excludeTestServices: true, timeout: "30 seconds" })((it) => {
    it.effect("follows a fork of 64 blocks, credits what is final, and takes back what was", () =>
      Effect.gen(function* () {
        const anvil = yield* Anvil.Anvil
        const { index, store } = yield* make(2, 64)
        for (let block = 0; block < 100; block++) {
          yield* Emitter.emit(anvil.request, { count: block % 5, topic, second })
        }
        yield* index.catchUp
        const before = yield* store.logs({ after: start, isFinal: false, limit: 1_000 })
        assert.lengthOf(before, 200)
        assert.lengthOf(yield* store.logs({ after: start, isFinal: true, limit: 1_000 }), 193)
        yield* anvil.reorg(64)
        yield* Emitter.emit(anvil.request, { count: 7, topic, second })
        yield* index.catchUp
        const after = yield* store.logs({ after: start, isFinal: false, limit: 1_000 })
        const lost = before.filter((log) => !after.some((other) => other.blockHash === log.blockHash))
        assert.isAbove(lost.length, 100)
        assert.lengthOf(after, 200 - lost.length + 7)
        const undone = yield* store.undone(0, 1_000)
        assert.deepStrictEqual(
          undone.map(({ log }) => log),
          lost.slice(0, -7),
        )
        const truth = yield* anvil.request("eth_getLogs", [{ fromBlock: "0x0", address: Emitter.ADDRESS }])
        assert.deepStrictEqual(
          after.map(({ blockHash, logIndex, transaction }) => `${blockHash} ${transaction} ${logIndex}`),
          // What anvil itself says has this form.
          (truth as ReadonlyArray<{ blockHash: string; transactionHash: string; logIndex: string }>).map(
            (log) => `${log.blockHash} ${log.transactionHash} ${Number(log.logIndex)}`,
          ),
        )
      }),
    )

    it.effect("stops with a letter at a fork that is deeper than the chain says", () =>
      Effect.gen(function* () {
        const anvil = yield* Anvil.Anvil
        const { index, store } = yield* make(2, 63)
        for (let block = 0; block < 70; block++) yield* Emitter.emit(anvil.request, { count: 1, topic, second })
        yield* index.catchUp
        yield* anvil.reorg(64)
        const error = yield* Effect.flip(index.catchUp)
        assert.strictEqual(error.reason, "reorgTooDeep")
        assert.lengthOf(yield* store.logs({ after: start, isFinal: false, limit: 1_000 }), 70)
      }),
    )

    it.effect("says so where the endpoint is of another chain", () =>
      Effect.gen(function* () {
        const { url } = yield* Anvil.Anvil
        const other = { ...chain(1, 2), id: 8_453 }
        const rpc = yield* Rpc.make({ chain: other, endpoints: [Redacted.make(url)] })
        const store = IndexStore.makeMemory()
        const index = Indexer.make({ name: "test", rpc, store, firstBlock: 1, watches: Effect.succeed([]) })
        const error = yield* Effect.flip(index.step)
        assert.strictEqual(error.reason, "wrongChain")
        assert.isFalse(error.isRetryable)
      }),
    )
  })
})
