/** What the owner of stake reads: how it stands, what is asked before an act, and why one would be refused. */
import type { Standing, StakeBook } from "@guildhall/chain/StakeBook"
import type * as Token from "../../Token.ts"
import * as Judging from "./Judging.ts"
import * as Problem from "./Problem.ts"
import * as Words from "./Words.ts"

/** What can be done with it. */
export type Kind = "Stake" | "RequestUnstake" | "CancelUnstake" | "Withdraw" | "ClaimRewards"

/** How things are as somebody wants to do it: `has` is what the account has beside its stake. Amounts are in the smallest unit. */
export interface Now {
  readonly atS: number
  readonly by: string
  readonly found: Token.Found
  readonly has: bigint
  readonly standing: Standing
  readonly terms: StakeBook["Service"]["terms"]
  readonly units: bigint
}

/** How an account stands. */
export const standing = (by: string, found: Token.Found, now: Standing): string => {
  const { active, aged, readyAtS, rewards, tier, unbonding } = now
  return [
    `${by} has ${Words.amount(active, found)} staked, ${Words.amount(aged, found)} of it counting for a tier`,
    tier === undefined ? "" : ` (earnings × ${tier.multiplierBps / 10_000})`,
    unbonding === 0n ? "" : `, ${Words.amount(unbonding, found)} to be withdrawn from ${Judging.date(readyAtS)} UTC on`,
    rewards === 0n ? "" : `, ${Words.amount(rewards, found)} of rewards`,
    ".",
  ].join("")
}

/** What an act would do. */
export const would = (kind: Kind, { atS, found, standing, terms, units }: Now): string => {
  const { rewards, unbonding } = standing
  const shown = Words.amount(units, found)
  const counting = `counts for a tier from ${Judging.date(atS + terms.minActiveS)} UTC on`
  switch (kind) {
    case "Stake":
      return `This stakes ${shown}. It ${counting}, and leaves ${Words.duration(terms.cooldownS)} after it is asked for.`
    case "RequestUnstake": {
      const begun = `The ${Words.amount(unbonding, found)} that were asked for before wait as long again: the cooldown is one for all.`
      const ready = `It counts no more at once, and can be withdrawn from ${Judging.date(atS + terms.cooldownS)} UTC on.`
      return `This asks for ${shown} back. ${ready}${unbonding === 0n ? "" : ` ${begun}`}`
    }
    case "CancelUnstake":
      return `This stakes the ${Words.amount(unbonding, found)} again that were asked for. It ${counting}.`
    case "Withdraw":
      return `This withdraws ${Words.amount(unbonding, found)}.`
    case "ClaimRewards":
      return `This pays out ${Words.amount(rewards, found)} of rewards.`
  }
}

/** What is asked before it is done. */
export const question = (kind: Kind, now: Now): string => `${would(kind, now)} Go on?`

const NOTHING = "Nothing was sent."

/** Why the contract would refuse it as things are, told before anybody is asked or pays for it. */
export const obstacle = (kind: Kind, now: Now): Problem.Problem | undefined => {
  const { atS, by, found, has, standing, terms, units } = now
  const { active, readyAtS, rewards, unbonding } = standing
  const shown = (amount: bigint): string => Words.amount(amount, found)
  const few = (what: string, todo: string) => Problem.of("TooLittle", `${what} ${NOTHING}`, todo)
  const none = (what: string, todo: string) => Problem.of("NothingToDo", `${what} ${NOTHING}`, todo)
  switch (kind) {
    case "Stake":
      if (units <= has) return undefined
      return few(`${by} has ${shown(has)} to stake, not ${shown(units)}.`, "Send it some, or stake less.")
    case "RequestUnstake":
      if (units <= active) return undefined
      return few(
        `${by} has ${shown(active)} staked, not ${shown(units)}.`,
        unbonding === 0n ? "Ask for less." : `Ask for less; ${shown(unbonding)} were asked for already.`,
      )
    case "CancelUnstake":
      if (unbonding > 0n) return undefined
      return none(`${by} has asked for nothing back.`, "There is nothing to cancel.")
    case "Withdraw":
      if (unbonding === 0n) {
        const ready = `It can be withdrawn ${Words.duration(terms.cooldownS)} after that.`
        return none(`${by} has asked for nothing back.`, `Ask first: guildhall chain unstake <amount>. ${ready}`)
      }
      if (readyAtS <= atS) return undefined
      return Problem.of(
        "NotReady",
        `${shown(unbonding)} can be withdrawn from ${Judging.date(readyAtS)} UTC on, in ${Words.about(readyAtS - atS)}. ${NOTHING}`,
        "Run this again then.",
      )
    case "ClaimRewards":
      if (rewards > 0n) return undefined
      return none(`${by} has no rewards to claim.`, "They grow with what is staked, from what was put in for them.")
  }
}
