import { assert, layer } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import { FetchHttpClient } from "effect/http"
import type * as Chain from "../src/Chain.ts"
import { anvil as anvilChain } from "../src/chains/anvil.ts"
import { space } from "../src/chains/space.ts"
import * as Rpc from "../src/Rpc.ts"
import type { RpcError } from "../src/RpcError.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import * as FaultyNode from "./FaultyNode.ts"

const chain: Chain.Chain = { ...anvilChain, blockTimeMs: 1_000 }

/** So many endpoints in front of one chain, joined. */
const joined = Effect.fnUntraced(function* (count: number, options: Partial<Rpc.Options> = {}) {
  const anvil = yield* Anvil.Anvil
  const nodes = yield* Effect.forEach(Array.from({ length: count }), () => FaultyNode.start(anvil.url))
  const rpc = yield* Rpc.make({ chain, endpoints: nodes.map(({ url }) => url), timeoutMs: 1_000, ...options })
  const last = Effect.map(rpc.endpoints, (all) => all.map((one) => one.last?.fault))
  return { anvil, nodes, rpc, last, node: (at: number) => nodes[at] ?? assert.fail("no such node") }
})

const reasonOf = <A>(effect: Effect.Effect<A, RpcError>) => Effect.map(Effect.flip(effect), ({ reason }) => reason)

const block = (number: bigint) => ["eth_getBlockByNumber", [`0x${number.toString(16)}`, false]] as const

const forged = (result: unknown) => ({
  result: { ...(result as object), hash: `0x${"66".repeat(32)}` },
})

