/** What a port of a contract stands on: a contract that was looked at, its reads, and its acts. */
import * as Effect from "effect/Effect"
import type { Address } from "@guildhall/chain/Address"
import type { Contract } from "@guildhall/chain/ChainError"
import type { Abi } from "viem"
import * as ContractCheck from "../ContractCheck.ts"
import type { Deployed } from "../EventDecoder.ts"
import * as Rpc from "../Rpc.ts"
import { toChainError } from "../RpcError.ts"
import { Sender } from "../Sender.ts"
import { Signer } from "../Signer.ts"
import * as Acting from "./Acting.ts"
import * as ChainReads from "./ChainReads.ts"
import * as Reading from "./Reading.ts"

/** The contract at an address, once it is known to be ours. */
export const make = Effect.fnUntraced(function* <const abi extends Abi>(
  contract: Contract,
  address: Address,
  abi: abi,
) {
  const rpc = yield* Rpc.Rpc
  const sender = yield* Sender
  const signer = yield* Signer
  yield* ContractCheck.check(contract, address)
  const reads = ChainReads.make(rpc)
  const place: Reading.Place<abi> = { contract, address, abi }
  const head = Effect.mapError(rpc.head, toChainError)
  const at = (block: bigint) => Reading.at(reads, place, block)
  const holds = (token: Address, account: Address, block: bigint) =>
    Effect.mapError(Reading.balanceAt(reads, token, account, block), toChainError)
  return {
    chainId: rpc.chain.id,
    head,
    at,
    /** The reads at the newest block: one after the other of the same moment. */
    now: Effect.map(head, at),
    /** What an account has of a token at a block. */
    holds,
    /** Acts of this contract; `others` are those whose events come with its own. */
    acting: (...others: ReadonlyArray<Deployed>) =>
      Acting.make({ reads, sender, signer }, { contract, address }, others),
  }
})
