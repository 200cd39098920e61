/**
 * What each event of the market's contracts moves between their buckets: pure. A contract's buckets are what its port calls its
 * totals, and `outside` is minus the tokens that it holds for them, so that an event's moves sum to zero in its token.
 *
 * @since 0.1.0
 */
import type { Address } from "@guildhall/chain/Address"
import type * as ChainEvent from "@guildhall/chain/ChainEvent"
import type { Contract } from "@guildhall/chain/ChainError"
import type { Bytes32 } from "@guildhall/chain/Hex"

/**
 * The buckets of each contract.
 *
 * @category constants
 * @since 0.1.0
 */
export const buckets = {
  Staking: ["active", "unbonding", "rewards"],
  ProviderBond: ["bonded", "escrowed", "insurance", "credits"],
  Settlement: ["funded", "boostPool", "pending", "owed"],
  RootVault: ["rootPool"],
  InsurancePool: ["free", "reserved"],
  ValidatorRegistry: ["bonded", "rewardPool", "reserved", "credits", "insurance"],
  Channel: ["escrowed"],
} as const satisfies Readonly<Record<Contract, ReadonlyArray<string>>>

/** The other side of what comes into a contract and leaves it. @category constants @since 0.1.0 */
export const OUTSIDE = "outside"

/**
 * What an event adds to a bucket of a contract, or takes from it where it is below zero.
 *
 * @category models
 * @since 0.1.0
 */
export interface Move {
  readonly contract: Contract
  readonly bucket: string
  readonly amount: bigint
}

/**
 * What an event moves, in which token: its own contract's one (`contract`), one that it names, or that of a channel, which only the
 * event that opened it names.
 *
 * @category models
 * @since 0.1.0
 */
export interface Moves {
  readonly contract: Contract
  readonly token:
    | { readonly _tag: "Contract" }
    | { readonly _tag: "Named"; readonly address: Address }
    | { readonly _tag: "OfChannel"; readonly channelId: Bytes32 }
  readonly moves: ReadonlyArray<Move>
}

/** From one bucket to another. */
type Flow = readonly [from: string, to: string, amount: bigint]

const sum = (contract: Contract, flows: ReadonlyArray<Flow>): ReadonlyArray<Move> => {
  const sums = new Map<string, bigint>()
  for (const [from, to, amount] of flows) {
    sums.set(from, (sums.get(from) ?? 0n) - amount)
    sums.set(to, (sums.get(to) ?? 0n) + amount)
  }
  return [...sums].flatMap(([bucket, amount]) => (amount === 0n ? [] : [{ contract, bucket, amount }]))
}

const comes = (to: string, amount: bigint): Flow => [OUTSIDE, to, amount]
const leaves = (from: string, amount: bigint): Flow => [from, OUTSIDE, amount]

type In<C extends Contract> = Extract<ChainEvent.ChainEvent, { readonly _tag: `${C}.${string}` }>

const staking = (event: In<"Staking">): ReadonlyArray<Flow> => {
  switch (event._tag) {
    case "Staking.Staked":
      return [comes("active", event.amount)]
    case "Staking.UnstakeRequested":
      return [["active", "unbonding", event.amount]]
    case "Staking.UnstakeCancelled":
      return [["unbonding", "active", event.amount]]
    case "Staking.Withdrawn":
      return [leaves("unbonding", event.amount)]
    case "Staking.RewardsFunded":
      return [comes("rewards", event.amount)]
    case "Staking.RewardsClaimed":
      return [leaves("rewards", event.amount)]
    default:
      return []
  }
}

const bond = (event: In<"ProviderBond">): ReadonlyArray<Flow> => {
  switch (event._tag) {
    case "ProviderBond.Bonded":
    case "ProviderBond.ToppedUp":
      return [comes("bonded", event.amount)]
    case "ProviderBond.Displaced":
      return [["bonded", "credits", event.amount]]
    case "ProviderBond.Withdrawn":
      return [leaves("bonded", event.amount)]
    case "ProviderBond.SlashProposed":
      return [["bonded", "escrowed", event.amount]]
    case "ProviderBond.SlashFinalised":
      return [
        ["escrowed", "insurance", event.insurance],
        ["escrowed", "credits", event.finderShare],
      ]
    case "ProviderBond.SlashOverturned":
    case "ProviderBond.SlashLapsed":
      return [["escrowed", "bonded", event.amount]]
    case "ProviderBond.CreditClaimed":
      return [leaves("credits", event.amount)]
    case "ProviderBond.InsuranceSent":
      return [leaves("insurance", event.amount)]
    default:
      return []
  }
}

const settlement = (event: In<"Settlement">): ReadonlyArray<Flow> => {
  switch (event._tag) {
    case "Settlement.Funded":
      return [comes("funded", event.amount)]
    case "Settlement.BoostFunded":
      return [comes("boostPool", event.amount)]
    case "Settlement.Unfunded":
      return [leaves("funded", event.funded), leaves("boostPool", event.boost)]
    case "Settlement.Settled":
    case "Settlement.VoucherRedeemed":
      return [["funded", "owed", event.amount]]
    case "Settlement.SettledFrom":
      return [comes("owed", event.amount)]
    case "Settlement.EpochProposed":
      return [
        ["funded", "pending", event.gross],
        ["boostPool", "pending", event.boost],
      ]
    case "Settlement.EpochCancelled":
      return [
        ["pending", "funded", event.gross],
        ["pending", "boostPool", event.boost],
      ]
    case "Settlement.RootApplied":
      return [leaves("pending", event.providers), ["pending", "owed", event.fees]]
    case "Settlement.BatchApplied":
      return [["pending", "owed", event.providers + event.fees]]
    case "Settlement.Claimed":
      return [leaves("owed", event.amount)]
    case "Settlement.ManyPaid":
      return [leaves("funded", event.paid), ["funded", "owed", event.credited]]
    default:
      // What `PayoutCredited` says of one account is part of what `ManyPaid` says of all.
      return []
  }
}

