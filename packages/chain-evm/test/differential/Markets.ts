/** The markets on the node that traces run in: deployed once, and found as they were by each trace. */
import { Effect, Layer, Option } from "effect"
import * as Address from "@guildhall/chain/Address"
import { encodeFunctionData } from "viem/utils"
import { abi as plainAbi } from "../../src/abi/Plain18.ts"
import * as Deploy from "../../src/Deploy.ts"
import * as Development from "../../src/Development.ts"
import { bytes } from "../../src/internal/Viem.ts"
import * as SenderStore from "../../src/SenderStore.ts"
import * as Signer from "../../src/Signer.ts"
import * as BlockingToken from "../BlockingToken.ts"
import * as Cast from "./Cast.ts"
import * as EvmSide from "./EvmSide.ts"
import * as Node from "./Node.ts"
import * as Prologue from "./Prologue.ts"
import * as Services from "./Services.ts"
import * as Still from "./Still.ts"

/** All of the setting up is in this second; traces begin at a later one. */
export const GENESIS_S = 1_800_000_000

export interface Markets extends Services.Parts {
  readonly casts: ReadonlyArray<Cast.Cast>
  /** Takes the chain back to where every trace begins. */
  readonly afresh: Effect.Effect<void>
}

const call = (from: string, to: string | null, data: string) => ({
  from,
  ...(to === null ? {} : { to }),
  data,
  gas: "0x2dc6c0",
})

const blocking = Effect.fnUntraced(function* ({ request }: Node.Node, by: string) {
  const hash = yield* request("eth_sendTransaction", [call(by, null, BlockingToken.creation)])
  yield* request("evm_mine")
  // A receipt of anvil's names the contract that its transaction created.
  const receipt = (yield* request("eth_getTransactionReceipt", [hash])) as { readonly contractAddress: string }
  return Option.getOrThrow(Address.fromText(receipt.contractAddress))
})

/** Gives everybody what they begin with, and lets the contracts take it. */
const enrich = Effect.fnUntraced(function* ({ request }: Node.Node, casts: ReadonlyArray<Cast.Cast>) {
  const [first] = casts
  if (first === undefined) return
  const { accounts, tokens } = first
  const send = (from: string, to: string, data: string) => request("eth_sendTransaction", [call(from, to, data)])
  const approve = (from: string, token: string, spender: string, amount: bigint) =>
    send(from, token, encodeFunctionData({ abi: plainAbi, functionName: "approve", args: [bytes(spender), amount] }))
  const minter = Cast.of(first, "governor")
  for (const [name, amount] of Object.entries(Cast.holdings)) {
    const account = Cast.of({ accounts }, name)
    for (const token of Object.values(tokens)) {
      const args = [bytes(account), amount] as const
      yield* send(minter, token, encodeFunctionData({ abi: plainAbi, functionName: "mint", args }))
    }
    for (const { contracts } of casts) {
      const { Channel, InsurancePool, ProviderBond, Settlement, Staking, ValidatorRegistry } = contracts
      if (name === "payer") {
        yield* approve(account, tokens.usd, Settlement, Cast.ALLOWED)
        continue
      }
      for (const spender of [Staking, ProviderBond, InsurancePool, Settlement, Channel, ValidatorRegistry]) {
        yield* approve(account, tokens.stake, spender, (1n << 256n) - 1n)
      }
      for (const spender of [Settlement, Channel]) {
        yield* approve(account, tokens.usd, spender, (1n << 256n) - 1n)
        yield* approve(account, tokens.blk, spender, (1n << 256n) - 1n)
      }
    }
    yield* request("evm_mine")
  }
  const args = [bytes(Cast.of(first, "refused")), BlockingToken.ANSWERS_FALSE] as const
  yield* send(minter, tokens.blk, encodeFunctionData({ abi: BlockingToken.abi, functionName: "block_", args }))
  yield* request("evm_mine")
})

/** The past of so many blocks in memory, and none on the disk: it is faster, and enough for {@link TRACES_MAX}. */
export const BRIEFLY = ["--prune-history", "8000"]

/** So many traces can have one node, whose past they share: of about fifty blocks each. */
export const TRACES_MAX = 100

/** Starts a node with a market for each split. */
export const make = Effect.fnUntraced(function* (history: ReadonlyArray<string> = []) {
  const node = yield* Node.make(GENESIS_S, history)
  const { request } = node
  const named = yield* Effect.forEach([...Cast.names, "deployer"], (name) =>
    Effect.map(node.account(name), (account) => ({ name, ...account, address: Address.Address.make(account.address) })),
  )
  const accounts = new Map(named.map(({ address, name }) => [name, address]))
  const signer = yield* Effect.orDie(Signer.make(named.map(({ privateKey }) => privateKey)))
  const by = accounts.get("deployer") ?? Address.ZERO
  accounts.delete("deployer")
  yield* request("anvil_autoImpersonateAccount", [true])
  const still = yield* Still.make(() => 0)
  const casts = yield* still(
    Effect.gen(function* () {
      const { stake, usd } = yield* Development.tokens(by)
      const tokens = { stake, usd, blk: yield* blocking(node, by) }
      return yield* Effect.forEach(Cast.splits, (_, market) =>
        Effect.gen(function* () {
          const settings = Cast.settingsOf({ accounts, tokens }, market)
          const deployed = yield* Deploy.deploy(by, settings)
          const contracts = {
            Staking: deployed.staking,
            ProviderBond: deployed.bond,
            Settlement: deployed.settlement,
            RootVault: deployed.rootVault,
            InsurancePool: deployed.insurance,
            ValidatorRegistry: deployed.validators,
            Channel: deployed.channel,
          }
          const cast: Cast.Cast = {
            chainId: deployed.chainId,
            accounts,
            tokens,
            contracts,
            settings,
            genesisS: GENESIS_S,
          }
          return cast
        }),
      )
    }).pipe(Effect.provide(Services.layer({ node, signer }, Layer.fresh(SenderStore.layerMemory))), Effect.orDie),
  )
  yield* enrich(node, casts)
  for (const cast of casts) {
    const side = yield* EvmSide.make({ node, signer }, cast)
    yield* Effect.forEach(Prologue.steps(cast), (step) => Effect.andThen(side.act(step), Prologue.mustBeDone))
  }
  yield* node.mineAt(Cast.beginS(GENESIS_S))
  let snapshot = yield* request("evm_snapshot")
  const markets: Markets = {
    node,
    signer,
    casts,
    afresh: Effect.gen(function* () {
      const isBack = yield* request("evm_revert", [snapshot])
      if (isBack !== true) return yield* Effect.die("The chain did not go back to its beginning.")
      snapshot = yield* request("evm_snapshot")
    }),
  }
  return markets
})
