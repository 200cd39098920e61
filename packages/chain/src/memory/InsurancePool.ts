/**
 * The contract InsurancePool in memory: the same rules and the same rounding, as pure transitions.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Result from "effect/Result"
import * as Division from "@guildhall/core/rules/Division"
import type { Address } from "../Address.ts"
import * as CumulativeTree from "../CumulativeTree.ts"
import * as Hex from "../Hex.ts"
import type { Claims, InsuranceAct, InsuranceTerms } from "../InsuranceVault.ts"
import * as InsuranceVault from "../InsuranceVault.ts"
import * as Checkpoints from "./Checkpoints.ts"
import * as Step from "./Step.ts"

/** The contract's state. @category models @since 0.1.0 */
export interface State extends Step.Pausable {
  readonly terms: InsuranceTerms
  readonly free: Checkpoints.Checkpoints
  readonly reserved: bigint
  readonly promisedInEpoch: HashMap.HashMap<string, bigint>
  readonly promisedTo: HashMap.HashMap<string, bigint>
  /** By epoch and incident. */
  readonly claims: HashMap.HashMap<string, Claims>
  /** By epoch, incident and account. */
  readonly claimed: HashMap.HashMap<string, true>
}

/** A contract that was just deployed. @category constructors @since 0.1.0 */
export const make = (terms: InsuranceTerms): State => ({
  terms,
  pausedUntilS: 0,
  free: [],
  reserved: 0n,
  promisedInEpoch: HashMap.empty(),
  promisedTo: HashMap.empty(),
  claims: HashMap.empty(),
  claimed: HashMap.empty(),
})

const NO_CLAIMS: Claims = { root: Hex.word(0n), total: 0n, remaining: 0n, payableAtS: 0, expiresAtS: 0 }

const keyOf = (epoch: number, incident: Hex.Bytes32): string => `${epoch} ${incident}`

/** The claims of an incident in an epoch. @category destructors @since 0.1.0 */
export const claimsOf = (state: State, epoch: number, incident: Hex.Bytes32): Claims =>
  Step.get(state.claims, keyOf(epoch, incident), NO_CLAIMS)

/** Whether an account has had its claim. @category destructors @since 0.1.0 */
export const hasClaimed = (state: State, epoch: number, incident: Hex.Bytes32, account: Address): boolean =>
  HashMap.has(state.claimed, `${keyOf(epoch, incident)} ${account}`)

const withFree = (state: State, change: bigint, nowS: number): State => ({
  ...state,
  free: Checkpoints.push(state.free, nowS, Checkpoints.latest(state.free) + change),
})

/** What of an epoch's cap is left: a share of what was free in the last second before it. */
const epochLeft = (state: State, epoch: number): bigint => {
  const before = epoch === 0 ? 0n : Checkpoints.at(state.free, epoch * state.terms.epochLengthS - 1)
  return Division.part(before, state.terms.epochCapBps) - Step.get(state.promisedInEpoch, String(epoch), 0n)
}

const deposit = (state: State, by: Address, amount: bigint, scene: Step.Scene): Step.Step<State> => {
  if (amount === 0n) return Step.refuse("ZeroAmount")
  return Step.done(
    withFree(state, amount, scene.nowS),
    [{ _tag: "InsurancePool.Deposited", from: by, amount }],
    [{ token: state.terms.token, from: by, to: scene.contract, amount }],
  )
}

const propose = (
  state: State,
  act: Extract<InsuranceAct, { readonly _tag: "ProposeClaims" }>,
  { nowS }: Step.Scene,
): Step.Step<State> => {
  const { epoch, incident, root, total } = act
  if (total === 0n) return Step.refuse("ZeroAmount")
  const current = Math.floor(nowS / state.terms.epochLengthS)
  if (epoch !== current) return Step.refuse("WrongEpoch", { epoch, current })
  if (claimsOf(state, epoch, incident).payableAtS !== 0) return Step.refuse("AlreadyProposed", { epoch, incident })
  const free = Checkpoints.latest(state.free)
  if (total > free) return Step.refuse("NotEnoughFree", { asked: total, free })
  const leftInEpoch = epochLeft(state, epoch)
  if (total > leftInEpoch) return Step.refuse("OverEpochCap", { asked: total, left: leftInEpoch })
  const leftOfIncident = state.terms.incidentCap - Step.get(state.promisedTo, incident, 0n)
  if (total > leftOfIncident) return Step.refuse("OverIncidentCap", { asked: total, left: leftOfIncident })
  const payableAtS = nowS + state.terms.challengeDelayS
  const claims = { root, total, remaining: total, payableAtS, expiresAtS: payableAtS + state.terms.claimWindowS }
  return Step.done(
    {
      ...withFree(state, -total, nowS),
      reserved: state.reserved + total,
      promisedInEpoch: Step.add(state.promisedInEpoch, String(epoch), total),
      promisedTo: Step.add(state.promisedTo, incident, total),
      claims: HashMap.set(state.claims, keyOf(epoch, incident), claims),
    },
    [{ _tag: "InsurancePool.ClaimsProposed", epoch, incident, root, total, payableAt: payableAtS }],
  )
}

