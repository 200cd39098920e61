/**
 * How an amount is divided on a chain: the provider has the floor of its part, each party the floor of its, and the treasury all
 * that is left, so nothing is lost. The rounding of the contract that settles, to the unit.
 *
 * @since 0.1.0
 */

/**
 * The terms of a division, in basis points. What the provider and the parties leave is the treasury's.
 *
 * @category models
 * @since 0.1.0
 */
export interface Terms {
  readonly providerBps: number
  readonly partiesBps: ReadonlyArray<number>
}

/** What each has. The parties are in the order of the terms. @category models @since 0.1.0 */
export interface Parts {
  readonly provider: bigint
  readonly parties: ReadonlyArray<bigint>
  readonly treasury: bigint
}

/** A part of an amount, rounded down. @category rules @since 0.1.0 */
export const part = (amount: bigint, bps: number): bigint => (amount * BigInt(bps)) / 10_000n

/**
 * Divides an amount of which the provider's part is known: that of a request, or what is new in a voucher.
 *
 * @category rules
 * @since 0.1.0
 */
export const others = ({ partiesBps }: Terms, amount: bigint, provider: bigint): Parts => {
  const parties = partiesBps.map((bps) => part(amount, bps))
  return { provider, parties, treasury: amount - provider - parties.reduce((sum, one) => sum + one, 0n) }
}

/**
 * Divides the price of a request.
 *
 * **Example** (Eighty-five, twelve and three of a hundred)
 *
 * ```ts
 * import { Division } from "@guildhall/core/rules"
 *
 * const terms = { providerBps: 8_500, partiesBps: [1_200] }
 * Division.ofRequest(terms, 99n) // => { provider: 84n, parties: [11n], treasury: 4n }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const ofRequest = (terms: Terms, amount: bigint): Parts => others(terms, amount, part(amount, terms.providerBps))

/**
 * Divides what is new in a cumulative voucher. The provider's part is rounded once over the whole, so it is the same however often
 * it is redeemed; those of the parties are rounded each time.
 *
 * **Example** (Two steps of one unit)
 *
 * ```ts
 * import { Division } from "@guildhall/core/rules"
 *
 * const terms = { providerBps: 5_000, partiesBps: [] }
 * Division.ofVoucher(terms, 0n, 1n).provider // => 0n
 * Division.ofVoucher(terms, 1n, 2n).provider // => 1n
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const ofVoucher = (terms: Terms, redeemedBefore: bigint, redeemedNow: bigint): Parts =>
  others(
    terms,
    redeemedNow - redeemedBefore,
    part(redeemedNow, terms.providerBps) - part(redeemedBefore, terms.providerBps),
  )

/**
 * What all providers of an epoch have together: their part of its gross, and its boost.
 *
 * @category rules
 * @since 0.1.0
 */
export const providersOf = (terms: Terms, gross: bigint, boost: bigint): bigint =>
  part(gross, terms.providerBps) + boost