layer(Layer.merge(Anvil.layer(), FetchHttpClient.layer), { excludeTestServices: true })("Rpc", (it) => {
  it.effect(
    "goes on with the others when one stalls, cuts, is limited, fails or answers nonsense, and says which it was",
    () =>
      Effect.gen(function* () {
        const cases: ReadonlyArray<readonly [FaultyNode.Instead, string]> = [
          ["stall", "timeout"],
          ["cut", "cut"],
          [{ text: '{"jsonrpc":"2.0","id":1,"resu' }, "cut"],
          [{ text: "", status: 429 }, "limited"],
          [{ error: { code: -32_005, message: "too many" } }, "limited"],
          [{ text: "<html>", status: 502 }, "failing"],
          [{ error: { code: -32_603, message: "boom" } }, "failing"],
          [{ text: "hello" }, "malformed"],
          [{ text: `{"id":1,"result":"${"0".repeat(3_000)}"}` }, "too_large"],
        ]
        yield* Effect.forEach(
          cases,
          ([instead, fault]) =>
            Effect.gen(function* () {
              const { last, node, rpc } = yield* joined(2, { maxAnswerBytes: 2_000 })
              node(0).now((method) => (method === "eth_gasPrice" ? instead : undefined))
              assert.match(String(yield* rpc.request("eth_gasPrice", [])), /^0x/)
              assert.deepStrictEqual(yield* last, [fault as never, undefined])
              // Left alone for a while, it is not asked again.
              const before = node(0).asked("eth_gasPrice")
              yield* rpc.request("eth_gasPrice", [])
              assert.strictEqual(node(0).asked("eth_gasPrice"), before)
            }),
          { concurrency: "unbounded" },
        )
      }),
  )

  it.effect("answers what all refuse with the node's own words, and what nobody answers with each one's fault", () =>
    Effect.gen(function* () {
      const { node, rpc } = yield* joined(2)
      const refused = yield* reasonOf(rpc.request("eth_sendRawTransaction", ["0x00"]))
      assert.strictEqual(refused._tag, "NodeRefused")
      node(0).now(() => "cut")
      node(1).now(() => "stall")
      const gone = yield* reasonOf(rpc.request("eth_gasPrice", []))
      if (gone._tag !== "Unreachable") return assert.fail(gone._tag)
      assert.deepStrictEqual(
        gone.faults.map(({ fault }) => fault),
        ["cut", "timeout"],
      )
    }),
  )

  it.effect("believes no endpoint of another chain", () =>
    Effect.gen(function* () {
      const { last, node, rpc } = yield* joined(2)
      node(0).now((method) => (method === "eth_chainId" ? { result: "0xc3500" } : undefined))
      yield* rpc.request("eth_gasPrice", [])
      assert.deepStrictEqual(yield* last, ["wrong_chain", undefined])
      const { rpc: spaceRpc } = yield* joined(2, { chain: space })
      const wrong = yield* reasonOf(spaceRpc.head)
      assert.deepInclude(wrong, { _tag: "WrongChain", expected: 800_000, found: 31_337 })
    }),
  )

  it.effect("takes what two of three say, and names the one that lies", () =>
    Effect.gen(function* () {
      const { anvil, last, node, rpc } = yield* joined(3)
      yield* anvil.mine(2)
      const honest = (yield* rpc.request(...block(1n))) as { readonly hash: string }
      node(1).now((method, _, result) => (method === "eth_getBlockByNumber" ? forged(result) : undefined))
      const answer = (yield* rpc.request(...block(1n))) as { readonly hash: string }
      assert.strictEqual(answer.hash, honest.hash)
      assert.deepStrictEqual(yield* last, [undefined, "outvoted", undefined])
    }),
  )

  it.effect("stops where two say different things of a block, a receipt, events or a nonce", () =>
    Effect.gen(function* () {
      const { anvil, node, rpc } = yield* joined(2)
      yield* anvil.mine(2)
      const { address } = yield* anvil.account("alice")
      const hash = `0x${"11".repeat(32)}`
      const log = {
        address,
        topics: [],
        data: "0x",
        blockNumber: "0x1",
        blockHash: hash,
        transactionHash: hash,
        logIndex: "0x0",
      }
      const receipt = { transactionHash: hash, blockNumber: "0x1", blockHash: hash, status: "0x1", logs: [] }
      const differ = (lie: FaultyNode.Mangle, method: string, params: ReadonlyArray<unknown>) =>
        Effect.gen(function* () {
          node(1).now((asked, ...rest) => (asked === method ? lie(asked, ...rest) : undefined))
          return (yield* reasonOf(rpc.request(method, params)))._tag
        })
      assert.strictEqual(yield* differ((_, __, result) => forged(result), ...block(1n)), "Disagreement")
      assert.strictEqual(
        yield* differ(() => ({ result: "0x99" }), "eth_getTransactionCount", [address, "0x1"]),
        "Disagreement",
      )
      const filter = { address, fromBlock: "0x0", toBlock: "0x1" }
      assert.strictEqual(yield* differ(() => ({ result: [log] }), "eth_getLogs", [filter]), "Disagreement")
      // One knows a receipt and the other does not: not known yet, and nothing is credited.
      const says =
        (result: unknown): FaultyNode.Mangle =>
        (method) =>
          method === "eth_getTransactionReceipt" ? { result } : undefined
      node(1).now(says(receipt))
      assert.isNull(yield* rpc.request("eth_getTransactionReceipt", [hash]))
      node(0).now(says({ ...receipt, status: "0x0" }))
      const told = yield* reasonOf(rpc.request("eth_getTransactionReceipt", [hash]))
      assert.strictEqual(told._tag, "Disagreement")
      assert.include(told.message, node(0).name)
    }),
  )

  it.effect("takes no answer to another question from one endpoint alone", () =>
    Effect.gen(function* () {
      const { last, node, rpc } = yield* joined(1)
      const { anvil } = yield* joined(1)
      yield* anvil.mine(3)
      const other = yield* anvil.request("eth_getBlockByNumber", ["0x2", false])
      const { address } = yield* anvil.account("alice")
      const hash = `0x${"22".repeat(32)}`
      const foreign = {
        address,
        topics: [],
        data: "0x",
        blockNumber: "0x2",
        blockHash: hash,
        transactionHash: hash,
        logIndex: "0x0",
      }
      const lies: ReadonlyArray<readonly [unknown, string, ReadonlyArray<unknown>]> = [
        [other, ...block(1n)],
        [foreign, "eth_getTransactionReceipt", [`0x${"33".repeat(32)}`]],
        [[foreign], "eth_getLogs", [{ address, fromBlock: "0x0", toBlock: "0x1" }]],
        [[foreign], "eth_getLogs", [{ address: `0x${"44".repeat(20)}`, fromBlock: "0x0", toBlock: "0x9" }]],
        [{ ...(other as object), hash: 7 }, "eth_getBlockByNumber", ["0x2", false]],
      ]
      for (const [result, method, params] of lies) {
        node(0).now((asked) => (asked === method ? { result } : undefined))
        assert.strictEqual((yield* reasonOf(rpc.request(method, params)))._tag, "Unreachable", method)
        assert.deepStrictEqual(yield* last, ["malformed"])
      }
    }),
  )

  it.effect("goes by the block that most have, and leaves one alone that lags", () =>
    Effect.gen(function* () {
      const { anvil, last, node, rpc } = yield* joined(3, { maxLagMs: 5_000 })
      yield* anvil.mine(20)
      const at = BigInt(yield* anvil.blockNumber)
      const says =
        (head: bigint): FaultyNode.Mangle =>
        (method) =>
          method === "eth_blockNumber" ? { result: `0x${head.toString(16)}` } : undefined
      node(0).now(says(at - 2n))
      node(1).now(says(at + 1_000_000n))
      assert.strictEqual(yield* rpc.head, at)
      assert.deepStrictEqual(yield* last, [undefined, undefined, undefined])
      node(0).now(says(at - 6n))
      assert.strictEqual(yield* rpc.head, at)
      assert.deepStrictEqual(yield* last, ["lagging", undefined, undefined])
      node(2).now((method) => (method === "eth_blockNumber" ? { result: "tomorrow" } : undefined))
      yield* Effect.exit(rpc.head)
      assert.strictEqual((yield* last)[2], "malformed")
    }),
  )

  it.effect("gives a transaction to all, and tells nobody the secret part of an address", () =>
    Effect.gen(function* () {
      const lines: Array<string> = []
      const logger = Logger.make(({ message }) => void lines.push(JSON.stringify(message)))
      yield* Effect.gen(function* () {
        const { node, rpc } = yield* joined(2)
        node(0).now(() => "cut")
        const refused = yield* reasonOf(rpc.broadcast("0x00"))
        assert.strictEqual(refused._tag, "NodeRefused")
        assert.strictEqual(node(1).asked("eth_sendRawTransaction"), 1)
        node(1).now(() => "stall")
        const told = [refused, yield* reasonOf(rpc.broadcast("0x00")), yield* rpc.endpoints]
        assert.notInclude(
          JSON.stringify(told, (_, value: unknown) => (typeof value === "bigint" ? `${value}` : value)),
          "sEcReT",
        )
      }).pipe(Effect.provide(Logger.layer([logger])))
      assert.isAbove(lines.length, 0)
      assert.notInclude(lines.join(), "sEcReT")
    }),
  )
})
