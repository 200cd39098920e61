/**
 * The contract Settlement in memory, with the RootVault that it makes: the same rules and the same rounding, as pure transitions.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Division from "@guildhall/core/rules/Division"
import { type Address, ZERO } from "../Address.ts"
import type { Emitted } from "../ChainEvent.ts"
import * as Entries from "../Entries.ts"
import type { SettlementAct } from "../Settlement.ts"
import * as SettlementEpochs from "./SettlementEpochs.ts"
import * as SettlementFunds from "./SettlementFunds.ts"
import * as SettlementState from "./SettlementState.ts"
import * as Step from "./Step.ts"

type State = SettlementState.State
type Of<Tag extends SettlementAct["_tag"]> = Extract<SettlementAct, { readonly _tag: Tag }>

/** Divides an amount that has left another bucket, or came in, by the terms of the current epoch. */
const divided = (
  state: State,
  { amount, provider, token }: { readonly amount: bigint; readonly provider: Address; readonly token: Address },
  nowS: number,
): { readonly state: State; readonly providerShare: bigint } => {
  const terms = SettlementState.termsAt(state, SettlementState.epochAt(state, nowS))
  const parts = Division.ofRequest(SettlementState.divisionOf(terms), amount)
  const paid = SettlementState.credit(state, token, provider, parts.provider)
  return { state: SettlementState.creditOthers(paid, token, terms, parts), providerShare: parts.provider }
}

const settle = (state: State, act: Of<"Settle">, { nowS }: Step.Scene): Step.Step<State> => {
  const { amount, provider, requestId, token } = act
  if (HashMap.has(state.settled, requestId)) return Step.refuse("AlreadySettled", { requestId })
  if (amount === 0n) return Step.refuse("ZeroAmount")
  const { funded } = SettlementState.bookOf(state, token).totals
  if (amount > funded) return Step.refuse("NotEnoughFunded", { asked: amount, funded })
  if (provider === ZERO) return Step.refuse("ZeroAddress")
  const used = { ...state, settled: HashMap.set(state.settled, requestId, true as const) }
  const next = divided(SettlementState.move(used, token, { funded: -amount }), act, nowS)
  return Step.done(next.state, [
    { _tag: "Settlement.Settled", requestId, provider, token, amount, providerShare: next.providerShare },
  ])
}

const settleFrom = (state: State, act: Of<"SettleFrom">, scene: Step.Scene): Step.Step<State> => {
  const { amount, payer, provider, requestId, token } = act
  if (amount === 0n) return Step.refuse("ZeroAmount")
  if (HashMap.has(state.settled, requestId)) return Step.refuse("AlreadySettled", { requestId })
  if (provider === ZERO) return Step.refuse("ZeroAddress")
  const used = { ...state, settled: HashMap.set(state.settled, requestId, true as const) }
  const next = divided(used, act, scene.nowS)
  return Step.done(
    next.state,
    [{ _tag: "Settlement.SettledFrom", requestId, provider, token, payer, amount, providerShare: next.providerShare }],
    [{ token, from: payer, to: scene.contract, amount, isAllowed: true }],
  )
}

const redeem = (state: State, { signature, voucher }: Of<"Redeem">, scene: Step.Scene): Step.Step<State> => {
  const { cumulative, epoch, provider, token } = voucher
  const current = SettlementState.epochAt(state, scene.nowS)
  if (epoch > current) return Step.refuse("EpochNotOver", { epoch, current })
  const last = epoch + state.terms.voucherEpochs
  if (current > last) return Step.refuse("VoucherExpired", { epoch, last })
  const terms = SettlementState.termsAt(state, epoch)
  const signer = terms?.voucherSigner ?? ZERO
  if (signer === ZERO || !scene.isSigned(signer, voucher, signature)) return Step.refuse("InvalidVoucher")
  const key = `${SettlementState.keyOf(token, provider)} ${epoch}`
  const before = Step.get(state.redeemed, key, 0n)
  if (cumulative <= before) return Step.refuse("NothingToRedeem", { cumulative, redeemed: before })
  const { funded } = SettlementState.bookOf(state, token).totals
  const wanted = cumulative - before
  if (funded === 0n) return Step.refuse("NotEnoughFunded", { asked: wanted, funded })
  if (provider === ZERO) return Step.refuse("ZeroAddress")
  const amount = wanted < funded ? wanted : funded
  const redeemed = before + amount
  const parts = Division.ofVoucher(SettlementState.divisionOf(terms), before, redeemed)
  const taken = SettlementState.move({ ...state, redeemed: HashMap.set(state.redeemed, key, redeemed) }, token, {
    funded: -amount,
  })
  const paid = SettlementState.credit(taken, token, provider, parts.provider)
  return Step.done(SettlementState.creditOthers(paid, token, terms, parts), [
    { _tag: "Settlement.VoucherRedeemed", provider, token, epoch, amount, providerShare: parts.provider, redeemed },
  ])
}