const published = (state: State, epoch: number, incident: Hex.Bytes32): Result.Result<Claims, Step.Refusal> => {
  const claims = claimsOf(state, epoch, incident)
  return claims.payableAtS === 0 ? Step.refuse("NoClaims", { epoch, incident }) : Result.succeed(claims)
}

const cancel = (state: State, epoch: number, incident: Hex.Bytes32, { nowS }: Step.Scene): Step.Step<State> =>
  Result.flatMap(published(state, epoch, incident), ({ payableAtS, root, total }) => {
    if (nowS >= payableAtS) return Step.refuse("TooLateToCancel", { payableAt: payableAtS })
    return Step.done(
      {
        ...withFree(state, total, nowS),
        reserved: state.reserved - total,
        promisedInEpoch: Step.add(state.promisedInEpoch, String(epoch), -total),
        promisedTo: Step.add(state.promisedTo, incident, -total),
        claims: HashMap.remove(state.claims, keyOf(epoch, incident)),
      },
      [{ _tag: "InsurancePool.ClaimsCancelled", epoch, incident, root, total }],
    )
  })

const claim = (
  state: State,
  act: Extract<InsuranceAct, { readonly _tag: "Claim" }>,
  scene: Step.Scene,
): Step.Step<State> => {
  const { account, amount, epoch, incident, proof } = act
  return Result.flatMap(published(state, epoch, incident), (claims) => {
    if (scene.nowS < claims.payableAtS) return Step.refuse("NotPayableYet", { payableAt: claims.payableAtS })
    if (scene.nowS >= claims.expiresAtS) return Step.refuse("ClaimsOver", { expiresAt: claims.expiresAtS })
    if (hasClaimed(state, epoch, incident, account)) return Step.refuse("AlreadyClaimed", { epoch, incident, account })
    if (!CumulativeTree.isProved(claims.root, InsuranceVault.leaf(scene, act), proof))
      return Step.refuse("InvalidProof")
    const { remaining } = claims
    if (amount > remaining) return Step.refuse("OverTotal", { asked: amount, remaining })
    const key = keyOf(epoch, incident)
    return Step.done(
      {
        ...state,
        reserved: state.reserved - amount,
        claims: HashMap.set(state.claims, key, { ...claims, remaining: remaining - amount }),
        claimed: HashMap.set(state.claimed, `${key} ${account}`, true),
      },
      [{ _tag: "InsurancePool.ClaimPaid", epoch, incident, account, amount }],
      [{ token: state.terms.token, from: scene.contract, to: account, amount }],
    )
  })
}

const expire = (state: State, epoch: number, incident: Hex.Bytes32, { nowS }: Step.Scene): Step.Step<State> =>
  Result.flatMap(published(state, epoch, incident), (claims) => {
    const { expiresAtS, remaining } = claims
    if (nowS < expiresAtS) return Step.refuse("NotExpiredYet", { expiresAt: expiresAtS })
    if (remaining === 0n) return Step.refuse("ZeroAmount")
    return Step.done(
      {
        ...withFree(state, remaining, nowS),
        reserved: state.reserved - remaining,
        claims: HashMap.set(state.claims, keyOf(epoch, incident), { ...claims, remaining: 0n }),
      },
      [{ _tag: "InsurancePool.ClaimsExpired", epoch, incident, returned: remaining }],
    )
  })

/** Does an act, or says which rule forbids it. @category transitions @since 0.1.0 */
export const step = (state: State, act: InsuranceAct, scene: Step.Scene): Step.Step<State> => {
  const { by } = act
  switch (act._tag) {
    case "Deposit":
      return Step.whenNotPaused(state, scene, () => deposit(state, by, act.amount, scene))
    case "ProposeClaims":
      return Step.onlyRole(scene, "adjuster", by, () =>
        Step.whenNotPaused(state, scene, () => propose(state, act, scene)),
      )
    case "CancelClaims":
      return Step.onlyRole(scene, "challenger", by, () => cancel(state, act.epoch, act.incident, scene))
    case "Claim":
      return claim(state, act, scene)
    case "ExpireClaims":
      return expire(state, act.epoch, act.incident, scene)
    case "Pause":
      return Step.pause(state, by, scene)
    case "Unpause":
      return Step.unpause(state, by, scene)
  }
}
