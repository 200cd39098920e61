/**
 * The account of a share that is promised: of every so many requests, so many are offered to those who have the promise. Each
 * request adds its part of an offer to what is owed; an offer takes a whole one off; and once a whole one is owed, the next
 * request is theirs. This is deficit round robin, between those with the promise and all others.
 *
 * While there is room, of any `n` requests in a row at least the promised share, less one, is offered. It is a floor, not an
 * extra: an offer that came about otherwise counts as well. Nothing is ever owed the other way, so who got more for a while is
 * not passed over for it later.
 *
 * @since 0.1.0
 */

/**
 * What is owed, in basis points of an offer: 10,000 are a whole one. `forfeitedBps` is what was owed and is not any more, since
 * {@link OWED_MAX} were owed already.
 *
 * @category models
 * @since 0.1.0
 */
export interface Account {
  readonly owedBps: number
  readonly forfeitedBps: number
}

/**
 * An account with which nothing has happened yet.
 *
 * @category constants
 * @since 0.1.0
 */
export const empty: Account = { owedBps: 0, forfeitedBps: 0 }

/**
 * The most offers that are owed at a time. Those who are full for an hour are not owed an hour's requests: that would shut
 * all others out when they have room again.
 *
 * @category constants
 * @since 0.1.0
 */
export const OWED_MAX = 10

const OFFER_BPS = 10_000

/**
 * Takes in a request of which `percent` are promised.
 *
 * **Example** (The fourth of ten is the first that is owed, at 30 %)
 *
 * ```ts
 * import { Guarantee } from "@guildhall/core/rules"
 *
 * const three = [1, 2, 3].reduce((account) => Guarantee.asked(account, 30), Guarantee.empty)
 * Guarantee.isDue(three) // => false
 * const four = Guarantee.asked(three, 30)
 * Guarantee.isDue(four) // => true
 * Guarantee.offered(four).owedBps // => 2000
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const asked = ({ forfeitedBps, owedBps }: Account, percent: number): Account => {
  const promised = Math.min(OFFER_BPS, Math.max(0, Math.round(percent * 100)))
  const owed = owedBps + promised
  const most = OWED_MAX * OFFER_BPS
  return owed <= most ? { owedBps: owed, forfeitedBps } : { owedBps: most, forfeitedBps: forfeitedBps + owed - most }
}

/**
 * Takes in that a request was offered, whether it was due or not.
 *
 * @category rules
 * @since 0.1.0
 */
export const offered = ({ forfeitedBps, owedBps }: Account): Account => ({
  owedBps: Math.max(0, owedBps - OFFER_BPS),
  forfeitedBps,
})

/**
 * Whether a request that comes now is to be offered to them.
 *
 * @category rules
 * @since 0.1.0
 */
export const isDue = ({ owedBps }: Account): boolean => owedBps >= OFFER_BPS

/**
 * How many whole offers were forfeited since the account began.
 *
 * @category getters
 * @since 0.1.0
 */
export const forfeited = ({ forfeitedBps }: Account): number => Math.floor(forfeitedBps / OFFER_BPS)
