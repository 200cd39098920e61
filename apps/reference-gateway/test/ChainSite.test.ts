import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger } from "effect"
import * as Address from "@guildhall/chain/Address"
import { Settlement } from "@guildhall/chain/Settlement"
import { anvil } from "@guildhall/chain-evm/chains/anvil"
import { Rpc } from "@guildhall/chain-evm/Rpc"
import { NodeRefused, RpcError, Unreachable } from "@guildhall/chain-evm/RpcError"
import { USD } from "@guildhall/core/Asset"
import { encodeFunctionData, parseAbi, stringToHex } from "viem"
import * as ChainSite from "../src/ChainSite.ts"
import { LaunchError } from "../src/LaunchError.ts"

const contract = (digits: string): Address.Address => Address.fromBytes(Buffer.from(digits.repeat(20), "hex"))

const word = (digits: string): string => `0x${digits.padStart(64, "0")}`

const revert = new NodeRefused({
  endpoint: "127.0.0.1",
  method: "eth_call",
  code: 3,
  detail: "execution reverted",
  data: "0x",
})

/** A chain that answers every call with one word, refuses it, or is away. */
const answering = (answer: string | NodeRefused | undefined, asked: Array<unknown> = []) => {
  const away = new Unreachable({ method: "eth_call", faults: [] })
  const request = (method: string, params: ReadonlyArray<unknown>) => {
    asked.push([method, ...params])
    return typeof answer === "string" ? Effect.succeed(answer) : Effect.fail(new RpcError({ reason: answer ?? away }))
  }
  return Layer.succeed(
    Rpc,
    Rpc.of({
      chain: anvil,
      request,
      head: Effect.succeed(1n),
      broadcast: () => Effect.void,
      endpoints: Effect.succeed([]),
    }),
  )
}

describe("ChainSite.checkTokens", () => {
  const tokens = new Map([[USD.code, { address: contract("11"), asset: USD, decimals: 6 }]])
  const check = (answer: string | NodeRefused | undefined) =>
    ChainSite.checkTokens({ tokens }).pipe(Effect.provide(answering(answer)))

  it.effect("lets a token be that has the decimals of the definition", () => check(word("6")))

  it.effect("refuses other decimals, and what is no token, with a letter that names the place", () =>
    Effect.gen(function* () {
      for (const [answer, why] of [
        [word("12"), "has 18 decimals, not 6"],
        ["0x", "is no token of"],
        ["0x06", "is no token of"],
        [revert, "is no token of"],
      ] as const) {
        const letter = yield* Effect.flip(check(answer))
        assert.instanceOf(letter, LaunchError)
        assert.include(letter.message, "The market's token of USD is not the one")
        assert.include(letter.message, why)
        assert.include(letter.message, "chain.tokens.USD")
      }
    }),
  )

  it.effect("does not refuse where the chain is away: it is tried again", () =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(check(undefined))
      assert.isTrue("isRetryable" in error && error.isRetryable)
    }),
  )
})

describe("ChainSite.checkEpochs", () => {
  // Nothing else of the port and of the chain's section is read.
  const settlement = Settlement.of({ terms: { epochLengthS: 3_600 } } as never)
  const check = (epochMs: number) =>
    ChainSite.checkEpochs({ chain: { settlement: { epochMs } } as never }).pipe(
      Effect.provideService(Settlement, settlement),
    )

  it.effect("compares the epoch's length without any key", () =>
    Effect.gen(function* () {
      yield* check(3_600_000)
      const { message } = yield* Effect.flip(check(86_400_000))
      assert.include(message, "count epochs differently")
      assert.include(message, "3600 s for the contract, and 86400 s by the definition")
    }),
  )
})

describe("ChainSite.checkOperator", () => {
  const [settlement, key] = [contract("22"), contract("33")]
  const check = Effect.fnUntraced(function* (holder: string | undefined, asked: Array<unknown> = []) {
    const lines: Array<string> = []
    const log = Logger.make<unknown, void>(({ logLevel, message }) => void lines.push(`${logLevel} ${String(message)}`))
    const answer = holder === undefined ? undefined : word(holder.slice(2).toLowerCase())
    yield* ChainSite.checkOperator({ contracts: { settlement } }, key).pipe(
      Effect.provide([answering(answer, asked), Logger.layer([log])]),
    )
    return lines
  })

  it.effect("asks the contract for its operator, and says nothing where it is the key's account", () =>
    Effect.gen(function* () {
      const asked: Array<unknown> = []
      assert.deepStrictEqual(yield* check(key, asked), [])
      const data = encodeFunctionData({
        abi: parseAbi(["function holderOf(bytes32 role) view returns (address)"]),
        args: [stringToHex("operator", { size: 32 })],
      })
      assert.deepStrictEqual(asked, [["eth_call", { to: settlement, data }, "latest"]])
    }),
  )

  it.effect("warns of a key of somebody else, and starts", () =>
    Effect.gen(function* () {
      const other = contract("44")
      const todo =
        "Epochs cannot be proposed with it: set GUILDHALL_CHAIN_KEY or GUILDHALL_CHAIN_KEY_FILE to the operator's key."
      assert.deepStrictEqual(yield* check(other), [
        `Warn ${key} is not the operator of ${settlement}; it is ${other}. ${todo}`,
      ])
      assert.deepStrictEqual(yield* check(Address.ZERO), [
        `Warn ${key} is not the operator of ${settlement}; nobody is. ${todo}`,
      ])
    }),
  )

  it.effect("asks again later where the chain is away", () =>
    Effect.gen(function* () {
      assert.isTrue((yield* Effect.flip(check(undefined))).isRetryable)
    }),
  )
})
