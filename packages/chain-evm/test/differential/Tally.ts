/** What traces came to, in figures, and what a hundred of them must have met. */
import type * as Reorg from "./Reorg.ts"

/** What traces came to. */
export interface Tally {
  traces: number
  steps: number
  acts: number
  refusals: number
  /** By kind. */
  readonly reorgs: Record<Reorg.Kind, number>
  /** Transactions that were taken back and came again, and of them those with another place in the order. */
  sentAgain: number
  moved: number
  /** Those that never came again, and those that came after others. */
  dropped: number
  late: number
  /** Events that the mirror had posted and took back. */
  mirroredBack: number
  looked: number
  mirrored: number
  reconciled: number
  charges: number
  earned: number
  /** How often each act was done, each rule refused one, and each event was emitted. */
  readonly words: Map<string, number>
}

export const tally = (): Tally => ({
  traces: 0,
  steps: 0,
  acts: 0,
  refusals: 0,
  reorgs: { Again: 0, OtherOrder: 0, Dropped: 0, Late: 0 },
  sentAgain: 0,
  moved: 0,
  dropped: 0,
  late: 0,
  mirroredBack: 0,
  looked: 0,
  mirrored: 0,
  reconciled: 0,
  charges: 0,
  earned: 0,
  words: new Map(),
})

/** What must have happened in a hundred traces. */
const expected = [
  ...["Stake", "RequestUnstake", "CancelUnstake", "Withdraw", "ClaimRewards", "FundRewards", "AppendTiers"].map(
    (act) => `Staking.${act}`,
  ),
  ...["Bond", "BondVerified", "TopUp", "Activate", "RequestUnbond", "Deregister", "Withdraw", "ProposeSlash"].map(
    (act) => `ProviderBond.${act}`,
  ),
  ...["Appeal", "Finalise", "Uphold", "Overturn", "Lapse", "ClaimCredit", "SendToInsurance"].map(
    (act) => `ProviderBond.${act}`,
  ),
  ...["Fund", "FundBoost", "RequestUnfund", "CancelUnfund", "Unfund", "AppendTerms", "Settle", "SettleFrom"].map(
    (act) => `Settlement.${act}`,
  ),
  ...["Claim", "ClaimFor", "Redeem", "ProposeEpoch", "CancelEpoch", "ApplyRoot", "ApplyBatch", "ClaimRoot"].map(
    (act) => `Settlement.${act}`,
  ),
  "Settlement.PayMany",
  ...["Deposit", "ProposeClaims", "CancelClaims", "Claim", "ExpireClaims"].map((act) => `InsurancePool.${act}`),
  ...["Open", "TopUp", "Settle", "Close", "RequestClose", "Withdraw"].map((act) => `Channel.${act}`),
  ...[
    "Register",
    "TopUp",
    "RequestExit",
    "Withdraw",
    "FundRewards",
    "CollectFinderShares",
    "CommitSeed",
    "OpenJob",
  ].map((act) => `ValidatorRegistry.${act}`),
  ...[
    "CommitVote",
    "RevealSeed",
    "RevealVote",
    "CloseJob",
    "ShareFinding",
    "Report",
    "ClaimCredit",
    "SendToInsurance",
  ].map((act) => `ValidatorRegistry.${act}`),
  ...["EntropyFixed", "VerdictReached", "Rewarded", "FindingShared", "Slashed", "ExitStarted"].map(
    (event) => `event ValidatorRegistry.${event}`,
  ),
  ...["WrongEpoch", "WrongVote", "NoSeed", "InvalidSignature", "UnderMinimum", "CooldownNotOver"].map(
    (rule) => `ValidatorRegistry: ${rule}`,
  ),
  ...["Staking: CooldownNotOver", "ProviderBond: AppealWindowOpen", "ProviderBond: CooldownNotOver"],
  ...["Settlement: ChallengeDelayOpen", "Settlement: AlreadySettled", "Settlement: InvalidVoucher"],
  ...["Settlement: MissingRole", "RootVault: InvalidProof", "Settlement: NotEnoughFunded", "InvalidInput"],
]

/** Counts what happened. */
export const count = (tally: Tally, word: string): void => void tally.words.set(word, (tally.words.get(word) ?? 0) + 1)

/** What is expected and never happened. */
export const missing = ({ dropped, late, mirroredBack, moved, reorgs, words }: Tally): ReadonlyArray<string> => [
  ...expected.filter((word) => !words.has(word)),
  ...Object.entries({ ...reorgs, dropped, late, mirroredBack, moved }).flatMap(([name, count]) =>
    count === 0 ? [name] : [],
  ),
]

/** What was done, in a line. */
export const figures = (tally: Tally): string => {
  const rules = [...tally.words.keys()].filter((word) => !/\w\.\w/.test(word)).length
  return [
    `${tally.traces} traces, ${tally.acts} acts, ${tally.refusals} refused by ${rules} rules`,
    `${Object.entries(tally.reorgs)
      .map(([kind, count]) => `${kind} ${count}`)
      .join(", ")} reorganisations`,
    `${tally.sentAgain} transactions came again, ${tally.moved} in another order, ${tally.late} late, ${tally.dropped} never`,
    `${tally.mirroredBack} events taken back in the mirror`,
    `${tally.looked} figures equal, ${tally.mirrored} mirror accounts, ${tally.reconciled} reconciled`,
    `${tally.charges} charges in the books and ${tally.earned} earnings`,
  ].join("; ")
}
