/**
 * What the contract ProviderBond keeps in memory: devices, cases, and who is owed what.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Result from "effect/Result"
import { type Address, ZERO } from "../Address.ts"
import type { Bond, BondTerms, BondTotals, Case } from "../BondVault.ts"
import * as Hex from "../Hex.ts"
import * as Checkpoints from "./Checkpoints.ts"
import * as Step from "./Step.ts"

/** The contract's state. @category models @since 0.1.0 */
export interface State extends Step.Pausable {
  readonly terms: BondTerms
  readonly minimums: HashMap.HashMap<string, bigint>
  readonly devices: HashMap.HashMap<string, Bond>
  readonly bonded: HashMap.HashMap<string, Checkpoints.Checkpoints>
  /** By device and period. */
  readonly usedBps: HashMap.HashMap<string, number>
  readonly cases: HashMap.HashMap<string, Case>
  readonly credits: HashMap.HashMap<string, bigint>
  readonly nonces: HashMap.HashMap<string, true>
  readonly totals: BondTotals
}

/** Most of one deposit, so that no sum of the contract's overflows. @category constants @since 0.1.0 */
export const DEPOSIT_MAX = 2n ** 96n - 1n

/** A contract that was just deployed. @category constructors @since 0.1.0 */
export const make = (terms: BondTerms): State => ({
  terms,
  pausedUntilS: 0,
  minimums: HashMap.empty(),
  devices: HashMap.empty(),
  bonded: HashMap.empty(),
  usedBps: HashMap.empty(),
  cases: HashMap.empty(),
  credits: HashMap.empty(),
  nonces: HashMap.empty(),
  totals: { bonded: 0n, escrowed: 0n, insurance: 0n, credits: 0n },
})

/** The bond of a device, in state `None` where there is none. @category destructors @since 0.1.0 */
export const bondOf = (state: State, device: Hex.Bytes32): Bond =>
  Step.get(state.devices, device, {
    device,
    provider: ZERO,
    classId: 0,
    state: "None",
    activatedAtS: 0,
    cooldownEndS: 0,
    openCases: 0,
    bonded: 0n,
    escrowed: 0n,
    deposited: 0n,
    slashed: 0n,
    withdrawn: 0n,
  })

/** The case of an offence, in state `None` where there is none. @category destructors @since 0.1.0 */
export const caseOf = (state: State, offenceId: Hex.Bytes32): Case =>
  Step.get(state.cases, offenceId, {
    offenceId,
    device: Hex.word(0n),
    state: "None",
    rateBps: 0,
    amount: 0n,
    offenceTimeS: 0,
    finder: ZERO,
    evidenceHash: Hex.word(0n),
    appealUntilS: 0,
    ruleUntilS: 0,
  })

/** What was bonded at the end of a second, without what was in escrow. @category destructors @since 0.1.0 */
export const bondedAt = (state: State, device: Hex.Bytes32, timeS: number): bigint =>
  Checkpoints.at(Step.get(state.bonded, device, []), timeS)

/** Writes a bond, and what is bonded of it from now on. @category combinators @since 0.1.0 */
export const withBond = (state: State, bond: Bond, nowS: number): State => {
  const before = bondOf(state, bond.device)
  const history = Step.get(state.bonded, bond.device, [])
  return {
    ...state,
    devices: HashMap.set(state.devices, bond.device, bond),
    bonded:
      before.bonded === bond.bonded
        ? state.bonded
        : HashMap.set(state.bonded, bond.device, Checkpoints.push(history, nowS, bond.bonded)),
    totals: {
      ...state.totals,
      bonded: state.totals.bonded + bond.bonded - before.bonded,
      escrowed: state.totals.escrowed + bond.escrowed - before.escrowed,
    },
  }
}

/** Credits an account what it can claim. @category combinators @since 0.1.0 */
export const credit = (state: State, account: Address, amount: bigint): State => ({
  ...state,
  credits: Step.add(state.credits, account, amount),
  totals: { ...state.totals, credits: state.totals.credits + amount },
})

/** Takes a bond out: all that is bonded leaves it. @category combinators @since 0.1.0 */
export const takenOut = (bond: Bond): Bond => ({
  ...bond,
  state: "Withdrawn",
  withdrawn: bond.withdrawn + bond.bonded,
  bonded: 0n,
})

/** The bond of a device that is known. @category rules @since 0.1.0 */
export const known = (state: State, device: Hex.Bytes32): Result.Result<Bond, Step.Refusal> => {
  const bond = bondOf(state, device)
  return bond.state === "None" ? Step.refuse("UnknownDevice", { device }) : Result.succeed(bond)
}

/** The bond of a device that is this provider's. @category rules @since 0.1.0 */
export const owned = (state: State, device: Hex.Bytes32, by: Address): Result.Result<Bond, Step.Refusal> =>
  Result.flatMap(known(state, device), (bond) =>
    bond.provider === by ? Result.succeed(bond) : Step.refuse("NotProvider", { device, caller: by }),
  )
