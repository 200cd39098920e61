/**
 * All contracts of a market and the balances of all tokens, as one value: an act leads from one to the next, or is refused.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import type { Act } from "../Act.ts"
import type { Address } from "../Address.ts"
import type { BondAct } from "../BondVault.ts"
import type { Contract } from "../ChainError.ts"
import type { ChainEvent, Emitted } from "../ChainEvent.ts"
import * as Hex from "../Hex.ts"
import type { InsuranceAct } from "../InsuranceVault.ts"
import * as Keccak from "../Keccak.ts"
import type { ChannelAct } from "../PaymentChannel.ts"
import type { SettlementAct } from "../Settlement.ts"
import type { StakeAct } from "../StakeBook.ts"
import type { ValidatorAct } from "../ValidatorSet.ts"
import * as Balances from "./Balances.ts"
import type * as BondState from "./BondState.ts"
import * as Channel from "./Channel.ts"
import * as InsurancePool from "./InsurancePool.ts"
import * as ProviderBond from "./ProviderBond.ts"
import * as Settlement from "./Settlement.ts"
import type * as SettlementState from "./SettlementState.ts"
import * as Staking from "./Staking.ts"
import type * as Step from "./Step.ts"
import * as ValidatorRegistry from "./ValidatorRegistry.ts"
import type * as ValidatorState from "./ValidatorState.ts"

/** The states of the contracts. @category models @since 0.1.0 */
export interface Contracts {
  readonly staking: Staking.State
  readonly bonds: BondState.State
  readonly settlement: SettlementState.State
  readonly insurance: InsurancePool.State
  readonly validators: ValidatorState.State
  readonly channels: Channel.State
}

/** An act that was done: what it was, and what it did. @category models @since 0.1.0 */
export interface Known {
  readonly digest: Hex.Bytes32
  readonly act: Act
}

/** Everything. @category models @since 0.1.0 */
export interface World extends Contracts {
  readonly balances: Balances.Balances
  readonly blockNumber: number
  readonly blockHash: Hex.Bytes32
  readonly known: HashMap.HashMap<string, Known>
  readonly events: HashMap.HashMap<number, ChainEvent>
}

/**
 * What does not change: the chain, where its contracts are, and who holds which role. Roles have the names of the contracts:
 * `pauser`, `curator`, `operator`, `challenger`, `funder`, `adjuster`, `slasher`, `arbiter`, `verifier`, `registrar`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Setting {
  readonly chainId: number
  readonly addresses: Readonly<Record<Contract, Address>>
  readonly roles: Readonly<Record<string, Address>>
  readonly isSigned: (contract: Contract) => Step.Scene["isSigned"]
  /** Thirty-two bytes that nobody knew before the act that comes next: a job's draw is mixed with them. */
  readonly entropy: (world: World) => string
}

/** What follows from the newest block, for who has no chain to ask. @category destructors @since 0.1.0 */
export const entropyOf = ({ blockHash, blockNumber }: World): string =>
  Keccak.ofHex(Hex.concat(blockHash, Hex.word(BigInt(blockNumber))))

/** An act and the contract that it is of. @category models @since 0.1.0 */
export type Move =
  | { readonly contract: "Staking"; readonly act: StakeAct }
  | { readonly contract: "ProviderBond"; readonly act: BondAct }
  | { readonly contract: "Settlement"; readonly act: SettlementAct }
  | { readonly contract: "InsurancePool"; readonly act: InsuranceAct }
  | { readonly contract: "ValidatorRegistry"; readonly act: ValidatorAct }
  | { readonly contract: "Channel"; readonly act: ChannelAct }

const sceneOf = (world: World, setting: Setting, contract: Contract, nowS: number): Step.Scene => ({
  nowS,
  chainId: setting.chainId,
  contract: setting.addresses[contract],
  roles: setting.roles,
  entropy: setting.entropy(world),
  isSigned: setting.isSigned(contract),
  isDeliverable: (token, to) => !Balances.isBlocked(world.balances, token, to),
})

const within = <K extends keyof Contracts>(world: World, key: K, step: Step.Step<Contracts[K]>): Step.Step<World> =>
  Result.map(step, ({ events, state, transfers }) => ({ state: { ...world, [key]: state }, events, transfers }))

/** What follows from an act in another contract, in the same transaction. */
const then = (first: Step.Done<World>, next: Step.Step<World>): Step.Step<World> =>
  Result.map(next, ({ events, state, transfers }) => ({
    state,
    events: [...first.events, ...events],
    transfers: [...first.transfers, ...transfers],
  }))

