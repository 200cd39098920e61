/**
 * Whether a device has put up enough, and for which time its bond answers.
 *
 * @since 0.1.0
 */

/**
 * What is missing of the least bond of a class.
 *
 * **Example** (A slash took some)
 *
 * ```ts
 * import { Bond } from "@guildhall/core/rules"
 *
 * Bond.missing(490n, 500n) // => 10n
 * Bond.missing(1_500n, 500n) // => 0n
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const missing = (bonded: bigint, minimum: bigint): bigint => (bonded < minimum ? minimum - bonded : 0n)

/**
 * Whether a bond makes its device eligible: it is active, and reaches the least of its class. A slash can end that; more money
 * brings it back.
 *
 * @category rules
 * @since 0.1.0
 */
export const isEligible = (bond: { readonly isActive: boolean; readonly bonded: bigint }, minimum: bigint): boolean =>
  bond.isActive && bond.bonded >= minimum

/**
 * The life of a bond in seconds: `activatedAtS` is 0 where it never was active, `cooldownEndS` is 0 unless it is on its way out.
 *
 * @category models
 * @since 0.1.0
 */
export interface Life {
  readonly activatedAtS: number
  readonly cooldownEndS: number
}

/**
 * Whether a bond answers for what happened in a second: from its activation to the end of its cooldown, not only to the request to
 * leave.
 *
 * @category rules
 * @since 0.1.0
 */
export const answersFor = ({ activatedAtS, cooldownEndS }: Life, offenceS: number): boolean =>
  activatedAtS !== 0 && offenceS >= activatedAtS && (cooldownEndS === 0 || offenceS <= cooldownEndS)
