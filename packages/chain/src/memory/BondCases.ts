/**
 * The cases of the contract ProviderBond in memory: slashes, appeals, decisions.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Result from "effect/Result"
import * as BondRule from "@guildhall/core/rules/Bond"
import * as Slashing from "@guildhall/core/rules/Slashing"
import { type Address, ZERO } from "../Address.ts"
import type { BondAct, Case, CaseState } from "../BondVault.ts"
import type { IgnoredReason } from "../events/BondEvent.ts"
import type { Bytes32 } from "../Hex.ts"
import * as BondState from "./BondState.ts"
import * as Step from "./Step.ts"

type State = BondState.State

const periodKey = (state: State, device: Bytes32, offenceTimeS: number): string =>
  `${device} ${Math.floor(offenceTimeS / state.terms.periodS)}`

const ignored = (state: State, device: Bytes32, offenceId: Bytes32, reason: IgnoredReason): Step.Step<State> =>
  Step.done(state, [{ _tag: "ProviderBond.SlashIgnored", device, offenceId, reason }])

/** Moves a slash into escrow, or says why nothing was moved. @category transitions @since 0.1.0 */
export const proposeSlash = (
  state: State,
  act: Extract<BondAct, { readonly _tag: "ProposeSlash" }>,
  { nowS }: Step.Scene,
): Step.Step<State> => {
  const { device, evidenceHash, finder, offenceId, offenceTimeS } = act
  return Result.flatMap(BondState.known(state, device), (bond) => {
    if (BondState.caseOf(state, offenceId).state !== "None") return ignored(state, device, offenceId, "AlreadyProposed")
    if (offenceTimeS > nowS) return ignored(state, device, offenceId, "InFuture")
    if (!BondRule.answersFor(bond, offenceTimeS)) return ignored(state, device, offenceId, "NotActiveThen")
    if (nowS - offenceTimeS > state.terms.evidenceWindowS) return ignored(state, device, offenceId, "TooLate")
    const key = periodKey(state, device, offenceTimeS)
    const usedBps = Step.get(state.usedBps, key, 0)
    const rateBps = Slashing.withinCap(act.rateBps, { capBps: state.terms.capBps, usedBps })
    if (rateBps === 0) return ignored(state, device, offenceId, "NothingToTake")
    const bondedThen = BondState.bondedAt(state, device, offenceTimeS)
    const amount = Slashing.amount({ bondedThen, rateBps, bondedNow: bond.bonded })
    if (amount === 0n) return ignored(state, device, offenceId, "NothingLeft")
    const appealUntilS = nowS + state.terms.appealWindowS
    const opened: Case = {
      offenceId,
      device,
      state: "Proposed",
      rateBps,
      amount,
      offenceTimeS,
      finder,
      evidenceHash,
      appealUntilS,
      ruleUntilS: appealUntilS + state.terms.rulingWindowS,
    }
    const escrowed = {
      ...bond,
      openCases: bond.openCases + 1,
      bonded: bond.bonded - amount,
      escrowed: bond.escrowed + amount,
    }
    const next = BondState.withBond(state, escrowed, nowS)
    return Step.done(
      {
        ...next,
        usedBps: HashMap.set(next.usedBps, key, usedBps + rateBps),
        cases: HashMap.set(next.cases, offenceId, opened),
      },
      [
        {
          _tag: "ProviderBond.SlashProposed",
          device,
          offenceId,
          rateBps,
          amount,
          offenceTime: offenceTimeS,
          evidenceHash,
          finder,
          appealUntil: appealUntilS,
        },
      ],
    )
  })
}

const inState = (state: State, offenceId: Bytes32, wanted: CaseState): Result.Result<Case, Step.Refusal> => {
  const found = BondState.caseOf(state, offenceId)
  return found.state === wanted
    ? Result.succeed(found)
    : Step.refuse("WrongCaseState", { offenceId, state: found.state })
}

const closed = (state: State, decided: Case, nowS: number, back: boolean): State => {
  const bond = BondState.bondOf(state, decided.device)
  const next = BondState.withBond(
    state,
    {
      ...bond,
      openCases: bond.openCases - 1,
      escrowed: bond.escrowed - decided.amount,
      bonded: back ? bond.bonded + decided.amount : bond.bonded,
      slashed: back ? bond.slashed : bond.slashed + decided.amount,
    },
    nowS,
  )
  return { ...next, cases: HashMap.set(next.cases, decided.offenceId, decided) }
}

