/** What is to be said of contracts that are ours: of their roles, their money, and the definition and settings that name them. */
import * as DateTime from "effect/DateTime"
import * as Effect from "effect/Effect"
import * as Address from "@guildhall/chain/Address"
import type { Contracts, MarketChain } from "@guildhall/core/MarketChain"
import { DEVELOPMENT_ID } from "@guildhall/core/MarketChain"
import { abi as settlementAbi } from "../../abi/Settlement.ts"
import type { Chain } from "../../Chain.ts"
import * as Rpc from "../../Rpc.ts"
import { Signer } from "../../Signer.ts"
import type * as Token from "../../Token.ts"
import * as ChainReads from "../ChainReads.ts"
import * as Reading from "../Reading.ts"
import { bytes } from "../Viem.ts"
import type * as ContractFacts from "./ContractFacts.ts"

/** What was found. What is `wrong` needs mending before the market starts, a `note` is for a person to judge. */
export interface Findings {
  readonly wrong: Array<string>
  readonly notes: Array<string>
}

/** The contracts that a definition names. */
export type Named = Readonly<Partial<Record<keyof Contracts, Address.Address>>>

/** A second of the chain's clock, in UTC. */
export const date = (seconds: number): string =>
  DateTime.formatIso(DateTime.makeUnsafe(seconds * 1_000))
    .slice(0, 16)
    .replace("T", " ")

export const roles = (facts: ContractFacts.ContractFacts, { notes, wrong }: Findings): void => {
  const { announced, contract, pausedUntilS, roles } = facts
  if (pausedUntilS !== null) {
    wrong.push(
      `${contract} is paused until ${date(pausedUntilS)} UTC: nothing comes in, what goes out does. Ask its pauser, ${roles["pauser"]}, why, or wait.`,
    )
  }
  for (const [role, holder] of Object.entries(roles)) {
    if (holder === Address.ZERO)
      notes.push(`Nobody has the role ${role} of ${contract}. Its governor can announce somebody.`)
    else if (role !== "operator" && holder === roles["operator"]) {
      notes.push(
        `The operator of ${contract}, whose key lies on the gateway, is its ${role} as well. Give that role to an account elsewhere.`,
      )
    }
  }
  for (const { fromS, holder, role } of announced) {
    notes.push(
      `${holder} may become ${role} of ${contract} from ${date(fromS)} UTC. If that is not meant, its governor cancels it.`,
    )
  }
}

export const key = Effect.fnUntraced(function* (
  facts: ReadonlyArray<ContractFacts.ContractFacts>,
  { notes }: Findings,
) {
  const { addresses } = yield* Signer
  const operator = facts.find(({ contract }) => contract === "Settlement")?.roles["operator"]
  const [first] = addresses
  if (operator === undefined || first === undefined || addresses.some((address) => address === operator)) return
  notes.push(
    `The key that is set here is that of ${first}, and the operator of the settlement is ${operator}: with this key a gateway cannot propose epochs.`,
  )
})

/** Reading that begins too late misses what providers staked and bonded before. */
export const start = Effect.fnUntraced(function* (
  { fromBlock, id }: MarketChain,
  facts: ReadonlyArray<ContractFacts.ContractFacts>,
  { notes, wrong }: Findings,
) {
  if (id === DEVELOPMENT_ID) return
  if (fromBlock === undefined || fromBlock === 0) {
    notes.push(
      "chain.fromBlock is missing: reading begins at block 0, which takes days on a chain with millions of blocks.",
    )
    return
  }
  const reads = ChainReads.make(yield* Rpc.Rpc)
  for (const { address, contract } of facts) {
    const before = yield* Effect.orElseSucceed(reads.code(address, BigInt(fromBlock - 1)), () => "0x")
    if (before === "0x") continue
    wrong.push(
      `chain.fromBlock is ${fromBlock}, and ${contract} was there before: what happened until then would be missed. Take an earlier block.`,
    )
    return
  }
})

export const money = Effect.fnUntraced(function* (
  { settlement }: MarketChain,
  at: Named,
  here: ContractFacts.At & { readonly paid: Token.Found | undefined },
  { notes, wrong }: Findings,
) {
  if (at.settlement === undefined) return
  const place = { contract: "Settlement", address: at.settlement, abi: settlementAbi } as const
  const read = Reading.at(ChainReads.make(yield* Rpc.Rpc), place, here.block)
  const epochS = yield* read("epochLength", [])
  if (epochS * 1_000 !== settlement.epochMs) {
    wrong.push(
      `An epoch is ${epochS} s for the contract, and ${settlement.epochMs / 1_000} s by the definition. Correct chain.settlement.epochMs: the contract's is for good.`,
    )
  }
  if (here.paid === undefined) return
  const { boostPool, funded } = yield* read("totals", [bytes(here.paid.address)])
  if (funded === 0n) {
    notes.push(
      `The settlement has no ${here.paid.symbol}, so no epoch can be paid. Put some in: guildhall chain fund <amount>.`,
    )
  }
  if (settlement.boost !== undefined && boostPool === 0n)
    notes.push("The boost pool is empty, so tiers add nothing yet. Put some in: guildhall chain fund <amount> --boost.")
})

export const endpoints = Effect.fnUntraced(function* ({ isTest }: Chain, { notes }: Findings) {
  const endpoints = yield* (yield* Rpc.Rpc).endpoints
  for (const { last, name } of endpoints) {
    if (last !== null) notes.push(`The endpoint ${name} is at fault: ${last.fault}, ${last.detail}`)
  }
  if (endpoints.length < 3 && !isTest) {
    notes.push(
      "Fewer than three endpoints are asked, so a lie of one is not found out. Name three of different operators in GUILDHALL_CHAIN_RPC.",
    )
  }
})
