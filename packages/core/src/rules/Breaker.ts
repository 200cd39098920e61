/**
 * When an instance is left alone after failures, and how it comes back. Pure: what time it is arrives as an argument.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import type * as Rating from "../Rating.ts"

const Milliseconds = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 604_800_000 })))

/**
 * So many `failures` within `withinMs` milliseconds park an instance for `parkMs`.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  failures: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100 }))),
  withinMs: Milliseconds,
  parkMs: Milliseconds,
})
/** @since 0.1.0 */
export type Settings = typeof Settings.Type

/**
 * What is remembered: the times of the last failures, and since when, until when and why the instance is left alone.
 *
 * @category models
 * @since 0.1.0
 */
export interface State {
  readonly failedAtMs: ReadonlyArray<number>
  readonly left: { readonly why: "parked" | "ejected"; readonly fromMs: number; readonly untilMs: number } | undefined
}

/**
 * The state of an instance that has not failed.
 *
 * @category constants
 * @since 0.1.0
 */
export const closed: State = { failedAtMs: [], left: undefined }

/**
 * How it stands now. Where the clock has gone back to before it was left alone, its time counts as over: it then gets one
 * request at a time, which is wrong for nobody.
 *
 * @category rules
 * @since 0.1.0
 */
export const standing = ({ left }: State, nowMs: number): Rating.Breaker => {
  if (left === undefined) return "closed"
  return nowMs >= left.fromMs && nowMs < left.untilMs ? left.why : "probing"
}

/**
 * Leaves it alone until a time. A later deadline extends an earlier one; an earlier one never shortens it.
 *
 * @category rules
 * @since 0.1.0
 */
export const leave = (state: State, why: "parked" | "ejected", nowMs: number, untilMs: number): State => {
  if (!Number.isFinite(nowMs) || !Number.isFinite(untilMs) || untilMs <= nowMs) return state
  const now = standing(state, nowMs)
  if ((now !== "parked" && now !== "ejected") || state.left === undefined) {
    return { failedAtMs: [], left: { why, fromMs: nowMs, untilMs } }
  }
  return state.left.untilMs >= untilMs ? state : { ...state, left: { ...state.left, untilMs } }
}

/**
 * Takes in a failure that was the instance's own. Enough of them park it; one while it is being tried, or while it is left
 * alone, parks it anew.
 *
 * **Example** (Three within a minute)
 *
 * ```ts
 * import { Breaker } from "@guildhall/core/rules"
 *
 * const settings = { failures: 3, withinMs: 60_000, parkMs: 15_000 }
 * const twice = Breaker.failed(settings, Breaker.failed(settings, Breaker.closed, 0), 30_000)
 * Breaker.standing(twice, 30_000) // => "closed"
 * const thrice = Breaker.failed(settings, twice, 60_000)
 * Breaker.standing(thrice, 74_999) // => "parked"
 * Breaker.standing(thrice, 75_000) // => "probing"
 * Breaker.standing(Breaker.succeeded(thrice, 75_000), 75_000) // => "closed"
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const failed = (settings: Settings, state: State, nowMs: number): State => {
  if (!Number.isFinite(nowMs)) return state
  if (state.left !== undefined) return leave(state, "parked", nowMs, nowMs + settings.parkMs)
  const recent = state.failedAtMs.filter((atMs) => atMs <= nowMs && nowMs - atMs <= settings.withinMs)
  if (recent.length + 1 >= settings.failures) return leave(state, "parked", nowMs, nowMs + settings.parkMs)
  return { failedAtMs: [...recent, nowMs], left: undefined }
}

/**
 * Takes in a success. One while it is being tried re-admits it fully; successes before say nothing of the failures.
 *
 * @category rules
 * @since 0.1.0
 */
export const succeeded = (state: State, nowMs: number): State =>
  state.left !== undefined && standing(state, nowMs) === "probing" ? closed : state
