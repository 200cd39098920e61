/**
 * Whether what stands at an address is one of our contracts, of this chain, and made for the market that uses it. Money goes to no
 * address that was not looked at.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import { decodeFunctionResult, encodeFunctionData, parseAbi } from "viem/utils"
import * as Address from "@guildhall/chain/Address"
import * as ChainError from "@guildhall/chain/ChainError"
import * as Channel from "./bytecode/Channel.ts"
import * as InsurancePool from "./bytecode/InsurancePool.ts"
import * as ProviderBond from "./bytecode/ProviderBond.ts"
import * as RootVault from "./bytecode/RootVault.ts"
import * as Settlement from "./bytecode/Settlement.ts"
import * as Staking from "./bytecode/Staking.ts"
import * as ValidatorRegistry from "./bytecode/ValidatorRegistry.ts"
import * as ChainReads from "./internal/ChainReads.ts"
import * as Rpc from "./Rpc.ts"
import { toChainError } from "./RpcError.ts"

/**
 * What a contract must have been made with, as far as the caller knows it: by the name of its view. `rootVault`, `insurance`,
 * `token` and the like are addresses.
 *
 * @category models
 * @since 0.1.0
 */
export type Made = Readonly<Record<string, Address.Address>>

interface Code {
  readonly deployed: string
  readonly immutables: ReadonlyArray<{ readonly start: number; readonly length: number }>
}

const codes: Readonly<Record<ChainError.Contract, Code>> = {
  Staking,
  ProviderBond,
  Settlement,
  RootVault,
  InsurancePool,
  ValidatorRegistry,
  Channel,
}

/** The code without what was set when it was created. */
const masked = (code: string, { immutables }: Code): string => {
  let text = code.toLowerCase()
  for (const { length, start } of immutables) {
    const from = 2 + 2 * start
    text = text.slice(0, from) + "0".repeat(2 * length) + text.slice(from + 2 * length)
  }
  return text
}

const foreign = (contract: ChainError.Contract, address: Address.Address) =>
  new ChainError.ChainError({ reason: new ChainError.ForeignContract({ contract, address }) })

/**
 * Asks the chain. Fails with `ForeignContract` where nothing, something else, or the same code made for something else stands
 * there, and with `WrongChain` where the endpoints serve another chain.
 *
 * @category checks
 * @since 0.1.0
 */
export const check = Effect.fn("ContractCheck.check")(function* (
  contract: ChainError.Contract,
  address: Address.Address,
  made: Made = {},
) {
  const rpc = yield* Rpc.Rpc
  const reads = ChainReads.make(rpc)
  yield* Effect.gen(function* () {
    const head = yield* reads.head
    const code = yield* reads.code(address, head)
    const ours = codes[contract]
    if (code.length !== ours.deployed.length || masked(code, ours) !== masked(ours.deployed, ours)) {
      return yield* foreign(contract, address)
    }
    for (const [view, expected] of Object.entries(made)) {
      const abi = parseAbi([`function ${view}() view returns (address)`])
      const data = encodeFunctionData({ abi })
      const answer = yield* reads.call({ to: address, data }, head)
      const found = Address.fromText(String(decodeFunctionResult({ abi, data: answer })))
      if (!Option.contains(found, expected)) return yield* foreign(contract, address)
    }
  }).pipe(Effect.mapError((error) => (error._tag === "RpcError" ? toChainError(error) : error)))
})
