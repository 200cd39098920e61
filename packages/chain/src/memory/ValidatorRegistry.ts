/**
 * The contract ValidatorRegistry in memory: the same rules and the same rounding, as pure transitions.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Cooldown from "@guildhall/core/rules/Cooldown"
import * as Division from "@guildhall/core/rules/Division"
import * as Slashing from "@guildhall/core/rules/Slashing"
import type { Address } from "../Address.ts"
import type { Emitted } from "../ChainEvent.ts"
import type { ValidatorAct } from "../ValidatorSet.ts"
import * as Step from "./Step.ts"
import * as ValidatorJobs from "./ValidatorJobs.ts"
import * as ValidatorState from "./ValidatorState.ts"

type State = ValidatorState.State
type Of<Tag extends ValidatorAct["_tag"]> = Extract<ValidatorAct, { readonly _tag: Tag }>

const withBonded = (state: State, account: Address, bonded: ValidatorState.Bonded): State => {
  const before = ValidatorState.bondedOf(state, account).bonded
  return ValidatorState.withTotals(
    { ...state, validators: HashMap.set(state.validators, account, bonded) },
    { bonded: bonded.bonded - before },
  )
}

const register = (state: State, { amount, by }: Of<"Register">, scene: Step.Scene): Step.Step<State> => {
  const validator = ValidatorState.bondedOf(state, by)
  const { minBond, token } = state.terms
  if (validator.state !== "None") return Step.refuse("WrongValidatorState", { validator: by, state: validator.state })
  if (amount < minBond) return Step.refuse("UnderMinimum", { amount, minimum: minBond })
  const bonded = withBonded(state, by, { state: "Active", bonded: amount, cooldownEndS: 0 })
  return Step.done(
    ValidatorState.relist(bonded, scene.nowS, (members) => [...members, by]),
    [
      {
        _tag: "ValidatorRegistry.Registered",
        validator: by,
        amount,
        fromEpoch: ValidatorState.epochAt(state, scene.nowS) + 1,
      },
    ],
    [{ token, from: by, to: scene.contract, amount }],
  )
}

const topUp = (state: State, { amount, by }: Of<"TopUp">, scene: Step.Scene): Step.Step<State> => {
  if (amount === 0n) return Step.refuse("ZeroAmount")
  const validator = ValidatorState.bondedOf(state, by)
  if (validator.state !== "Active") return Step.refuse("WrongValidatorState", { validator: by, state: validator.state })
  const bonded = validator.bonded + amount
  return Step.done(
    withBonded(state, by, { ...validator, bonded }),
    [{ _tag: "ValidatorRegistry.ToppedUp", validator: by, amount, bonded }],
    [{ token: state.terms.token, from: by, to: scene.contract, amount }],
  )
}

const exit = (state: State, account: Address, nowS: number): { readonly state: State; readonly event: Emitted } => {
  const cooldownEndS = Cooldown.endS(nowS, state.terms.cooldownS)
  const validator = ValidatorState.bondedOf(state, account)
  const leaving = withBonded(state, account, { ...validator, state: "Exiting", cooldownEndS })
  return {
    state: ValidatorState.relist(leaving, nowS, (members) => ValidatorState.without(members, account)),
    event: {
      _tag: "ValidatorRegistry.ExitStarted",
      validator: account,
      fromEpoch: ValidatorState.epochAt(state, nowS) + 1,
      cooldownEnd: cooldownEndS,
    },
  }
}

const requestExit = (state: State, by: Address, { nowS }: Step.Scene): Step.Step<State> => {
  const validator = ValidatorState.bondedOf(state, by)
  if (validator.state !== "Active") return Step.refuse("WrongValidatorState", { validator: by, state: validator.state })
  const left = exit(state, by, nowS)
  return Step.done(left.state, [left.event])
}

const withdraw = (state: State, by: Address, scene: Step.Scene): Step.Step<State> => {
  const { bonded: amount, cooldownEndS, state: stands } = ValidatorState.bondedOf(state, by)
  if (stands !== "Exiting") return Step.refuse("WrongValidatorState", { validator: by, state: stands })
  if (!Cooldown.isOver(scene.nowS, cooldownEndS)) return Step.refuse("CooldownNotOver", { cooldownEnd: cooldownEndS })
  const out = withBonded(state, by, { state: "None", bonded: 0n, cooldownEndS: 0 })
  return Step.done(
    out,
    [{ _tag: "ValidatorRegistry.Withdrawn", validator: by, amount }],
    [{ token: state.terms.token, from: scene.contract, to: by, amount }],
  )
}

const report = (state: State, act: Of<"Report">, scene: Step.Scene): Step.Step<State> => {
  const { by: reporter, job, signatureA, signatureB, validator: account, verdictA, verdictB } = act
  if (verdictA === verdictB) return Step.refuse("NoContradiction")
  if (verdictA === ValidatorState.NOTHING || verdictB === ValidatorState.NOTHING) return Step.refuse("ZeroVerdict")
  const isSigned =
    scene.isSigned(account, { _tag: "Verdict", job, verdict: verdictA }, signatureA) &&
    scene.isSigned(account, { _tag: "Verdict", job, verdict: verdictB }, signatureB)
  if (!isSigned) return Step.refuse("InvalidSignature")
  const key = `${account} ${job}`
  if (HashMap.has(state.reported, key)) return Step.refuse("AlreadyReported", { validator: account, job })
  const validator = ValidatorState.bondedOf(state, account)
  const { bonded } = validator
  if (bonded === 0n) return Step.refuse("NothingToSlash", { validator: account })
  const slashed = Slashing.amount({ bondedThen: bonded, rateBps: state.terms.slashBps, bondedNow: bonded })
  // Not for reporting oneself.
  const reporterShare = reporter === account ? 0n : Division.part(slashed, state.terms.reporterBps)
  const insurance = slashed - reporterShare
  const cut = withBonded({ ...state, reported: HashMap.set(state.reported, key, true as const) }, account, {
    ...validator,
    bonded: bonded - slashed,
  })
  const next = ValidatorState.credit(ValidatorState.withTotals(cut, { insurance }), reporter, reporterShare)
  const event: Emitted = {
    _tag: "ValidatorRegistry.Slashed",
    validator: account,
    job,
    reporter,
    insurance,
    reporterShare,
  }
  if (validator.state !== "Active" || bonded - slashed >= state.terms.minBond) return Step.done(next, [event])
  const left = exit(next, account, scene.nowS)
  return Step.done(left.state, [event, left.event])
}

const fundRewards = (state: State, { amount, by }: Of<"FundRewards">, scene: Step.Scene): Step.Step<State> => {
  if (amount === 0n) return Step.refuse("ZeroAmount")
  return Step.done(
    ValidatorState.withTotals(state, { rewardPool: amount }),
    [{ _tag: "ValidatorRegistry.RewardsFunded", from: by, amount }],
    [{ token: state.terms.token, from: by, to: scene.contract, amount }],
  )
}

/**
 * Takes in what the bonds' contract has paid for findings of the validators. The chain does both in one act.
 *
 * @category transitions
 * @since 0.1.0
 */
