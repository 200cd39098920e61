/** Reads of one contract, several of them at one block, so that they fit together. */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import type { Address } from "@guildhall/chain/Address"
import * as ChainError from "@guildhall/chain/ChainError"
import type { Abi, ContractFunctionArgs, ContractFunctionName, ContractFunctionReturnType } from "viem"
import { decodeFunctionResult, encodeFunctionData } from "viem/utils"
import * as ContractError from "../ContractError.ts"
import { type RpcError, toChainError } from "../RpcError.ts"
import { abi as tokenAbi } from "../Token.ts"
import * as ChainReads from "./ChainReads.ts"
import { bytes } from "./Viem.ts"

type View = "pure" | "view"

/** Where a contract stands, and how it is called. */
export interface Place<abi extends Abi> {
  readonly contract: ChainError.Contract
  readonly address: Address
  readonly abi: abi
}

/** A read at a block, by the names and types of the contract's ABI. */
export type Read<abi extends Abi> = <
  const name extends ContractFunctionName<abi, View>,
  const args extends ContractFunctionArgs<abi, View, name>,
>(
  functionName: name,
  args: args,
) => Effect.Effect<ContractFunctionReturnType<abi, View, name, args>, ChainError.ChainError>

const foreign = <abi extends Abi>({ address, contract }: Place<abi>) =>
  new ChainError.ChainError({ reason: new ChainError.ForeignContract({ contract, address }) })

/** What the node said, by the contract's rule where it was the contract that refused. */
export const failed =
  (contract: ChainError.Contract) =>
  (error: RpcError): ChainError.ChainError =>
    Option.match(ChainReads.revertOf(error), {
      onNone: () => toChainError(error),
      onSome: (said) => ContractError.refusal(contract, said),
    })

/** The reads at one block. An answer that is none of this contract's makes it another one. */
export const at =
  <const abi extends Abi>(reads: ChainReads.ChainReads, place: Place<abi>, block: bigint): Read<abi> =>
  (functionName, args) => {
    // The types of the arguments were checked against the ABI above; viem's own generics cannot follow them through here.
    const call = { abi: place.abi as Abi, functionName: functionName as string, args: args as ReadonlyArray<unknown> }
    return reads.call({ to: place.address, data: encodeFunctionData(call) }, block).pipe(
      Effect.mapError(failed(place.contract)),
      Effect.flatMap((data) =>
        Effect.mapError(
          // As above: what is decoded by an ABI has the type that the ABI gives it.
          Effect.try(() => decodeFunctionResult({ ...call, data }) as ContractFunctionReturnType<abi, View, never>),
          () => foreign(place),
        ),
      ),
    )
  }

/** What an account has of a token at a block; nothing where it is no token. */
export const balanceAt = (reads: ChainReads.ChainReads, token: Address, account: Address, block: bigint) => {
  const data = encodeFunctionData({ abi: tokenAbi, functionName: "balanceOf", args: [bytes(account)] })
  return Effect.map(reads.call({ to: token, data }, block), (answer) =>
    answer.length < 66 ? 0n : BigInt(answer.slice(0, 66)),
  )
}

/** What an account has of a token, and lets a spender take; undefined where it is no token. */
export const funds = Effect.fnUntraced(function* (
  reads: ChainReads.ChainReads,
  { owner, spender, token }: { readonly token: Address; readonly owner: Address; readonly spender: Address },
) {
  const of = { abi: tokenAbi, functionName: "allowance", args: [bytes(owner), bytes(spender)] } as const
  const answer = yield* reads.call({ to: token, data: encodeFunctionData(of) })
  if (answer.length < 66) return undefined
  const head = yield* reads.head
  return { allowed: BigInt(answer.slice(0, 66)), balance: yield* balanceAt(reads, token, owner, head) }
})