const take = (state: State, found: Case, nowS: number): Step.Step<State> => {
  const { amount, device, finder, offenceId } = found
  const parts = Slashing.share(amount, { finderBps: state.terms.finderBps, hasFinder: finder !== ZERO })
  const next = closed(state, { ...found, state: "Finalised" }, nowS, false)
  const shared = parts.finder > 0n ? BondState.credit(next, finder, parts.finder) : next
  return Step.done({ ...shared, totals: { ...shared.totals, insurance: shared.totals.insurance + parts.insurance } }, [
    {
      _tag: "ProviderBond.SlashFinalised",
      device,
      offenceId,
      insurance: parts.insurance,
      finderShare: parts.finder,
      finder,
    },
  ])
}

const giveBack = (state: State, found: Case, to: "Overturned" | "Lapsed", nowS: number): Step.Step<State> => {
  const { amount, device, offenceId, offenceTimeS, rateBps } = found
  const key = periodKey(state, device, offenceTimeS)
  const next = closed(state, { ...found, state: to }, nowS, true)
  const usedBps = HashMap.set(next.usedBps, key, Step.get(next.usedBps, key, 0) - rateBps)
  return Step.done({ ...next, usedBps }, [{ _tag: `ProviderBond.Slash${to}`, device, offenceId, amount }])
}

/** The provider appeals. @category transitions @since 0.1.0 */
export const appeal = (state: State, offenceId: Bytes32, by: Address, { nowS }: Step.Scene): Step.Step<State> =>
  Result.flatMap(inState(state, offenceId, "Proposed"), (found) =>
    Result.flatMap(BondState.owned(state, found.device, by), () =>
      nowS > found.appealUntilS
        ? Step.refuse("AppealWindowOver", { appealUntil: found.appealUntilS })
        : Step.done(
            { ...state, cases: HashMap.set(state.cases, offenceId, { ...found, state: "Appealed" as const }) },
            [{ _tag: "ProviderBond.Appealed", device: found.device, offenceId, ruleUntil: found.ruleUntilS }],
          ),
    ),
  )

/** Anyone completes a slash that nobody appealed. @category transitions @since 0.1.0 */
export const finalise = (state: State, offenceId: Bytes32, { nowS }: Step.Scene): Step.Step<State> =>
  Result.flatMap(inState(state, offenceId, "Proposed"), (found) =>
    nowS <= found.appealUntilS
      ? Step.refuse("AppealWindowOpen", { appealUntil: found.appealUntilS })
      : take(state, found, nowS),
  )

/** The arbiter confirms an appealed slash. @category transitions @since 0.1.0 */
export const uphold = (state: State, offenceId: Bytes32, { nowS }: Step.Scene): Step.Step<State> =>
  Result.flatMap(inState(state, offenceId, "Appealed"), (found) =>
    nowS > found.ruleUntilS
      ? Step.refuse("RulingWindowOver", { ruleUntil: found.ruleUntilS })
      : take(state, found, nowS),
  )

/** The arbiter gives the money back. @category transitions @since 0.1.0 */
export const overturn = (state: State, offenceId: Bytes32, { nowS }: Step.Scene): Step.Step<State> => {
  const found = BondState.caseOf(state, offenceId)
  switch (found.state) {
    case "Proposed":
      return nowS > found.appealUntilS
        ? Step.refuse("AppealWindowOver", { appealUntil: found.appealUntilS })
        : giveBack(state, found, "Overturned", nowS)
    case "Appealed":
      return nowS > found.ruleUntilS
        ? Step.refuse("RulingWindowOver", { ruleUntil: found.ruleUntilS })
        : giveBack(state, found, "Overturned", nowS)
    default:
      return Step.refuse("WrongCaseState", { offenceId, state: found.state })
  }
}

/** Anyone gives back what the arbiter did not decide in time. @category transitions @since 0.1.0 */
export const lapse = (state: State, offenceId: Bytes32, { nowS }: Step.Scene): Step.Step<State> =>
  Result.flatMap(inState(state, offenceId, "Appealed"), (found) =>
    nowS <= found.ruleUntilS
      ? Step.refuse("RulingWindowOpen", { ruleUntil: found.ruleUntilS })
      : giveBack(state, found, "Lapsed", nowS),
  )
