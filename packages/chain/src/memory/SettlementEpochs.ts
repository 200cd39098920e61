/**
 * The netted epochs of the contract Settlement in memory, and the contract RootVault where its roots are claimed.
 *
 * @since 0.1.0
 */
import * as HashMap from "effect/HashMap"
import * as Result from "effect/Result"
import * as Division from "@guildhall/core/rules/Division"
import { type Address, ZERO } from "../Address.ts"
import * as CumulativeTree from "../CumulativeTree.ts"
import * as Entries from "../Entries.ts"
import type { Proposal, SettlementAct } from "../Settlement.ts"
import * as SettlementState from "./SettlementState.ts"
import * as Step from "./Step.ts"

type State = SettlementState.State
type Of<Tag extends SettlementAct["_tag"]> = Extract<SettlementAct, { readonly _tag: Tag }>

/** The most entries of one call. @category constants @since 0.1.0 */
export const ENTRIES_MAX = 500

/** Sets the money of an epoch that is over aside. @category transitions @since 0.1.0 */
export const propose = (state: State, act: Of<"ProposeEpoch">, { nowS }: Step.Scene): Step.Step<State> => {
  const { boost, commitment, epoch, gross, kind, token } = act
  if (gross === 0n && boost === 0n) return Step.refuse("ZeroAmount")
  const current = SettlementState.epochAt(state, nowS)
  if (epoch >= current) return Step.refuse("EpochNotOver", { epoch, current })
  const book = SettlementState.bookOf(state, token)
  const last = book.proposal
  if (last.kind !== "None") return Step.refuse("EpochWaiting", { token, epoch: last.epoch })
  if (epoch <= last.epoch) return Step.refuse("EpochNotLater", { epoch, last: last.epoch })
  const { boostPool, funded } = book.totals
  if (gross > funded) return Step.refuse("NotEnoughFunded", { asked: gross, funded })
  if (boost > boostPool) return Step.refuse("NotEnoughBoost", { asked: boost, boostPool })
  const appliesAtS = nowS + state.terms.challengeDelayS
  const proposal = { kind, epoch, appliesAtS, gross, boost, commitment }
  return Step.done(
    SettlementState.move(SettlementState.withBook(state, token, { ...book, proposal }), token, {
      funded: -gross,
      boostPool: -boost,
      pending: gross + boost,
    }),
    [{ _tag: "Settlement.EpochProposed", token, epoch, kind, commitment, gross, boost }],
  )
}

const waiting = (state: State, token: Address, epoch: number): Result.Result<Proposal, Step.Refusal> => {
  const { proposal } = SettlementState.bookOf(state, token)
  return proposal.kind === "None" || proposal.epoch !== epoch
    ? Step.refuse("NoEpochWaiting", { token, epoch })
    : Result.succeed(proposal)
}

const ready = (
  state: State,
  { epoch, token }: { readonly token: Address; readonly epoch: number },
  kind: Proposal["kind"],
  nowS: number,
): Result.Result<Proposal, Step.Refusal> =>
  Result.flatMap(waiting(state, token, epoch), (proposal) => {
    if (proposal.kind !== kind) return Step.refuse("BadEpochKind")
    if (nowS < proposal.appliesAtS) return Step.refuse("ChallengeDelayOpen", { appliesAt: proposal.appliesAtS })
    return Result.succeed(proposal)
  })

/** Ends the wait of an epoch, whose money leaves what is pending. The last epoch is then `lastEpoch`. */
const ended = (state: State, token: Address, proposal: Proposal, lastEpoch: number): State => {
  const book = SettlementState.bookOf(state, token)
  const none = { ...proposal, kind: "None", epoch: lastEpoch } as const
  return SettlementState.move(SettlementState.withBook(state, token, { ...book, proposal: none, lastEpoch }), token, {
    pending: -(proposal.gross + proposal.boost),
  })
}

/** How long nobody applied an epoch before its own proposer may cancel it, in seconds. */
const OVERDUE_S = 7 * 86_400

/** Why somebody may not cancel a waiting epoch: it is the challenger's, and the operator's once nobody applied it for a week. */
const notAllowed = (
  { by }: Of<"CancelEpoch">,
  { appliesAtS }: Proposal,
  { nowS, roles }: Step.Scene,
): Result.Result<undefined, Step.Refusal> => {
  if (roles["challenger"] === by) return Result.succeed(undefined)
  if (roles["operator"] !== by) return Step.refuse("MissingRole", { role: "challenger", caller: by })
  const overdueAt = appliesAtS + OVERDUE_S
  return nowS < overdueAt ? Step.refuse("NotOverdue", { overdueAt }) : Result.succeed(undefined)
}

