/**
 * What a look at the machine could not find out, and what to do about it. A look never fails: what is wrong with a tool is
 * something that was found.
 *
 * @since 0.1.0
 */

/**
 * `Missing`: the tool is not installed, which is no problem on a machine that has nothing for it. Everything else is one:
 * the tool may not be used, takes too long, ended badly, says too much, says what cannot be read, or contradicts itself.
 *
 * @category models
 * @since 0.1.0
 */
export type FindingReason =
  | "Missing"
  | "NotAllowed"
  | "TimedOut"
  | "Failed"
  | "TooMuch"
  | "Unreadable"
  | "Contradiction"

/**
 * `source` is the tool; `detail` says what happened and why; `fix` what to do, where there is something.
 *
 * @category models
 * @since 0.1.0
 */
export interface Finding {
  readonly source: string
  readonly reason: FindingReason
  readonly detail: string
  readonly fix?: string
}

/**
 * What a tool told, and what is wrong with it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Reading<A> {
  readonly value: A
  readonly findings: ReadonlyArray<Finding>
}
