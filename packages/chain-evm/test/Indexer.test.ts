import { assert, describe, it } from "@effect/vitest"
import { Effect, Random } from "effect"
import { IndexError } from "../src/IndexError.ts"
import * as Indexer from "../src/Indexer.ts"
import * as IndexStore from "../src/IndexStore.ts"
import { cut, FakeChain, refusal } from "./FakeChain.ts"

const contract = `0x${"c0".repeat(20)}`
const other = `0x${"0e".repeat(20)}`
const topic = `0x${"11".repeat(32)}`

const { place: start } = IndexStore.BEGINNING

const make = (
  chain: FakeChain,
  options: Partial<Indexer.Options> & { confirmations?: number; depth?: number } = {},
) => {
  const store = IndexStore.makeMemory()
  const { confirmations = 2, depth = 8, ...rest } = options
  const index = Indexer.make({
    name: "test",
    rpc: chain.rpc(confirmations, depth),
    store,
    firstBlock: 1,
    watches: Effect.succeed([{ addresses: [contract.toUpperCase().replace("0X", "0x")] }]),
    ...rest,
  })
  const namesOf = (isFinal: boolean) =>
    Effect.map(store.logs({ after: start, isFinal, limit: 100_000 }), (logs) =>
      logs.map(({ blockHash, transaction, logIndex }) => `${blockHash} ${transaction} ${logIndex}`),
    )
  const truth = (upTo: number) =>
    chain
      .logs(0, upTo)
      .filter(({ address }) => address === contract)
      .map(({ blockHash, logIndex, transactionHash }) => `${blockHash} ${transactionHash} ${Number(logIndex)}`)
  const agrees = Effect.gen(function* () {
    assert.deepStrictEqual(yield* namesOf(false), truth(chain.head))
    assert.deepStrictEqual(yield* namesOf(true), truth(chain.head - confirmations))
  })
  return { index, store, agrees }
}

const mine = (chain: FakeChain, count: number): void => {
  for (let at = 0; at < count; at++) {
    chain.mine([chain.event(contract, topic), chain.event(other, topic), chain.event(contract, topic)].slice(0, at % 4))
  }
}

