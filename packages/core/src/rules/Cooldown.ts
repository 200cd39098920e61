/**
 * How long what leaves still stays. In whole seconds of the chain that keeps it.
 *
 * @since 0.1.0
 */

/**
 * The first second in which it can be withdrawn.
 *
 * @category rules
 * @since 0.1.0
 */
export const endS = (requestedAtS: number, cooldownS: number): number => requestedAtS + cooldownS

/**
 * Whether it is over: from its first second on.
 *
 * **Example** (A week)
 *
 * ```ts
 * import { Cooldown } from "@guildhall/core/rules"
 *
 * const endS = Cooldown.endS(1_000, 604_800)
 * Cooldown.isOver(endS - 1, endS) // => false
 * Cooldown.isOver(endS, endS) // => true
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const isOver = (nowS: number, cooldownEndS: number): boolean => nowS >= cooldownEndS

/** The time in which nobody needs to do anything, between the last appeal and the withdrawal: two days. @category constants @since 0.1.0 */
export const BUFFER_MIN_S = 172_800

/**
 * The windows of a case, in seconds: how long after it an offence can be proposed, how long that can be appealed, and the buffer.
 *
 * @category models
 * @since 0.1.0
 */
export interface Windows {
  readonly evidenceS: number
  readonly appealS: number
  readonly bufferS: number
}

/**
 * The shortest cooldown that leaves time for all of them, so that nobody is out before they are heard of.
 *
 * @category rules
 * @since 0.1.0
 */
export const leastS = ({ appealS, bufferS, evidenceS }: Windows): number =>
  evidenceS + appealS + Math.max(bufferS, BUFFER_MIN_S)