export const collected = (state: State, amount: bigint): Step.Done<State> => ({
  state: ValidatorState.withTotals(state, { rewardPool: amount }),
  events: [{ _tag: "ValidatorRegistry.FinderSharesCollected", amount }],
  transfers: [],
})

const claimCredit = (state: State, by: Address, scene: Step.Scene): Step.Step<State> => {
  const amount = Step.get(state.credits, by, 0n)
  if (amount === 0n) return Step.refuse("NothingToClaim", { account: by })
  return Step.done(
    ValidatorState.credit(state, by, -amount),
    [{ _tag: "ValidatorRegistry.CreditClaimed", account: by, amount }],
    [{ token: state.terms.token, from: scene.contract, to: by, amount }],
  )
}

const sendToInsurance = (state: State): Step.Step<State> => {
  const amount = state.totals.insurance
  if (amount === 0n) return Step.refuse("NothingToClaim")
  return Step.done(ValidatorState.withTotals(state, { insurance: -amount }), [
    { _tag: "ValidatorRegistry.InsuranceSent", amount },
  ])
}

/** Does an act, or says which rule forbids it. @category transitions @since 0.1.0 */
export const step = (state: State, act: ValidatorAct, scene: Step.Scene): Step.Step<State> => {
  const { by } = act
  const asOperator = (next: () => Step.Step<State>): Step.Step<State> => Step.onlyRole(scene, "operator", by, next)
  const open = (next: () => Step.Step<State>): Step.Step<State> => Step.whenNotPaused(state, scene, next)
  switch (act._tag) {
    case "Register":
      return open(() => register(state, act, scene))
    case "TopUp":
      return open(() => topUp(state, act, scene))
    case "RequestExit":
      return requestExit(state, by, scene)
    case "Withdraw":
      return withdraw(state, by, scene)
    case "FundRewards":
      return open(() => fundRewards(state, act, scene))
    case "CollectFinderShares":
      // The chain has it paid by the bonds' contract first, and comes with what it paid.
      return Step.refuse("NothingToClaim")
    case "CommitSeed":
      return asOperator(() => ValidatorJobs.commitSeed(state, act, scene))
    case "OpenJob":
      return asOperator(() => open(() => ValidatorJobs.openJob(state, act, scene)))
    case "CommitVote":
      return ValidatorJobs.commitVote(state, act, scene)
    case "RevealSeed":
      return ValidatorJobs.revealSeed(state, act, scene)
    case "RevealVote":
      return ValidatorJobs.revealVote(state, act, scene)
    case "CloseJob":
      return ValidatorJobs.closeJob(state, act.job, scene)
    case "ShareFinding":
      return asOperator(() => open(() => ValidatorJobs.shareFinding(state, act, scene)))
    case "Report":
      return report(state, act, scene)
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