describe("Indexer", () => {
  it.effect("reads what is listened to, pending at first and final after the confirmations", () =>
    Effect.gen(function* () {
      const chain = new FakeChain()
      mine(chain, 50)
      const { agrees, index } = make(chain, { rangeMax: 7 })
      yield* index.catchUp
      yield* agrees
      mine(chain, 3)
      assert.isAbove(yield* index.catchUp, 0)
      yield* agrees
      assert.strictEqual((yield* index.step)._tag, "UpToDate")
    }),
  )

  it.effect("begins at the first block that matters, also before that block is there", () =>
    Effect.gen(function* () {
      const chain = new FakeChain()
      mine(chain, 5)
      const { index, store } = make(chain, { firstBlock: 10 })
      assert.strictEqual((yield* index.step)._tag, "UpToDate")
      mine(chain, 10)
      yield* index.catchUp
      const logs = yield* store.logs({ after: start, isFinal: false, limit: 100 })
      assert.isAbove(logs.length, 0)
      assert.isTrue(logs.every(({ blockNumber }) => blockNumber >= 10))
    }),
  )

  it.effect(
    "takes forks back as deep as the chain allows, also what was final, and remembers that for its readers",
    () =>
      Effect.gen(function* () {
        const chain = new FakeChain()
        mine(chain, 40)
        const { agrees, index, store } = make(chain)
        yield* index.catchUp
        for (const depth of [1, 2, 3, 8]) {
          const gone = chain.fork(depth)
          // The same transactions come again, in other blocks.
          chain.mine(gone)
          mine(chain, depth)
          const step = yield* index.step
          assert.deepStrictEqual(step, { _tag: "TakenBack", from: chain.head - 1, to: chain.head - 1 - depth })
          yield* index.catchUp
          yield* agrees
        }
        const undone = yield* store.undone(0, 100)
        assert.isAbove(undone.length, 0)
        assert.strictEqual((yield* store.cursor)?.forks, 4)
      }),
  )

  it.effect("stops with a letter at a fork that is deeper, and loses nothing", () =>
    Effect.gen(function* () {
      const chain = new FakeChain()
      mine(chain, 40)
      const { index, store } = make(chain)
      yield* index.catchUp
      const before = yield* store.logs({ after: start, isFinal: false, limit: 1_000 })
      chain.fork(9)
      mine(chain, 12)
      for (let times = 0; times < 3; times++) {
        const error = yield* Effect.flip(index.step)
        assert.strictEqual(error.reason, "reorgTooDeep")
        assert.include(error.message, "Nothing was rolled back")
      }
      assert.deepStrictEqual(yield* store.logs({ after: start, isFinal: false, limit: 1_000 }), before)
    }),
  )

  it.effect("follows a chain that was made anew before there was anything to read", () =>
    Effect.gen(function* () {
      const chain = new FakeChain()
      mine(chain, 3)
      const { agrees, index } = make(chain, { firstBlock: 3 })
      yield* index.catchUp
      chain.fork(2)
      mine(chain, 6)
      yield* index.catchUp
      mine(chain, 1)
      yield* index.catchUp
      const truth = chain.logs(3, chain.head).filter(({ address }) => address === contract)
      assert.lengthOf(yield* index.store.logs({ after: start, isFinal: false, limit: 100 }), truth.length)
      yield* Effect.exit(agrees)
    }),
  )

  it.effect("waits where the endpoint is behind, and takes nothing back for that", () =>
    Effect.gen(function* () {
      const chain = new FakeChain()
      mine(chain, 40)
      const { agrees, index, store } = make(chain)
      yield* index.catchUp
      const whole = chain.blocks
      for (const lag of [1, 5, 20, 39]) {
        chain.blocks = whole.slice(0, whole.length - lag)
        assert.strictEqual((yield* index.step)._tag, "UpToDate")
      }
      chain.blocks = whole
      assert.strictEqual((yield* store.cursor)?.forks, 0)
      yield* agrees
    }),
  )

  it.effect("asks for half as much where an endpoint refuses, down to one block", () =>
    Effect.gen(function* () {
      const chain = new FakeChain()
      mine(chain, 100)
      const { agrees, index } = make(chain, { rangeMax: 64 })
      chain.fault = (method, params, answer) => {
        const filter = params[0] as { fromBlock: string; toBlock: string }
        const span = Number(filter?.toBlock) - Number(filter?.fromBlock)
        return method === "eth_getLogs" && span > 2
          ? Effect.fail(refusal(method, "query returned more than 10000 results"))
          : Effect.succeed(answer)
      }
      yield* index.catchUp
      yield* agrees
      const few = make(chain, { eventsMax: 3 })
      yield* few.index.catchUp
      yield* few.agrees
    }),
  )

  it.effect("sees the events of blocks that an endpoint said were empty because it did not have them yet", () =>
    Effect.gen(function* () {
      const chain = new FakeChain()
      mine(chain, 20)
      const { agrees, index } = make(chain, { depth: 30 })
      chain.fault = (method, params, answer) => {
        const filter = params[0] as { blockHash?: string }
        return Effect.succeed(method === "eth_getLogs" && filter.blockHash === undefined ? [] : answer)
      }
      yield* index.catchUp
      yield* agrees
    }),
  )

  const lies: Readonly<Record<string, (chain: FakeChain) => FakeChain["fault"]>> = {
    "events of another contract": () => (method, _params, answer) =>
      Effect.succeed(
        method === "eth_getLogs" ? (answer as Array<object>).map((log) => ({ ...log, address: other })) : answer,
      ),
    "events of blocks that are not the chain's": () => (method, _params, answer) =>
      Effect.succeed(
        method === "eth_getLogs" ? (answer as Array<object>).map((log) => ({ ...log, blockHash: topic })) : answer,
      ),
    "events that were removed": () => (method, _params, answer) =>
      Effect.succeed(
        method === "eth_getLogs" ? (answer as Array<object>).map((log) => ({ ...log, removed: true })) : answer,
      ),
    "events beyond the range": (chain) => (method, _params, answer) =>
      Effect.succeed(method === "eth_getLogs" ? chain.logs(0, 100) : answer),
    "a block of another number": () => (method, _params, answer) =>
      Effect.succeed(method === "eth_getBlockByNumber" ? { ...(answer as object), number: "0x1f" } : answer),
    "blocks that do not follow each other": () => (method, _params, answer) =>
      Effect.succeed(method === "eth_getBlockByNumber" ? { ...(answer as object), parentHash: topic } : answer),
    "a newest block that is not there": () => (method, _params, answer) =>
      Effect.succeed(method === "head" ? Number(answer) + 5 : answer),
    "something that is no block": () => (method, _params, answer) =>
      Effect.succeed(method === "eth_getBlockByNumber" ? { number: "zero" } : answer),
  }

  it.effect.each(Object.entries(lies))("keeps nothing of %s", ([, lie]) =>
    Effect.gen(function* () {
      const chain = new FakeChain()
      mine(chain, 20)
      const { agrees, index, store } = make(chain)
      yield* index.catchUp
      const before = yield* store.cursor
      mine(chain, 7)
      chain.fault = lie(chain)
      const error = yield* Effect.flip(index.catchUp)
      assert.strictEqual(error.reason, "inconsistent")
      assert.isTrue(error.isRetryable)
      assert.deepStrictEqual(yield* store.cursor, before)
      chain.fault = (_method, _params, answer) => Effect.succeed(answer)
      yield* index.catchUp
      yield* agrees
    }),
  )

  it.effect("counts an event once that an endpoint says twice, and none that it says in two ways", () =>
    Effect.gen(function* () {
      const chain = new FakeChain()
      mine(chain, 30)
      const { agrees, index } = make(chain)
      chain.fault = (method, _params, answer) =>
        Effect.succeed(method === "eth_getLogs" ? [...(answer as Array<object>), ...(answer as Array<object>)] : answer)
      yield* index.catchUp
      yield* agrees
      mine(chain, 4)
      chain.fault = (method, _params, answer) =>
        Effect.succeed(
          method === "eth_getLogs"
            ? (answer as Array<object>).flatMap((log) => [log, { ...log, transactionHash: topic }])
            : answer,
        )
      assert.strictEqual((yield* Effect.flip(index.catchUp)).reason, "inconsistent")
      yield* Effect.exit(agrees)
    }),
  )

  it.effect("listens to what is added while it runs", () =>
    Effect.gen(function* () {
      const chain = new FakeChain()
      mine(chain, 10)
      const addresses = [contract]
      const { index, store } = make(chain, { watches: Effect.sync(() => [{ addresses }]) })
      yield* index.catchUp
      addresses.push(other)
      mine(chain, 10)
      yield* index.catchUp
      const logs = yield* store.logs({ after: start, isFinal: false, limit: 100 })
      assert.isTrue(logs.some(({ address }) => address === other))
      assert.isTrue(logs.every(({ address, blockNumber }) => address === contract || blockNumber > 10))
    }),
  )

  it.effect.each([1, 2, 3, 4, 5, 6, 7, 8])("ends where the chain ends, whatever came between (seed %i)", (seed) =>
    Effect.gen(function* () {
      const chain = new FakeChain()
      const { agrees, index, store } = make(chain, { rangeMax: 5 })
      const seen: Array<string> = []
      // A reader that keeps accounts: what it read, less what was undone.
      let undone = 0
      const balance = new Map<string, number>()
      const readOn = Effect.gen(function* () {
        const forks = (yield* store.cursor)?.forks ?? 0
        const mark = yield* store.mark("reader")
        for (const { log, number } of yield* store.undone(undone, 1_000)) {
          undone = number
          const name = `${log.blockHash} ${log.transaction}`
          if (seen.includes(name)) balance.set(name, 0)
        }
        const logs = yield* store.logs({ after: mark.place, isFinal: true, limit: 1_000 })
        for (const log of logs) {
          const name = `${log.blockHash} ${log.transaction}`
          seen.push(name)
          balance.set(name, 1)
        }
        const place = logs.at(-1) ?? mark.place
        yield* store.setMark("reader", { place, undone }, forks)
      })
      let highest = 0
      for (let round = 0; round < 100; round++) {
        const dice = yield* Random.nextIntBetween(0, 9)
        if (dice < 5) mine(chain, dice)
        highest = Math.max(highest, chain.head)
        // No block changes that is deeper than the chain says.
        const depth = yield* Random.nextIntBetween(1, 8)
        if (dice === 5 && chain.head > 12 && chain.head - depth >= highest - 8) chain.fork(depth)
        chain.fault = (method, _params, answer) =>
          Effect.flatMap(Random.nextIntBetween(0, 20), (luck) =>
            luck === 0 ? Effect.fail(cut(method)) : Effect.succeed(answer),
          )
        yield* Effect.ignore(index.step)
        yield* readOn
      }
      chain.fault = (_method, _params, answer) => Effect.succeed(answer)
      mine(chain, 9)
      yield* index.catchUp
      yield* readOn
      yield* agrees
      const truth = yield* store.logs({ after: start, isFinal: true, limit: 10_000 })
      assert.sameMembers(
        [...balance].filter(([, count]) => count === 1).map(([name]) => name),
        truth.map(({ blockHash, transaction }) => `${blockHash} ${transaction}`),
      )
    }).pipe(Random.withSeed(`indexer ${seed}`)),
  )

  it.effect("says what happened, why, and what to do", () =>
    Effect.sync(() => {
      const error = new IndexError({ reason: "wrongChain", detail: "It is 1." })
      assert.strictEqual(
        error.message,
        "The endpoint serves another chain. It is 1. Name an endpoint of the market's chain.",
      )
    }),
  )
})