/** Puts the money of a waiting epoch back; it can be proposed again. @category transitions @since 0.1.0 */
export const cancel = (state: State, act: Of<"CancelEpoch">, scene: Step.Scene): Step.Step<State> => {
  const { epoch, token } = act
  return Result.flatMap(waiting(state, token, epoch), (proposal) =>
    Result.flatMap(notAllowed(act, proposal, scene), () => {
      const { boost, gross } = proposal
      const { lastEpoch } = SettlementState.bookOf(state, token)
      return Step.done(
        SettlementState.move(ended(state, token, proposal, lastEpoch), token, { funded: gross, boostPool: boost }),
        [{ _tag: "Settlement.EpochCancelled", token, epoch, gross, boost }],
      )
    }),
  )
}

/** Credits who is no provider: parties of the gross, and the treasury the rest of all. */
const credited = (state: State, token: Address, proposal: Proposal, providers: bigint): State => {
  const terms = SettlementState.termsAt(state, proposal.epoch)
  const division = SettlementState.divisionOf(terms)
  const parts = Division.others(division, proposal.gross, providers - proposal.boost)
  return SettlementState.creditOthers(state, token, terms, parts)
}

/** Publishes a root, with the tokens that it promises. @category transitions @since 0.1.0 */
export const applyRoot = (state: State, act: Of<"ApplyRoot">, scene: Step.Scene): Step.Step<State> =>
  Result.flatMap(ready(state, act, "Root", scene.nowS), (proposal) => {
    const { epoch, token } = act
    const { boost, commitment: root, gross } = proposal
    const division = SettlementState.divisionOf(SettlementState.termsAt(state, epoch))
    const providers = Division.providersOf(division, gross, boost)
    const next = SettlementState.move(ended(state, token, proposal, epoch), token, { rootPool: providers })
    const published = SettlementState.withBook(next, token, { ...SettlementState.bookOf(next, token), root })
    return Step.done(
      credited(published, token, proposal, providers),
      [
        { _tag: "Settlement.RootApplied", token, epoch, root, providers, fees: gross + boost - providers },
        { _tag: "RootVault.RootPublished", token, root },
      ],
      [{ token, from: scene.contract, to: state.vault, amount: providers }],
    )
  })

/** Whether a list can be packed and paid: some entries, not too many, and none of nothing or to nobody. @category rules @since 0.1.0 */
export const areEntries = (entries: ReadonlyArray<Entries.Entry>): boolean =>
  entries.length > 0 &&
  entries.length <= ENTRIES_MAX &&
  entries.every(({ account, amount }) => account !== ZERO && amount > 0n)

const sumOf = (entries: ReadonlyArray<Entries.Entry>): bigint => entries.reduce((sum, { amount }) => sum + amount, 0n)

/** Credits the entries of a proposed batch. @category transitions @since 0.1.0 */
export const applyBatch = (state: State, act: Of<"ApplyBatch">, scene: Step.Scene): Step.Step<State> =>
  Result.flatMap(ready(state, act, "Batch", scene.nowS), (proposal) => {
    const { entries, epoch, token } = act
    const packed = Entries.pack(entries)
    const actual = Entries.commitment(entries)
    if (actual !== proposal.commitment) return Step.refuse("WrongEntries", { expected: proposal.commitment, actual })
    if (!areEntries(entries)) return Step.refuse("BadEntries")
    const division = SettlementState.divisionOf(SettlementState.termsAt(state, epoch))
    const promised = Division.providersOf(division, proposal.gross, proposal.boost)
    const providers = sumOf(entries)
    // What rounding leaves is less than one unit for each entry.
    if (providers > promised || promised - providers >= BigInt(entries.length)) {
      return Step.refuse("BatchDoesNotAddUp", { entries: providers, providers: promised })
    }
    const next = entries.reduce(
      (one, { account, amount }) => SettlementState.credit(one, token, account, amount),
      ended(state, token, proposal, epoch),
    )
    const fees = proposal.gross + proposal.boost - providers
    return Step.done(credited(next, token, proposal, providers), [
      { _tag: "Settlement.BatchApplied", token, epoch, providers, fees, packed },
    ])
  })

/** Pays an account what a root says beyond what roots paid it before. @category transitions @since 0.1.0 */
export const claimRoot = (state: State, act: Of<"ClaimRoot">, scene: Step.Scene): Step.Step<State> => {
  const { account, cumulative, proof, token } = act
  const book = SettlementState.bookOf(state, token)
  const domain = { chainId: scene.chainId, contract: state.vault, token }
  const leaf = CumulativeTree.leaf(domain, { account, cumulative })
  if (!CumulativeTree.isProved(book.root, leaf, proof)) return Step.refuse("InvalidProof")
  const key = SettlementState.keyOf(token, account)
  const before = Step.get(state.rootClaimed, key, 0n)
  const wanted = cumulative - before
  const amount = wanted < book.totals.rootPool ? wanted : book.totals.rootPool
  if (amount <= 0n) return Step.done(state)
  const claimed = before + amount
  return Step.done(
    SettlementState.move({ ...state, rootClaimed: HashMap.set(state.rootClaimed, key, claimed) }, token, {
      rootPool: -amount,
    }),
    [{ _tag: "RootVault.RootClaimed", token, account, amount, claimed }],
    [{ token, from: state.vault, to: account, amount }],
  )
}
