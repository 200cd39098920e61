/**
 * The terms, the funds and the claims of the contract Settlement in memory.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import { type Address, ZERO } from "../Address.ts"
import type { Terms } from "../Settlement.ts"
import * as SettlementState from "./SettlementState.ts"
import * as Step from "./Step.ts"

type State = SettlementState.State

const SHARES_MAX = 8

/** How much later than possible terms may begin, in seconds: nothing can be published before terms that are published. */
const AHEAD_MAX_S = 30 * 86_400

/** Publishes the terms of epochs to come. @category transitions @since 0.1.0 */
export const appendTerms = (state: State, terms: Terms, { nowS }: Step.Scene): Step.Step<State> => {
  const newest = state.appended.at(-1)?.fromEpoch ?? -1
  const first = SettlementState.epochAt(state, nowS + state.terms.termsDelayS) + 1
  const latest = first + SettlementState.epochAt(state, AHEAD_MAX_S)
  const earliest = Math.max(first, newest + 1)
  if (terms.fromEpoch < earliest) return Step.refuse("TermsTooEarly", { fromEpoch: terms.fromEpoch, earliest })
  if (terms.fromEpoch > latest) return Step.refuse("TermsTooLate", { fromEpoch: terms.fromEpoch, latest })
  if (terms.treasury === ZERO) return Step.refuse("ZeroAddress")
  if (terms.shares.length > SHARES_MAX) return Step.refuse("BadTerms")
  for (const share of terms.shares) {
    if (share.party === ZERO) return Step.refuse("ZeroAddress")
    if (share.bps === 0) return Step.refuse("BadTerms")
  }
  const sum = terms.shares.reduce((total, { bps }) => total + bps, terms.providerBps)
  if (sum > 10_000) return Step.refuse("BadTerms")
  return Step.done({ ...state, appended: [...state.appended, terms] }, [{ _tag: "Settlement.TermsAppended", ...terms }])
}

/** Adds to what is funded, or to the boost pool. @category transitions @since 0.1.0 */
export const fund = (
  state: State,
  act: {
    readonly bucket: "funded" | "boostPool"
    readonly token: Address
    readonly amount: bigint
    readonly by: Address
  },
  scene: Step.Scene,
): Step.Step<State> => {
  const { amount, bucket, by: from, token } = act
  if (amount === 0n) return Step.refuse("ZeroAmount")
  const tag = bucket === "funded" ? "Settlement.Funded" : "Settlement.BoostFunded"
  return Step.done(
    SettlementState.move(state, token, { [bucket]: amount }),
    [{ _tag: tag, token, from, amount }],
    [{ token, from, to: scene.contract, amount }],
  )
}

const less = (a: bigint, b: bigint): bigint => (a < b ? a : b)

/** Announces that unspent funds will leave: as much as asked, or what is there. @category transitions @since 0.1.0 */
export const requestUnfund = (
  state: State,
  asked: { readonly token: Address; readonly funded: bigint; readonly boost: bigint },
  { nowS }: Step.Scene,
): Step.Step<State> => {
  const { token } = asked
  const { totals } = SettlementState.bookOf(state, token)
  const funded = less(asked.funded, totals.funded)
  const boost = less(asked.boost, totals.boostPool)
  if (funded === 0n && boost === 0n) return Step.refuse("ZeroAmount")
  const readyAtS = nowS + state.terms.unfundDelayS
  const expiresAtS = readyAtS + state.terms.unfundDelayS
  const book = SettlementState.bookOf(state, token)
  return Step.done(
    SettlementState.withBook(state, token, { ...book, unfund: { funded, boost, readyAtS, expiresAtS } }),
    [{ _tag: "Settlement.UnfundRequested", token, funded, boost, readyAt: readyAtS, expiresAt: expiresAtS }],
  )
}

/** Takes the announcement back. @category transitions @since 0.1.0 */
export const cancelUnfund = (state: State, token: Address): Step.Step<State> => {
  const book = SettlementState.bookOf(state, token)
  if (book.unfund.readyAtS === 0) return Step.refuse("NoUnfundRequest", { token })
  return Step.done(SettlementState.withBook(state, token, { ...book, unfund: SettlementState.NO_UNFUND }), [
    { _tag: "Settlement.UnfundCancelled", token },
  ])
}

/** Sends what was announced, or what is left of it, to the funder. @category transitions @since 0.1.0 */
export const unfund = (state: State, token: Address, by: Address, scene: Step.Scene): Step.Step<State> => {
  const book = SettlementState.bookOf(state, token)
  const { expiresAtS, readyAtS } = book.unfund
  if (readyAtS === 0) return Step.refuse("NoUnfundRequest", { token })
  if (scene.nowS < readyAtS) return Step.refuse("UnfundTooEarly", { readyAt: readyAtS })
  if (scene.nowS >= expiresAtS) return Step.refuse("UnfundExpired", { expiresAt: expiresAtS })
  const funded = less(book.unfund.funded, book.totals.funded)
  const boost = less(book.unfund.boost, book.totals.boostPool)
  if (funded === 0n && boost === 0n) return Step.refuse("ZeroAmount")
  const cleared = SettlementState.withBook(state, token, { ...book, unfund: SettlementState.NO_UNFUND })
  return Step.done(
    SettlementState.move(cleared, token, { funded: -funded, boostPool: -boost }),
    [{ _tag: "Settlement.Unfunded", token, to: by, funded, boost }],
    [{ token, from: scene.contract, to: by, amount: funded + boost }],
  )
}

/** Pays an account what it is owed; nothing, where that is nothing. @category transitions @since 0.1.0 */
export const claim = (state: State, token: Address, account: Address, scene: Step.Scene): Step.Step<State> => {
  const key = SettlementState.keyOf(token, account)
  const amount = Step.get(state.owed, key, 0n)
  if (amount === 0n) return Step.done(state)
  return Step.done(
    SettlementState.move({ ...state, owed: HashMap.remove(state.owed, key) }, token, { owed: -amount }),
    [{ _tag: "Settlement.Claimed", token, account, amount }],
    [{ token, from: scene.contract, to: account, amount }],
  )
}
