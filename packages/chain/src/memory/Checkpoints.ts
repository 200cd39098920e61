/**
 * What an amount was in every second: one entry for each in which it changed, as it stood at the second's end.
 *
 * @since 0.1.0
 */

/** An amount from a second on. @category models @since 0.1.0 */
export interface Checkpoint {
  readonly atS: number
  readonly amount: bigint
}

/** The changes of an amount, in the order of time. @category models @since 0.1.0 */
export type Checkpoints = ReadonlyArray<Checkpoint>

/** Writes the amount of a second. @category combinators @since 0.1.0 */
export const push = (checkpoints: Checkpoints, atS: number, amount: bigint): Checkpoints => {
  const last = checkpoints.at(-1)
  const before = last?.atS === atS ? checkpoints.slice(0, -1) : checkpoints
  return [...before, { atS, amount }]
}

/** The amount now. @category destructors @since 0.1.0 */
export const latest = (checkpoints: Checkpoints): bigint => checkpoints.at(-1)?.amount ?? 0n

/** The amount at the end of a second. @category destructors @since 0.1.0 */
export const at = (checkpoints: Checkpoints, atS: number): bigint =>
  checkpoints.findLast((checkpoint) => checkpoint.atS <= atS)?.amount ?? 0n