const sentToInsurance = (sent: Step.Step<World>, move: Move, setting: Setting, nowS: number): Step.Step<World> =>
  Result.flatMap(sent, (done) => {
    const amount = done.events.reduce((sum, event) => ("amount" in event ? sum + event.amount : sum), 0n)
    const deposit: InsuranceAct = {
      _tag: "Deposit",
      by: setting.addresses[move.contract],
      idempotencyKey: move.act.idempotencyKey,
      amount,
    }
    const scene = sceneOf(done.state, setting, "InsurancePool", nowS)
    return then(done, within(done.state, "insurance", InsurancePool.step(done.state.insurance, deposit, scene)))
  })

const collect = (world: World, setting: Setting, nowS: number): Step.Step<World> => {
  const scene = sceneOf(world, setting, "ProviderBond", nowS)
  const claimed = ProviderBond.claimCredit(world.bonds, setting.addresses.ValidatorRegistry, scene)
  return Result.flatMap(within(world, "bonds", claimed), (done) => {
    const amount = done.transfers.reduce((sum, transfer) => sum + transfer.amount, 0n)
    const collected = ValidatorRegistry.collected(done.state.validators, amount)
    return then(done, within(done.state, "validators", Result.succeed(collected)))
  })
}

const stepOf = (world: World, move: Move, setting: Setting, nowS: number): Step.Step<World> => {
  const scene = sceneOf(world, setting, move.contract, nowS)
  switch (move.contract) {
    case "Staking":
      return within(world, "staking", Staking.step(world.staking, move.act, scene))
    case "ProviderBond": {
      const done = within(world, "bonds", ProviderBond.step(world.bonds, move.act, scene))
      return move.act._tag === "SendToInsurance" ? sentToInsurance(done, move, setting, nowS) : done
    }
    case "Settlement":
      return within(world, "settlement", Settlement.step(world.settlement, move.act, scene))
    case "InsurancePool":
      return within(world, "insurance", InsurancePool.step(world.insurance, move.act, scene))
    case "ValidatorRegistry": {
      if (move.act._tag === "CollectFinderShares") return collect(world, setting, nowS)
      const done = within(world, "validators", ValidatorRegistry.step(world.validators, move.act, scene))
      return move.act._tag === "SendToInsurance" ? sentToInsurance(done, move, setting, nowS) : done
    }
    case "Channel":
      return within(world, "channels", Channel.step(world.channels, move.act, scene))
  }
}

const paid = (done: Step.Done<World>): Result.Result<World, Step.Refusal> =>
  done.transfers.reduce<Result.Result<World, Step.Refusal>>(
    (sofar, transfer) =>
      Result.flatMap(sofar, (world) =>
        Result.map(Balances.transfer(world.balances, transfer), (balances) => ({ ...world, balances })),
      ),
    Result.succeed(done.state),
  )

const included = (world: World, move: Move, digest: Hex.Bytes32, emitted: ReadonlyArray<Emitted>, atS: number) => {
  const { idempotencyKey } = move.act
  const transaction = Keccak.ofBytes(new TextEncoder().encode(idempotencyKey))
  const blockNumber = world.blockNumber + 1
  const blockHash = Keccak.ofHex(Hex.concat(world.blockHash, transaction, digest))
  const events = emitted.map((event, logIndex) => {
    const position = { blockNumber, blockHash, transaction, logIndex, atS }
    // What was emitted is an event without its position, which is all that is added here.
    return { ...event, position } as ChainEvent
  })
  const act: Act = { idempotencyKey, transaction, atS, events }
  const before = HashMap.size(world.events)
  return {
    act,
    world: {
      ...world,
      blockNumber,
      blockHash,
      known: HashMap.set(world.known, idempotencyKey, { digest, act }),
      events: events.reduce((all, event, at) => HashMap.set(all, before + at, event), world.events),
    },
  }
}

/** What a key was used for; undefined where it was not. @category destructors @since 0.1.0 */
export const knownOf = (world: World, idempotencyKey: string): Known | undefined =>
  Option.getOrUndefined(HashMap.get(world.known, idempotencyKey))

/**
 * Does an act in a second: its contract's step, what follows in other contracts, and every transfer, or nothing at all. That its
 * key is new is for the caller to see.
 *
 * @category transitions
 * @since 0.1.0
 */
export const apply = (
  world: World,
  move: Move,
  digest: Hex.Bytes32,
  setting: Setting,
  nowS: number,
): Result.Result<{ readonly world: World; readonly act: Act }, Step.Refusal> =>
  Result.flatMap(stepOf(world, move, setting, nowS), (done) =>
    Result.map(paid(done), (next) => included(next, move, digest, done.events, nowS)),
  )
