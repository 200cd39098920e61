/**
 * Which figures the contracts can be created with, as their constructors have it, said by the path of the setting that is wrong: a
 * constructor only says that some figure of it is bad.
 *
 * @since 0.1.0
 */
import * as Address from "@guildhall/chain/Address"
import type { DeploySettings } from "./DeploySettings.ts"
import * as Words from "./internal/command/Words.ts"

/** What is wrong with a setting. @category models @since 0.1.0 */
export interface Problem {
  /** Where it stands, such as `bond.cooldownS`. */
  readonly path: string
  readonly words: string
}

const MINUTE_S = 60
const DAY_S = 86_400
const YEAR_S = 365 * DAY_S
const LEAP_YEAR_S = 366 * DAY_S
const TEN_YEARS_S = 3_650 * DAY_S
const BPS = 10_000

/** The bounds of a length of time, or of a share, where nothing else bounds it. */
const bounded =
  (show: (figure: number) => string) =>
  (path: string, figure: number, least: number, most: number, why = ""): ReadonlyArray<Problem> => {
    if (figure >= least && figure <= most) return []
    const reason = why === "" ? "" : `, ${why}`
    const words =
      figure < least
        ? `${show(figure)} is too short${reason}. Take ${show(least)} (${least}) or more.`
        : `${show(figure)} is too long${reason}. Take ${show(most)} (${most}) or less.`
    return [{ path, words: show === Words.share ? words.replace("short", "little").replace("long", "much") : words }]
  }

const seconds = bounded(Words.duration)
const share = bounded(Words.share)

const when = (isWrong: boolean, path: string, words: string): ReadonlyArray<Problem> =>
  isWrong ? [{ path, words }] : []

const roles = ({ bond, roleDelayS, roles, settlement }: DeploySettings): ReadonlyArray<Problem> => {
  const pairs = [
    ["slasher", "arbiter", "who proposes a slash would decide its appeal"],
    ["adjuster", "challenger", "who proposes a claim would be the only one to stop it"],
    ["operator", "challenger", "who proposes an epoch would be the only one to stop it"],
  ] as const
  const nobody = Object.entries(roles).flatMap(([name, holder]) =>
    when(holder === Address.ZERO, `roles.${name}`, "it is nobody. Name an account."),
  )
  const same = pairs.flatMap(([one, other, why]) =>
    when(
      roles[one] === roles[other] && roles[one] !== Address.ZERO,
      `roles.${other}`,
      `it is ${one} as well: ${why}. Name another account.`,
    ),
  )
  const least = Math.max(2 * DAY_S, bond.cooldownS, settlement.unfundDelayS)
  const why =
    least === bond.cooldownS
      ? "and a new slasher would be there before bonds are out (bond.cooldownS)"
      : least === settlement.unfundDelayS
        ? "and a new operator would be there before money is out (settlement.unfundDelayS)"
        : "and nobody could leave before a new holder of a role is there"
  return [...nobody, ...same, ...seconds("roleDelayS", roleDelayS, least, Number.MAX_SAFE_INTEGER, why)]
}

const staking = ({ staking }: DeploySettings): ReadonlyArray<Problem> => {
  const { apyBps, cooldownS, minActiveS, tierDelayS, tiers } = staking
  const isRising = tiers.every(({ minStake }, at) => minStake > (tiers[at - 1]?.minStake ?? -1n))
  return [
    ...seconds("staking.cooldownS", cooldownS, 0, YEAR_S),
    ...seconds("staking.tierDelayS", tierDelayS, 0, YEAR_S),
    ...seconds(
      "staking.minActiveS",
      minActiveS,
      0,
      cooldownS,
      "for it would count longer than it takes to leave (staking.cooldownS)",
    ),
    ...share("staking.apyBps", apyBps, 0, BPS),
    ...when(tiers.length === 0 || tiers.length > 16, "staking.tiers", "there are 1 to 16 of them."),
    ...when(tiers.length > 0 && tiers[0]?.minStake !== 0n, "staking.tiers[0].minStake", "the first tier begins at 0."),
    ...when(!isRising, "staking.tiers", "each begins at more stake than the one before."),
  ]
}

const insurance = ({ insurance }: DeploySettings): ReadonlyArray<Problem> => {
  const { challengeDelayS, claimWindowS, epochCapBps, epochLengthS } = insurance
  const why = "for claims of an epoch are decided before the next one's (insurance.challengeDelayS)"
  return [
    ...seconds("insurance.challengeDelayS", challengeDelayS, DAY_S, TEN_YEARS_S),
    ...seconds(
      "insurance.epochLengthS",
      epochLengthS,
      challengeDelayS,
      TEN_YEARS_S,
      epochLengthS < challengeDelayS ? why : "",
    ),
    ...seconds("insurance.claimWindowS", claimWindowS, 30 * DAY_S, TEN_YEARS_S),
    ...share("insurance.epochCapBps", epochCapBps, 1, BPS),
  ]
}

