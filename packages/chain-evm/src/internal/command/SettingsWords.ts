/** What contracts are created with, in words: it is for good, so whoever deploys reads it before. */
import * as Address from "@guildhall/chain/Address"
import type { DeployPlan } from "../../DeployPlan.ts"
import type { DeploySettings, Roles } from "../../DeploySettings.ts"
import * as Words from "./Words.ts"

/** What each role may do. */
export const ROLES: Readonly<Record<keyof Roles, string>> = {
  governor: "announces who takes a role",
  pauser: "stops what comes in for a while, no exit and no claim",
  curator: "appends tiers, classes of devices and terms",
  operator: "proposes epochs, settles, opens jobs: the gateway's key",
  challenger: "cancels epochs and insurance claims that are wrong",
  funder: "takes back what is not used, after its delay",
  slasher: "proposes slashes",
  arbiter: "decides appeals",
  verifier: "signs for devices' endpoints",
  registrar: "deregisters devices that are silent",
  adjuster: "proposes insurance claims",
}

const names = (roles: Roles): ReadonlyArray<keyof Roles> =>
  // The keys are those of the table above, which has one for each role.
  (Object.keys(ROLES) as ReadonlyArray<keyof Roles>).filter((name) => roles[name] !== undefined)

/** The roles, one in a line. */
export const roles = ({ roleDelayS, roles }: DeploySettings): ReadonlyArray<string> => [
  `roles, each changed ${Words.duration(roleDelayS)} after it is announced`,
  ...Words.table(names(roles).map((name) => [name, roles[name], ROLES[name]])),
]

/** Roles that a thief of the gateway's key would have as well. */
export const besideOperator = ({ roles }: Pick<DeploySettings, "roles">): ReadonlyArray<keyof Roles> =>
  names(roles).filter((name) => name !== "operator" && roles[name] === roles.operator)

/** Roles that an account has. */
export const of = ({ roles }: Pick<DeploySettings, "roles">, account: Address.Address): ReadonlyArray<keyof Roles> =>
  names(roles).filter((name) => roles[name] === account)

const staking = ({ staking }: DeploySettings, { stake }: DeployPlan["tokens"]): ReadonlyArray<string> => [
  `${stake.symbol} (${stake.decimals} decimals, ${staking.token})`,
  `leaves ${Words.duration(staking.cooldownS)} after it is asked for, counts for a tier after ${Words.duration(staking.minActiveS)}`,
  `up to ${Words.share(staking.apyBps)} a year, from what is put in for it; tiers change ${Words.duration(staking.tierDelayS)} after they are published`,
  ...staking.tiers.map(
    ({ minStake, multiplierBps, priority }) =>
      `tier from ${Words.amount(minStake, stake)}: earnings × ${multiplierBps / 10_000}, priority ${priority}`,
  ),
]

const bonds = ({ bond, insurance }: DeploySettings, token: DeployPlan["tokens"]["bond"]): ReadonlyArray<string> => [
  `${token.symbol} (${token.decimals} decimals, ${insurance.token})`,
  `leave ${Words.duration(bond.cooldownS)} after that begins`,
  `a slash comes at most ${Words.duration(bond.evidenceWindowS)} after the offence, an appeal ${Words.duration(bond.appealWindowS)} after that, a ruling in ${Words.duration(bond.rulingWindowS)}`,
  `at most ${Words.share(bond.capBps)} is slashed in ${Words.duration(bond.periodS)}; ${Words.share(bond.finderBps)} of it is the finder's`,
]

const settlement = ({ settlement: given }: DeploySettings): ReadonlyArray<string> => [
  `epochs of ${Words.duration(given.epochLengthS)}, claimable ${Words.duration(given.challengeDelayS)} after they are proposed`,
  `providers get ${Words.share(given.providerBps)} of what is settled, the treasury ${given.treasury} what is left`,
  ...given.shares.map(({ bps, party }) => `${party} gets ${Words.share(bps)}`),
  `what is not used leaves ${Words.duration(given.unfundDelayS)} after it is announced`,
  given.voucherSigner === Address.ZERO
    ? "nobody signs vouchers"
    : `vouchers count ${given.voucherEpochs} epochs long, signed by ${given.voucherSigner}`,
]

const insurance = (
  { insurance: given }: DeploySettings,
  token: DeployPlan["tokens"]["bond"],
): ReadonlyArray<string> => [
  `epochs of ${Words.duration(given.epochLengthS)}; claims are paid ${Words.duration(given.challengeDelayS)} after they are proposed, for ${Words.duration(given.claimWindowS)}`,
  `at most ${Words.share(given.epochCapBps)} of it in an epoch, ${Words.amount(given.incidentCap, token)} for an incident`,
]

const validators = (
  { validators: given }: DeploySettings,
  token: DeployPlan["tokens"]["bond"],
): ReadonlyArray<string> => [
  `bond of ${Words.amount(given.minBond, token)}, leaves ${Words.duration(given.cooldownS)} after that begins; epochs of ${Words.duration(given.epochLengthS)}`,
  `${given.quorum} of ${given.perJob} judge a job; who signs two verdicts loses ${Words.share(given.slashBps)}, ${Words.share(given.reporterBps)} of it to who shows it`,
]

/** The figures of each contract. */
export const terms = (settings: DeploySettings, tokens: DeployPlan["tokens"]): ReadonlyArray<string> => {
  const parts = [
    ["stake", staking(settings, tokens)],
    ["bonds", bonds(settings, tokens.bond)],
    ["settlement", settlement(settings)],
    ["insurance", insurance(settings, tokens.bond)],
    ["validators", validators(settings, tokens.bond)],
  ] as const
  const rows = parts.flatMap(([name, lines]) => lines.map((line, at) => [at === 0 ? name : "", line]))
  return ["terms, for good but for tiers and shares, which the curator appends", ...Words.table(rows)]
}