const payMany = (state: State, act: Of<"PayMany">, scene: Step.Scene): Step.Step<State> => {
  const { batchId, entries, token } = act
  if (HashMap.has(state.paid, batchId)) return Step.refuse("AlreadyPaid", { batchId })
  if (!SettlementEpochs.areEntries(entries)) return Step.refuse("BadEntries")
  const sum = entries.reduce((total, { amount }) => total + amount, 0n)
  const { funded } = SettlementState.bookOf(state, token).totals
  if (sum > funded) return Step.refuse("NotEnoughFunded", { asked: sum, funded })
  const failed = entries.filter(({ account }) => !scene.isDeliverable(token, account))
  const credited = failed.reduce((total, { amount }) => total + amount, 0n)
  const taken = SettlementState.move({ ...state, paid: HashMap.set(state.paid, batchId, true as const) }, token, {
    funded: -sum,
  })
  const next = failed.reduce((one, { account, amount }) => SettlementState.credit(one, token, account, amount), taken)
  const events = failed.map(({ account, amount }): Emitted => ({
    _tag: "Settlement.PayoutCredited",
    token,
    batchId,
    account,
    amount,
  }))
  const packed = Entries.pack(entries)
  return Step.done(
    next,
    [...events, { _tag: "Settlement.ManyPaid", token, batchId, paid: sum - credited, credited, packed }],
    entries
      .filter((entry) => !failed.includes(entry))
      .map(({ account, amount }) => ({ token, from: scene.contract, to: account, amount })),
  )
}

/** Does an act, or says which rule forbids it. @category transitions @since 0.1.0 */
export const step = (state: State, act: SettlementAct, scene: Step.Scene): Step.Step<State> => {
  const { by } = act
  const asOperator = (next: () => Step.Step<State>): Step.Step<State> => Step.onlyRole(scene, "operator", by, next)
  const asFunder = (next: () => Step.Step<State>): Step.Step<State> => Step.onlyRole(scene, "funder", by, next)
  const open = (next: () => Step.Step<State>): Step.Step<State> => Step.whenNotPaused(state, scene, next)
  switch (act._tag) {
    case "AppendTerms":
      return Step.onlyRole(scene, "curator", by, () => SettlementFunds.appendTerms(state, act.terms, scene))
    case "Fund":
      return open(() => SettlementFunds.fund(state, { ...act, bucket: "funded" }, scene))
    case "FundBoost":
      return open(() => SettlementFunds.fund(state, { ...act, bucket: "boostPool" }, scene))
    case "RequestUnfund":
      return asFunder(() => SettlementFunds.requestUnfund(state, act, scene))
    case "CancelUnfund":
      return asFunder(() => SettlementFunds.cancelUnfund(state, act.token))
    case "Unfund":
      return asFunder(() => SettlementFunds.unfund(state, act.token, by, scene))
    case "Settle":
      return asOperator(() => open(() => settle(state, act, scene)))
    case "SettleFrom":
      return asOperator(() => open(() => settleFrom(state, act, scene)))
    case "Claim":
      return SettlementFunds.claim(state, act.token, by, scene)
    case "ClaimFor":
      return SettlementFunds.claim(state, act.token, act.account, scene)
    case "Redeem":
      return redeem(state, act, scene)
    case "ProposeEpoch":
      return asOperator(() => SettlementEpochs.propose(state, act, scene))
    case "CancelEpoch":
      return SettlementEpochs.cancel(state, act, scene)
    case "ApplyRoot":
      return SettlementEpochs.applyRoot(state, act, scene)
    case "ApplyBatch":
      return SettlementEpochs.applyBatch(state, act, scene)
    case "ClaimRoot":
      return SettlementEpochs.claimRoot(state, act, scene)
    case "PayMany":
      return asOperator(() => open(() => payMany(state, act, scene)))
    case "Pause":
      return Step.pause(state, by, scene)
    case "Unpause":
      return Step.unpause(state, by, scene)
  }
}