const bond = ({ bond }: DeploySettings): ReadonlyArray<Problem> => {
  const { appealWindowS, bufferS, capBps, cooldownS, evidenceWindowS, finderBps, periodS, rulingWindowS } = bond
  const needed = evidenceWindowS + appealWindowS + bufferS
  const why = "for an offence could be shown after its bond has left (evidenceWindowS + appealWindowS + bufferS)"
  return [
    ...seconds("bond.evidenceWindowS", evidenceWindowS, 1, YEAR_S),
    ...seconds("bond.appealWindowS", appealWindowS, 1, YEAR_S),
    ...seconds("bond.rulingWindowS", rulingWindowS, 1, YEAR_S),
    ...seconds("bond.bufferS", bufferS, 2 * DAY_S, YEAR_S),
    ...seconds("bond.cooldownS", cooldownS, needed, YEAR_S, cooldownS < needed ? why : ""),
    ...seconds("bond.periodS", periodS, evidenceWindowS, YEAR_S),
    ...share("bond.capBps", capBps, 1, BPS),
    ...share("bond.finderBps", finderBps, 0, 2_000),
  ]
}

const settlement = ({ settlement }: DeploySettings): ReadonlyArray<Problem> => {
  const { challengeDelayS, epochLengthS, providerBps, shares, treasury, unfundDelayS, voucherEpochs } = settlement
  const sum = shares.reduce((total, { bps }) => total + bps, providerBps)
  const least = Math.max(2 * DAY_S, challengeDelayS + epochLengthS)
  const why = "for money could leave that an epoch still needs (challengeDelayS + epochLengthS)"
  return [
    ...seconds("settlement.epochLengthS", epochLengthS, MINUTE_S, LEAP_YEAR_S),
    ...seconds("settlement.challengeDelayS", challengeDelayS, 1, LEAP_YEAR_S),
    ...seconds(
      "settlement.unfundDelayS",
      unfundDelayS,
      least,
      LEAP_YEAR_S,
      least > 2 * DAY_S && unfundDelayS < least ? why : "",
    ),
    ...when(voucherEpochs === 0, "settlement.voucherEpochs", "take 1 or more."),
    ...when(
      treasury === Address.ZERO,
      "settlement.treasury",
      "it is nobody, and what is left over goes there. Name an account.",
    ),
    ...when(shares.length > 8, "settlement.shares", "there are at most 8."),
    ...shares.flatMap(({ bps, party }, at) => [
      ...when(party === Address.ZERO, `settlement.shares[${at}].party`, "it is nobody. Name an account."),
      ...when(bps === 0, `settlement.shares[${at}].bps`, "take 1 or more, or leave the share out."),
    ]),
    ...when(
      sum > BPS,
      "settlement.providerBps",
      `with the shares it makes ${Words.share(sum)}. All together is 100 % (10000) at most.`,
    ),
  ]
}

const validators = ({ validators }: DeploySettings): ReadonlyArray<Problem> => {
  const { cooldownS, epochLengthS, minBond, perJob, quorum, reporterBps, slashBps } = validators
  const least = 4 * epochLengthS + 2 * DAY_S
  const why = "for a contradiction could be shown after its bond has left (4 of validators.epochLengthS and 2 d)"
  return [
    ...when(minBond === 0n, "validators.minBond", "take more than nothing."),
    ...seconds("validators.epochLengthS", epochLengthS, MINUTE_S, LEAP_YEAR_S),
    ...seconds("validators.cooldownS", cooldownS, least, TEN_YEARS_S, cooldownS < least ? why : ""),
    ...when(perJob > 15, "validators.perJob", "take 15 or less."),
    ...when(
      quorum > perJob || 2 * quorum <= perJob,
      "validators.quorum",
      `of ${perJob} it is more than half: ${Math.floor(perJob / 2) + 1} to ${perJob}.`,
    ),
    ...share("validators.slashBps", slashBps, 1, BPS),
    ...share("validators.reporterBps", reporterBps, 0, 2_000),
  ]
}

/**
 * What is wrong with settings, all of it; nothing where the contracts can be created with them. Whether the tokens are tokens the chain
 * says (`DeployPlan`).
 *
 * **Example** (A delay that no contract takes)
 *
 * ```ts
 * import { DeployRules, DeploySettings } from "@guildhall/chain-evm"
 * import { Effect } from "effect"
 * import { readFileSync } from "node:fs"
 *
 * const [, json = ""] = /```json\n([\s\S]*?)```/.exec(readFileSync("docs/deploying.md", "utf8")) ?? []
 * const settings = Effect.runSync(DeploySettings.decode(JSON.parse(json)))
 * const [problem] = DeployRules.problems({ ...settings, roleDelayS: 86_400 })
 * problem?.path // => "roleDelayS"
 * problem?.words.startsWith("1 d is too short") // => true
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const problems = (settings: DeploySettings): ReadonlyArray<Problem> =>
  [roles, staking, insurance, bond, settlement, validators].flatMap((rule) => rule(settings))
