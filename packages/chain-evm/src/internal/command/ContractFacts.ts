/** What can be read of one contract of a market: its roles, windows, money, and whether it is paused. */
import * as Effect from "effect/Effect"
import { stringToHex } from "viem/utils"
import { Address } from "@guildhall/chain/Address"
import type { Contract } from "@guildhall/chain/ChainError"
import * as Abi from "../../abi/index.ts"
import * as Rpc from "../../Rpc.ts"
import { toChainError } from "../../RpcError.ts"
import type { Found } from "../../Token.ts"
import * as ChainReads from "../ChainReads.ts"
import * as Reading from "../Reading.ts"
import { bytes } from "../Viem.ts"
import * as Words from "./Words.ts"

/** A figure with its name. */
export type Figure = readonly [name: string, value: string]

/** A change of a role that was announced and not taken yet. */
export interface Announced {
  readonly role: string
  readonly holder: string
  readonly fromS: number
}

export interface ContractFacts {
  readonly contract: Contract
  readonly address: Address
  readonly roles: Readonly<Record<string, string>>
  readonly announced: ReadonlyArray<Announced>
  readonly windows: ReadonlyArray<Figure>
  readonly funds: ReadonlyArray<Figure>
  readonly pausedUntilS: number | null
}

/** The parts that every contract with roles has are the same in each ABI. */
const rolesOf = Effect.fnUntraced(function* (read: Reading.Read<typeof Abi.Staking.abi>, names: ReadonlyArray<string>) {
  const roles: Record<string, string> = {}
  const announced: Array<Announced> = []
  for (const name of ["governor", "pauser", ...names]) {
    const role = stringToHex(name, { size: 32 })
    roles[name] = yield* read("holderOf", [role])
    const { effectiveAt, holder } = yield* read("roleChangeOf", [role])
    if (effectiveAt > 0) announced.push({ role: name, holder, fromS: effectiveAt })
  }
  const isPaused = yield* read("paused", [])
  return { roles, announced, pausedUntilS: isPaused ? yield* read("pausedUntil", []) : null }
})

const duration = <E, R>(name: string, seconds: Effect.Effect<number, E, R>) =>
  Effect.map(seconds, (value): Figure => [name, Words.duration(value)])
const share = <E, R>(name: string, bps: Effect.Effect<number, E, R>) =>
  Effect.map(bps, (value): Figure => [name, Words.share(value)])

/** The block that all is read at, and the tokens by which money is shown. */
export interface At {
  readonly block: bigint
  readonly stake: Found | undefined
  readonly tokens: ReadonlyArray<Found>
}

const reader = Effect.fnUntraced(function* (block: bigint) {
  const reads = ChainReads.make(yield* Rpc.Rpc)
  return { reads, block }
})

const sums = (found: Found | undefined, totals: Readonly<Record<string, bigint>>): ReadonlyArray<Figure> =>
  Object.entries(totals).map(([name, units]) => [
    name,
    found === undefined ? `${units} units` : Words.amount(units, found),
  ])

/** So many reads at once: public endpoints take no more. */
const AT_ONCE = { concurrency: 8 } as const

const nothing = { roles: {}, announced: [], windows: [], funds: [], pausedUntilS: null }

const settlementFunds = Effect.fnUntraced(function* (
  read: Reading.Read<typeof Abi.Settlement.abi>,
  { block, tokens }: At,
) {
  const { reads } = yield* reader(block)
  const vault = yield* read("rootVault", [])
  const funds: Array<Figure> = []
  for (const token of tokens) {
    const { boostPool, funded, owed, pending } = yield* read("totals", [bytes(token.address)])
    const held = yield* Effect.mapError(
      Reading.balanceAt(reads, token.address, Address.make(vault), block),
      toChainError,
    )
    const all = {
      funded,
      "boost pool": boostPool,
      "in the waiting epoch": pending,
      credited: owed,
      "for claims by root": held,
    }
    if (Object.values(all).some((units) => units > 0n) || token === tokens[0]) funds.push(...sums(token, all))
  }
  return funds
})

/** Reads one contract that is known to be ours. */
export const read = Effect.fnUntraced(function* (contract: Contract, address: Address, at: At) {
  const { reads } = yield* reader(at.block)
  const of = <const abi extends Parameters<typeof Reading.at>[1]["abi"]>(abi: abi) =>
    Reading.at(reads, { contract, address, abi }, at.block)
  const roled = of(Abi.Staking.abi)
  const base = { contract, address, ...nothing }
  switch (contract) {
    case "Staking": {
      const read = of(Abi.Staking.abi)
      return {
        ...base,
        ...(yield* rolesOf(roled, ["curator"])),
        windows: yield* Effect.all(
          [
            duration("leaves after", read("cooldown", [])),
            duration("counts after", read("minActive", [])),
            duration("tiers change after", read("tierDelay", [])),
            share("a year up to", read("apyBps", [])),
            duration("roles change after", read("roleDelay", [])),
          ],
          AT_ONCE,
        ),
        funds: sums(at.stake, yield* read("totals", [])),
      }
    }
    case "ProviderBond": {
      const read = of(Abi.ProviderBond.abi)
      return {
        ...base,
        ...(yield* rolesOf(roled, ["curator", "slasher", "arbiter", "verifier", "registrar"])),
        windows: yield* Effect.all(
          [
            duration("leave after", read("cooldown", [])),
            duration("evidence", read("evidenceWindow", [])),
            duration("appeal", read("appealWindow", [])),
            duration("ruling", read("rulingWindow", [])),
            share("slashed at most", read("capBps", [])),
            duration("in", read("period", [])),
            share("to the finder", read("finderBps", [])),
            duration("roles change after", read("roleDelay", [])),
          ],
          AT_ONCE,
        ),
        funds: sums(at.stake, yield* read("totals", [])),
      }
    }
    case "Settlement": {
      const read = of(Abi.Settlement.abi)
      return {
        ...base,
        ...(yield* rolesOf(roled, ["curator", "operator", "challenger", "funder"])),
        windows: yield* Effect.all(
          [
            duration("epochs of", read("epochLength", [])),
            duration("claimable after", read("challengeDelay", [])),
            duration("funds leave after", read("unfundDelay", [])),
            duration("roles change after", read("roleDelay", [])),
          ],
          AT_ONCE,
        ),
        funds: yield* settlementFunds(read, at),
      }
    }
    case "InsurancePool": {
      const read = of(Abi.InsurancePool.abi)
      return {
        ...base,
        ...(yield* rolesOf(roled, ["adjuster", "challenger"])),
        windows: yield* Effect.all(
          [
            duration("epochs of", read("epochLength", [])),
            duration("claims are paid after", read("challengeDelay", [])),
            duration("for", read("claimWindow", [])),
            share("in an epoch at most", read("epochCapBps", [])),
            duration("roles change after", read("roleDelay", [])),
          ],
          AT_ONCE,
        ),
        funds: sums(at.stake, yield* read("totals", [])),
      }
    }
    case "ValidatorRegistry": {
      const read = of(Abi.ValidatorRegistry.abi)
      return {
        ...base,
        ...(yield* rolesOf(roled, ["operator"])),
        windows: yield* Effect.all(
          [
            duration("epochs of", read("epochLength", [])),
            duration("bonds leave after", read("cooldown", [])),
            duration("roles change after", read("roleDelay", [])),
          ],
          AT_ONCE,
        ),
        funds: sums(at.stake, yield* read("totals", [])),
      }
    }
    case "RootVault":
    case "Channel":
      return base
  }
})
