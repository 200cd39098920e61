import { assert, layer } from "@effect/vitest"
import { Clock, Effect, Fiber, Layer } from "effect"
import { FetchHttpClient } from "effect/http"
import { base } from "../src/chains/base.ts"
import * as Rpc from "../src/Rpc.ts"
import { Sender } from "../src/Sender.ts"
import type * as SenderError from "../src/SenderError.ts"
import * as SenderStore from "../src/SenderStore.ts"
import * as Anvil from "@guildhall/tools/Anvil"
import * as FaultyNode from "./FaultyNode.ts"
import * as SenderTrial from "./SenderTrial.ts"

const { address, nonceOf, paid, pay, until } = SenderTrial

/** A sender behind so many endpoints, each of which can be told to lie; and what it has paid. */
const behind = <A, E, R>(
  count: number,
  test: (scene: {
    readonly node: (at: number) => FaultyNode.FaultyNode
    readonly rpc: Rpc.Rpc["Service"]
  }) => Effect.Effect<A, E, R>,
  chain = SenderTrial.chain,
  patienceMs = 20_000,
) =>
  Effect.gen(function* () {
    const anvil = yield* Anvil.Anvil
    const nodes = yield* Effect.forEach(Array.from({ length: count }), () => FaultyNode.start(anvil.url))
    const endpoints = nodes.map(({ url }) => url)
    const rpc = yield* Rpc.make({ chain, endpoints, restMs: 50 })
    const parts = Layer.mergeAll(
      Layer.succeed(Rpc.Rpc, rpc),
      SenderTrial.signer("alice"),
      Layer.fresh(SenderStore.layerMemory),
    )
    const senders = SenderTrial.sender({ patienceMs }).pipe(Layer.provideMerge(parts))
    const node = (at: number) => nodes[at] ?? assert.fail("no such endpoint")
    return yield* test({ node, rpc }).pipe(Effect.provide(senders))
  }).pipe(Effect.provide(FetchHttpClient.layer), Effect.scoped)

const reasonOf = <A, R>(effect: Effect.Effect<A, SenderError.SenderError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)

const send = (key: string) =>
  Effect.gen(function* () {
    const sender = yield* Sender
    return yield* sender.send(pay(yield* address("alice"), key))
  })

/** Pays once more than before, and uses one nonce more. */
const oncePaid = <A, E, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.gen(function* () {
    const alice = yield* address("alice")
    const before = { paid: yield* paid, nonce: yield* nonceOf(alice) }
    const answer = yield* effect
    assert.strictEqual((yield* paid) - before.paid, 1n)
    assert.strictEqual((yield* nonceOf(alice)) - before.nonce, 1)
    return answer
  })

const word = (digit: string): string => `0x${digit.repeat(64)}`