/** What is applied as a root goes from one contract to another. */
const vault = (event: ChainEvent.ChainEvent): ReadonlyArray<Flow> => {
  switch (event._tag) {
    case "Settlement.RootApplied":
      return [comes("rootPool", event.providers)]
    case "RootVault.RootClaimed":
      return [leaves("rootPool", event.amount)]
    default:
      return []
  }
}

const insurance = (event: In<"InsurancePool">): ReadonlyArray<Flow> => {
  switch (event._tag) {
    case "InsurancePool.Deposited":
      return [comes("free", event.amount)]
    case "InsurancePool.ClaimsProposed":
      return [["free", "reserved", event.total]]
    case "InsurancePool.ClaimsCancelled":
      return [["reserved", "free", event.total]]
    case "InsurancePool.ClaimPaid":
      return [leaves("reserved", event.amount)]
    case "InsurancePool.ClaimsExpired":
      return [["reserved", "free", event.returned]]
    default:
      return []
  }
}

const validators = (event: In<"ValidatorRegistry">): ReadonlyArray<Flow> => {
  switch (event._tag) {
    case "ValidatorRegistry.Registered":
    case "ValidatorRegistry.ToppedUp":
      return [comes("bonded", event.amount)]
    case "ValidatorRegistry.Withdrawn":
      return [leaves("bonded", event.amount)]
    case "ValidatorRegistry.RewardsFunded":
    case "ValidatorRegistry.FinderSharesCollected":
      return [comes("rewardPool", event.amount)]
    case "ValidatorRegistry.JobOpened":
      return [["rewardPool", "reserved", event.reserved]]
    case "ValidatorRegistry.Rewarded":
      return [["reserved", "credits", event.amount]]
    case "ValidatorRegistry.FindingShared":
      return [["rewardPool", "credits", event.amount]]
    case "ValidatorRegistry.JobClosed":
      return [["reserved", "rewardPool", event.returned]]
    case "ValidatorRegistry.Slashed":
      return [
        ["bonded", "insurance", event.insurance],
        ["bonded", "credits", event.reporterShare],
      ]
    case "ValidatorRegistry.CreditClaimed":
      return [leaves("credits", event.amount)]
    case "ValidatorRegistry.InsuranceSent":
      return [leaves("insurance", event.amount)]
    default:
      return []
  }
}

const channel = (event: In<"Channel">): ReadonlyArray<Flow> => {
  switch (event._tag) {
    case "Channel.ChannelOpened":
      return [comes("escrowed", event.deposit)]
    case "Channel.ChannelToppedUp":
      return [comes("escrowed", event.amount)]
    case "Channel.ChannelSettled":
      return [leaves("escrowed", event.amount)]
    case "Channel.ChannelClosed":
      return [leaves("escrowed", event.refunded)]
    default:
      return []
  }
}

const own = { _tag: "Contract" } as const

const ofOwn = (contract: Contract, flows: ReadonlyArray<Flow>): Moves => ({
  contract,
  token: own,
  moves: sum(contract, flows),
})

const isOf = <C extends Contract>(contract: C, event: ChainEvent.ChainEvent): event is In<C> =>
  event._tag.startsWith(`${contract}.`)

/**
 * What an event moves; nothing where it moves no money.
 *
 * **Example** (A request is settled)
 *
 * ```ts
 * import { Address, Hex } from "@guildhall/chain"
 * import { Mirror } from "@guildhall/chain-evm"
 *
 * const hash = Hex.word(1n)
 * const position = { blockNumber: 7, blockHash: hash, transaction: hash, logIndex: 0, atS: 1_700_000_000 }
 * const party = { requestId: hash, provider: Address.ZERO, token: Address.ZERO }
 * const settled = { _tag: "Settlement.Settled", position, ...party, amount: 100n, providerShare: 90n } as const
 * const [from, to] = Mirror.of(settled).moves
 * from // => { contract: "Settlement", bucket: "funded", amount: -100n }
 * to // => { contract: "Settlement", bucket: "owed", amount: 100n }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const of = (event: ChainEvent.ChainEvent): Moves => {
  if (isOf("Staking", event)) return ofOwn("Staking", staking(event))
  if (isOf("ProviderBond", event)) return ofOwn("ProviderBond", bond(event))
  if (isOf("InsurancePool", event)) return ofOwn("InsurancePool", insurance(event))
  if (isOf("ValidatorRegistry", event)) return ofOwn("ValidatorRegistry", validators(event))
  if (isOf("Channel", event)) {
    const token = { _tag: "OfChannel", channelId: event.channelId } as const
    return { contract: "Channel", token, moves: sum("Channel", channel(event)) }
  }
  const moves = [
    ...sum("Settlement", isOf("Settlement", event) ? settlement(event) : []),
    ...sum("RootVault", vault(event)),
  ]
  return "token" in event
    ? { contract: "Settlement", token: { _tag: "Named", address: event.token }, moves }
    : { contract: "Settlement", token: own, moves }
}
