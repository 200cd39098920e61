/**
 * What a token is, looked at before money is counted in it. Amounts of a market are in a token's smallest unit, so its decimals
 * must be those that the definition says; and a token that keeps a part of each transfer cannot be owed, for it never arrives.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { decodeAbiParameters, decodeFunctionResult, encodeFunctionData, parseAbi } from "viem/utils"
import type { Address } from "@guildhall/chain/Address"
import * as ChainError from "@guildhall/chain/ChainError"
import * as ChainReads from "./internal/ChainReads.ts"
import { bytes } from "./internal/Viem.ts"
import * as Rpc from "./Rpc.ts"
import { toChainError } from "./RpcError.ts"

/**
 * The parts of ERC-20 that are used, and those of EIP-2612 that may be there.
 *
 * @category abi
 * @since 0.1.0
 */
export const abi = parseAbi([
  "function decimals() view returns (uint8)",
  "function symbol() view returns (string)",
  "function balanceOf(address account) view returns (uint256)",
  "function allowance(address owner, address spender) view returns (uint256)",
  "function approve(address spender, uint256 amount) returns (bool)",
  "function transfer(address to, uint256 amount) returns (bool)",
  "event Transfer(address indexed from, address indexed to, uint256 value)",
])

/**
 * A token as it was found. `isWhole` says that a transfer was tried, without being sent, and all of it arrived; it is null where
 * nobody was named who has some, or the endpoints cannot try.
 *
 * @category models
 * @since 0.1.0
 */
export interface Found {
  readonly address: Address
  readonly symbol: string
  readonly decimals: number
  readonly isWhole: boolean | null
}

/** What stands in the address that receives the transfer that is tried: nobody. */
const NOBODY = "0x000000000000000000000000000000000000dEaD"

const makeReads = (rpc: Rpc.Rpc["Service"], token: Address) => {
  const reads = ChainReads.make(rpc)
  const refuse = () => ChainError.invalid(`${token} is no token of ${rpc.chain.name}. Check its address.`)
  const ask = (data: `0x${string}`) =>
    // A contract that has no such function reverts: it is another one, and will be tomorrow.
    Effect.mapError(reads.call({ to: token, data }), (error) =>
      Option.isSome(ChainReads.revertOf(error)) ? refuse() : toChainError(error),
    )
  return { ask, refuse }
}

/**
 * How much of the token an account has.
 *
 * @category accessors
 * @since 0.1.0
 */
export const balance = Effect.fnUntraced(function* (token: Address, account: Address) {
  const { ask, refuse } = makeReads(yield* Rpc.Rpc, token)
  const data = encodeFunctionData({ abi, functionName: "balanceOf", args: [bytes(account)] })
  const answer = yield* ask(data)
  if (answer.length !== 66) return yield* refuse()
  return decodeFunctionResult({ abi, functionName: "balanceOf", data: bytes(answer) })
})

interface Simulated {
  readonly calls?: ReadonlyArray<{ readonly status?: string; readonly returnData?: string }>
}

/** Tries a transfer on a copy of the chain's state, and reads what arrived. */
const tryTransfer = Effect.fnUntraced(function* (
  rpc: Rpc.Rpc["Service"],
  token: Address,
  holder: Address,
  amount: bigint,
) {
  const balanceOf = encodeFunctionData({ abi, functionName: "balanceOf", args: [NOBODY] })
  const transfer = encodeFunctionData({ abi, functionName: "transfer", args: [NOBODY, amount] })
  const calls = [balanceOf, transfer, balanceOf].map((data) => ({ from: holder, to: token, data }))
  const answer = yield* Effect.option(rpc.request("eth_simulateV1", [{ blockStateCalls: [{ calls }] }, "latest"]))
  const [block] = Array.isArray(Option.getOrNull(answer)) ? (Option.getOrThrow(answer) as ReadonlyArray<Simulated>) : []
  const [before, moved, after] = block?.calls ?? []
  if (before?.returnData?.length !== 66 || after?.returnData?.length !== 66 || moved?.status !== "0x1") return null
  const [had] = decodeAbiParameters([{ type: "uint256" }], bytes(before.returnData))
  const [has] = decodeAbiParameters([{ type: "uint256" }], bytes(after.returnData))
  return has - had === amount
})

/**
 * Looks at a token. Fails with `InvalidInput` where there is none at the address, where it has other decimals than are said, and
 * where it keeps a part of what is sent. The contracts refuse such a token, too (`TokenTookFee`); here it is found before
 * anybody trusts the market with money. `holder` is an account that has some of it.
 *
 * @category checks
 * @since 0.1.0
 */
export const check = Effect.fn("Token.check")(function* (
  token: Address,
  expected: { readonly decimals: number; readonly holder?: Address | undefined },
) {
  const rpc = yield* Rpc.Rpc
  const { ask, refuse } = makeReads(rpc, token)
  const said = yield* ask(encodeFunctionData({ abi, functionName: "decimals" }))
  if (said.length !== 66 || BigInt(said) > 255n) return yield* refuse()
  const decimals = Number(BigInt(said))
  if (decimals !== expected.decimals) {
    return yield* ChainError.invalid(
      `The token ${token} has ${decimals} decimals, not ${expected.decimals}: an amount would be another one there. Correct the definition.`,
    )
  }
  const named = yield* Effect.option(ask(encodeFunctionData({ abi, functionName: "symbol" })))
  const symbol = Option.flatMap(named, (data) =>
    Option.liftThrowable(() => decodeFunctionResult({ abi, functionName: "symbol", data: bytes(data) }))(),
  )
  const holder = expected.holder
  const has = holder === undefined ? 0n : yield* balance(token, holder)
  // A fee may be rounded to nothing on a small amount, so all is tried.
  const isWhole = holder === undefined || has === 0n ? null : yield* tryTransfer(rpc, token, holder, has)
  if (isWhole === false) {
    return yield* ChainError.invalid(
      `The token ${token} keeps a part of each transfer, so nothing can be owed in it. Take another one.`,
    )
  }
  return { address: token, symbol: Option.getOrElse(symbol, () => "?"), decimals, isWhole } satisfies Found
})