layer(Anvil.layer(), { excludeTestServices: true })("Sender behind endpoints", (it) => {
  it.effect("pays once when the answer to what was broadcast is cut off", () =>
    behind(1, ({ node }) => {
      let cuts = 0
      node(0).now((method) => (method === "eth_sendRawTransaction" && cuts++ === 0 ? "cut" : undefined))
      return oncePaid(send("cut off"))
    }),
  )

  it.effect("pays once when one of three lies about nonces, receipts, blocks, fees and whatever else", () =>
    behind(3, ({ node, rpc }) =>
      Effect.gen(function* () {
        node(1).now((method, _, result) => {
          switch (method) {
            case "eth_getTransactionCount":
              return { result: "0x0" }
            case "eth_getTransactionReceipt":
              return result === null ? undefined : { result: { ...(result as object), blockHash: word("6") } }
            case "eth_getBlockByNumber":
              return { result: { ...(result as object), hash: word("7") } }
            case "eth_blockNumber":
              return { result: "0xffffffff" }
            case "eth_sendRawTransaction":
              return { result: word("8") }
            default:
              return undefined
          }
        })
        yield* oncePaid(send("one liar"))
        const faults = (yield* rpc.endpoints).map(({ last }) => last?.fault)
        assert.deepStrictEqual(faults, [undefined, "outvoted", undefined])
      }),
    ),
  )

  it.effect("signs nothing while two disagree about the nonce, and pays once when they agree", () =>
    behind(2, ({ node, rpc }) =>
      Effect.gen(function* () {
        const sender = yield* Sender
        node(1).now((method) => (method === "eth_getTransactionCount" ? { result: "0x63" } : undefined))
        assert.strictEqual((yield* reasonOf(send("disagreed")))._tag, "Disagreement")
        assert.isUndefined(yield* sender.find("disagreed"))
        node(1).now(() => undefined)
        // The one that stood alone is asked again when it has rested.
        yield* until(
          Effect.gen(function* () {
            const nowMs = yield* Clock.currentTimeMillis
            return (yield* rpc.endpoints).every(({ restsUntilMs }) => restsUntilMs === null || restsUntilMs <= nowMs)
          }),
        )
        yield* oncePaid(send("disagreed"))
      }),
    ),
  )

  it.effect("does not believe one of two that says it is included, nor that it is not", () =>
    behind(
      2,
      ({ node }) =>
        oncePaid(
          Effect.gen(function* () {
            const sender = yield* Sender
            node(0).now((method) => (method === "eth_getTransactionReceipt" ? { result: null } : undefined))
            const reason = yield* reasonOf(send("half seen"))
            assert.strictEqual(reason._tag, "NotIncluded")
            assert.strictEqual((yield* sender.find("half seen"))?.state, "Pending")
            node(0).now(() => undefined)
            yield* until(Effect.map(sender.find("half seen"), (sending) => sending?.place != null))
            yield* send("half seen")
          }),
        ),
      SenderTrial.chain,
      1_000,
    ),
  )

  it.effect("waits while nobody answers, and goes on where it was", () =>
    behind(2, ({ node }) =>
      oncePaid(
        Effect.gen(function* () {
          const sender = yield* Sender
          const anvil = yield* Anvil.Anvil
          yield* anvil.request("evm_setAutomine", [false])
          const sent = yield* Effect.forkChild(send("in the dark"))
          yield* until(Effect.map(sender.find("in the dark"), (sending) => sending !== undefined))
          yield* until(Effect.sync(() => [0, 1].every((at) => node(at).asked("eth_sendRawTransaction") > 0)))
          for (const at of [0, 1]) node(at).now(() => "cut")
          yield* anvil.request("evm_setAutomine", [true])
          yield* anvil.mine(1)
          const asked = () => node(0).asked() + node(1).asked()
          const before = asked()
          yield* until(Effect.sync(() => asked() > before + 3))
          for (const at of [0, 1]) node(at).now(() => undefined)
          yield* Fiber.join(sent)
        }),
      ),
    ),
  )

  it.effect("signs nothing for a chain that its endpoints do not serve", () =>
    behind(
      2,
      () =>
        Effect.gen(function* () {
          const sender = yield* Sender
          assert.deepInclude(yield* reasonOf(send("elsewhere")), { _tag: "WrongChain", expected: 8_453, found: 31_337 })
          assert.isUndefined(yield* sender.find("elsewhere"))
        }),
      base,
    ),
  )

  it.effect("loses nothing in a reorganisation of 64 blocks", () =>
    behind(
      1,
      () =>
        Effect.gen(function* () {
          const anvil = yield* Anvil.Anvil
          const sender = yield* Sender
          const alice = yield* address("alice")
          yield* anvil.mine(10)
          const before = { paid: yield* paid, nonce: yield* nonceOf(alice) }
          const keys = Array.from({ length: 5 }, (_, at) => `deep ${at}`)
          const first = yield* Effect.forEach(keys, send)
          yield* anvil.mine(59)
          yield* anvil.reorg(64)
          // The same transactions, in other blocks.
          yield* until(
            Effect.map(
              Effect.forEach(keys, (key) => sender.find(key)),
              (all) => all.every((one, at) => one?.place != null && one.place.blockHash !== first[at]?.blockHash),
            ),
          )
          const again = yield* Effect.forEach(keys, send)
          assert.deepStrictEqual(
            again.map(({ hash }) => hash),
            first.map(({ hash }) => hash),
          )
          assert.strictEqual((yield* paid) - before.paid, 5n)
          assert.strictEqual((yield* nonceOf(alice)) - before.nonce, 5)
        }),
      { ...SenderTrial.chain, finalityDepth: 80 },
    ),
  )
})
