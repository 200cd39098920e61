/**
 * The contract ProviderBond in memory: the same rules and the same rounding, as pure transitions.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Result from "effect/Result"
import * as Cooldown from "@guildhall/core/rules/Cooldown"
import type { Address } from "../Address.ts"
import type { Bond, BondAct } from "../BondVault.ts"
import type { Bytes32 } from "../Hex.ts"
import type { EndpointVerified, Signature } from "../Message.ts"
import * as BondCases from "./BondCases.ts"
import * as BondState from "./BondState.ts"
import * as Step from "./Step.ts"

type State = BondState.State

const appendClass = (state: State, classId: number, minimum: bigint): Step.Step<State> => {
  if (minimum === 0n) return Step.refuse("ZeroAmount")
  if (HashMap.has(state.minimums, String(classId))) return Step.refuse("ClassExists", { classId })
  return Step.done({ ...state, minimums: HashMap.set(state.minimums, String(classId), minimum) }, [
    { _tag: "ProviderBond.ClassAppended", classId, minimum },
  ])
}

const isTooMuch = (amount: bigint): boolean => amount > BondState.DEPOSIT_MAX

const overMaximum = (amount: bigint): Step.Step<State> =>
  Step.refuse("OverMaximum", { amount, maximum: BondState.DEPOSIT_MAX })

interface Opening {
  readonly device: Bytes32
  readonly classId: number
  readonly amount: bigint
  readonly by: Address
}

const open = (state: State, { amount, by, classId, device }: Opening, scene: Step.Scene): Step.Step<State> => {
  const bond = BondState.bondOf(state, device)
  if (bond.state !== "None" && bond.state !== "Withdrawn") {
    return Step.refuse("WrongDeviceState", { device, state: bond.state })
  }
  const minimum = Step.get(state.minimums, String(classId), 0n)
  if (minimum === 0n) return Step.refuse("UnknownClass", { classId })
  if (amount < minimum) return Step.refuse("UnderMinimum", { amount, minimum })
  if (isTooMuch(amount)) return overMaximum(amount)
  const pending: Bond = {
    ...bond,
    provider: by,
    state: "Pending",
    classId,
    activatedAtS: 0,
    cooldownEndS: 0,
    bonded: bond.bonded + amount,
    deposited: bond.deposited + amount,
  }
  return Step.done(
    BondState.withBond(state, pending, scene.nowS),
    [{ _tag: "ProviderBond.Bonded", device, provider: by, classId, amount }],
    [{ token: state.terms.token, from: by, to: scene.contract, amount }],
  )
}

const activate = (
  state: State,
  verified: EndpointVerified,
  signature: Signature,
  scene: Step.Scene,
): Step.Step<State> => {
  const { classId, device, expiryS, nonce, provider } = verified
  const bond = BondState.bondOf(state, device)
  if (bond.state !== "Pending") return Step.refuse("WrongDeviceState", { device, state: bond.state })
  if (provider !== bond.provider || classId !== bond.classId) return Step.refuse("AttestationMismatch")
  if (scene.nowS > expiryS) return Step.refuse("AttestationExpired", { expiry: expiryS })
  if (HashMap.has(state.nonces, String(nonce))) return Step.refuse("NonceUsed", { nonce })
  const verifier = scene.roles["verifier"]
  if (verifier === undefined || !scene.isSigned(verifier, verified, signature)) return Step.refuse("InvalidAttestation")
  const active: Bond = { ...bond, state: "Active", activatedAtS: scene.nowS }
  return Step.done(
    {
      ...BondState.withBond(state, active, scene.nowS),
      nonces: HashMap.set(state.nonces, String(nonce), true),
    },
    [{ _tag: "ProviderBond.Activated", device, provider, classId }],
  )
}

/** A bond that never was active answers for nothing, so it can be given back at once. */
const displace = (state: State, device: Bytes32, by: Address, scene: Step.Scene): Step.Done<State> => {
  const bond = BondState.bondOf(state, device)
  const waits = bond.state === "Pending" || bond.state === "Unbonding"
  if (!waits || bond.activatedAtS !== 0 || bond.provider === by) return { state, events: [], transfers: [] }
  const out = BondState.withBond(state, BondState.takenOut(bond), scene.nowS)
  return {
    state: BondState.credit(out, bond.provider, bond.bonded),
    events: [{ _tag: "ProviderBond.Displaced", device, provider: bond.provider, amount: bond.bonded }],
    transfers: [],
  }
}

const bondVerified = (
  state: State,
  act: Extract<BondAct, { readonly _tag: "BondVerified" }>,
  scene: Step.Scene,
): Step.Step<State> => {
  const { amount, by, signature, verified } = act
  if (verified.provider !== by) return Step.refuse("AttestationMismatch")
  const displaced = displace(state, verified.device, by, scene)
  const opening = { device: verified.device, classId: verified.classId, amount, by }
  return Result.flatMap(open(displaced.state, opening, scene), (opened) =>
    Result.map(activate(opened.state, verified, signature, scene), (activated) => ({
      state: activated.state,
      events: [...displaced.events, ...opened.events, ...activated.events],
      transfers: opened.transfers,
    })),
  )
}

const isIn = (bond: Bond): boolean => bond.state === "Pending" || bond.state === "Active"

