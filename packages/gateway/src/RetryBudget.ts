/**
 * How many second attempts a process may make. Without such a bound, a market in trouble gets its traffic several times
 * over just when it can least serve it.
 *
 * @since 0.1.0
 */

/** So many seconds of the floor may be saved up. */
const SAVED_S = 10
/** Beside the floor, the shares of so many requests may be saved up. */
const SAVED_REQUESTS = 1_000

/** Shares are fractions, whose sums may miss a whole number by a hair. */
const ONE = 1 - 1e-9

/**
 * What a market allows: attempts for `percent` of its requests, and `perSecond` more.
 *
 * @category models
 * @since 0.1.0
 */
export interface RetryTerms {
  readonly percent: number
  readonly perSecond: number
}

/**
 * A budget of attempts. Call `request` for each request, and `take` before each attempt after its first: false says that
 * the budget is spent, as `isSpent` does without taking any, and `waitMs` how long until it no longer is if no request comes (undefined: only requests fill it).
 *
 * **Example** (One in five)
 *
 * ```ts
 * import { RetryBudget } from "@guildhall/gateway"
 *
 * const budget = RetryBudget.make({ percent: 20, perSecond: 0 }, 0)
 * for (let request = 0; request < 10; request++) budget.request()
 * const taken = [budget.take(0), budget.take(0), budget.take(0)]
 * taken // => [true, true, false]
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = ({ percent, perSecond }: RetryTerms, nowMs: number) => {
  const share = percent / 100
  const most = perSecond * SAVED_S + share * SAVED_REQUESTS
  let saved = perSecond * SAVED_S
  let filledAtMs = nowMs

  const fill = (nowMs: number) => {
    saved = Math.min(most, saved + (Math.max(0, nowMs - filledAtMs) / 1_000) * perSecond)
    filledAtMs = nowMs
  }

  return {
    request: (): void => {
      saved = Math.min(most, saved + share)
    },
    take: (nowMs: number): boolean => {
      fill(nowMs)
      if (saved < ONE) return false
      saved -= 1
      return true
    },
    isSpent: (nowMs: number): boolean => {
      fill(nowMs)
      return saved < ONE
    },
    waitMs: (nowMs: number): number | undefined => {
      fill(nowMs)
      return perSecond === 0 ? undefined : Math.ceil((Math.max(0, 1 - saved) / perSecond) * 1_000)
    },
  } as const
}

/**
 * A budget of attempts, as {@link make} makes it.
 *
 * @category models
 * @since 0.1.0
 */
export type RetryBudget = ReturnType<typeof make>