const topUp = (state: State, device: Bytes32, amount: bigint, by: Address, scene: Step.Scene): Step.Step<State> => {
  if (amount === 0n) return Step.refuse("ZeroAmount")
  return Result.flatMap(BondState.owned(state, device, by), (bond) => {
    if (!isIn(bond)) return Step.refuse("WrongDeviceState", { device, state: bond.state })
    if (isTooMuch(amount)) return overMaximum(amount)
    const bonded = bond.bonded + amount
    return Step.done(
      BondState.withBond(state, { ...bond, bonded, deposited: bond.deposited + amount }, scene.nowS),
      [{ _tag: "ProviderBond.ToppedUp", device, amount, bonded }],
      [{ token: state.terms.token, from: by, to: scene.contract, amount }],
    )
  })
}

const startCooldown = (
  state: State,
  bond: Bond,
  event: "UnbondRequested" | "Deregistered",
  scene: Step.Scene,
): Step.Step<State> => {
  const { device } = bond
  if (!isIn(bond)) return Step.refuse("WrongDeviceState", { device, state: bond.state })
  const cooldownEndS = Cooldown.endS(scene.nowS, state.terms.cooldownS)
  return Step.done(BondState.withBond(state, { ...bond, state: "Unbonding", cooldownEndS }, scene.nowS), [
    { _tag: `ProviderBond.${event}`, device, cooldownEnd: cooldownEndS },
  ])
}

const withdraw = (state: State, device: Bytes32, by: Address, scene: Step.Scene): Step.Step<State> =>
  Result.flatMap(BondState.owned(state, device, by), (bond) => {
    if (bond.state !== "Unbonding") return Step.refuse("WrongDeviceState", { device, state: bond.state })
    if (!Cooldown.isOver(scene.nowS, bond.cooldownEndS)) {
      return Step.refuse("CooldownNotOver", { cooldownEnd: bond.cooldownEndS })
    }
    if (bond.openCases !== 0) return Step.refuse("CaseOpen", { device, openCases: bond.openCases })
    const amount = bond.bonded
    return Step.done(
      BondState.withBond(state, BondState.takenOut(bond), scene.nowS),
      [{ _tag: "ProviderBond.Withdrawn", device, provider: by, amount }],
      [{ token: state.terms.token, from: scene.contract, to: by, amount }],
    )
  })

/** Pays an account its credit. @category transitions @since 0.1.0 */
export const claimCredit = (state: State, by: Address, scene: Step.Scene): Step.Step<State> => {
  const amount = Step.get(state.credits, by, 0n)
  if (amount === 0n) return Step.refuse("NothingToClaim", { account: by })
  return Step.done(
    BondState.credit(state, by, -amount),
    [{ _tag: "ProviderBond.CreditClaimed", account: by, amount }],
    [{ token: state.terms.token, from: scene.contract, to: by, amount }],
  )
}

/** Lets go of what was taken. That it arrives in the pool is a deposit there, which the chain does in the same act. */
const sendToInsurance = (state: State): Step.Step<State> => {
  const amount = state.totals.insurance
  if (amount === 0n) return Step.refuse("NothingToClaim")
  return Step.done({ ...state, totals: { ...state.totals, insurance: 0n } }, [
    { _tag: "ProviderBond.InsuranceSent", amount },
  ])
}

/** Does an act, or says which rule forbids it. @category transitions @since 0.1.0 */
export const step = (state: State, act: BondAct, scene: Step.Scene): Step.Step<State> => {
  const { by } = act
  switch (act._tag) {
    case "AppendClass":
      return Step.onlyRole(scene, "curator", by, () => appendClass(state, act.classId, act.minimum))
    case "Bond":
      return Step.whenNotPaused(state, scene, () => open(state, act, scene))
    case "BondVerified":
      return Step.whenNotPaused(state, scene, () => bondVerified(state, act, scene))
    case "Activate":
      return Step.whenNotPaused(state, scene, () => activate(state, act.verified, act.signature, scene))
    case "TopUp":
      return Step.whenNotPaused(state, scene, () => topUp(state, act.device, act.amount, by, scene))
    case "RequestUnbond":
      return Result.flatMap(BondState.owned(state, act.device, by), (bond) =>
        startCooldown(state, bond, "UnbondRequested", scene),
      )
    case "Deregister":
      return Step.onlyRole(scene, "registrar", by, () =>
        Result.flatMap(BondState.known(state, act.device), (bond) => startCooldown(state, bond, "Deregistered", scene)),
      )
    case "Withdraw":
      return withdraw(state, act.device, by, scene)
    case "ProposeSlash":
      return Step.onlyRole(scene, "slasher", by, () => BondCases.proposeSlash(state, act, scene))
    case "Appeal":
      return BondCases.appeal(state, act.offenceId, by, scene)
    case "Finalise":
      return BondCases.finalise(state, act.offenceId, scene)
    case "Uphold":
      return Step.onlyRole(scene, "arbiter", by, () => BondCases.uphold(state, act.offenceId, scene))
    case "Overturn":
      return Step.onlyRole(scene, "arbiter", by, () => BondCases.overturn(state, act.offenceId, scene))
    case "Lapse":
      return BondCases.lapse(state, act.offenceId, scene)
    case "ClaimCredit":
      return claimCredit(state, by, scene)
    case "SendToInsurance":
      return sendToInsurance(state)
    case "Pause":
      return Step.pause(state, by, scene)
    case "Unpause":
      return Step.unpause(state, by, scene)
  }
}
