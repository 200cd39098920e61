/**
 * How many requests at a time an instance really takes, learned from those that it refuses as too many: the cap drops when
 * refusals begin, holds while they come steadily, and rises when they stop.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

const Percent = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 99 })))

/**
 * Time is looked at in intervals of `intervalMs`: the cap drops by `dropPercent` at most once in each, and rises by
 * `risePercent` after one without a refusal.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  intervalMs: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 86_400_000 }))),
  dropPercent: Percent,
  risePercent: Percent,
})
/** @since 0.1.0 */
export type Settings = typeof Settings.Type

/**
 * What is remembered while there is a cap: the interval that has begun, what was refused and taken in it, and what was
 * refused in the one before.
 *
 * @category models
 * @since 0.1.0
 */
export interface State {
  readonly max: number
  readonly fromMs: number
  readonly refused: number
  readonly taken: number
  readonly refusedBefore: number
  readonly isDropped: boolean
}

/** Of fewer refusals, it is not said that they are the most of what was asked. */
const REFUSED_MIN = 3

/**
 * The state as of now; `undefined` where nothing is left to hold back. `declared` is what the instance says that it takes.
 *
 * @category rules
 * @since 0.1.0
 */
export const elapsed = (
  settings: Settings,
  state: State | undefined,
  declared: number,
  nowMs: number,
): State | undefined => {
  if (state === undefined || !Number.isFinite(nowMs)) return state
  const passed = nowMs - state.fromMs
  if (passed >= 0 && passed < settings.intervalMs) return state
  // A clock that went back starts the interval anew.
  if (passed < 0) return { ...state, fromMs: nowMs }
  const isQuiet = state.refused === 0 || passed >= 2 * settings.intervalMs
  const max = isQuiet ? state.max + Math.max(1, Math.floor((state.max * settings.risePercent) / 100)) : state.max
  if (max >= declared) return undefined
  const refusedBefore = passed >= 2 * settings.intervalMs ? 0 : state.refused
  return { max, fromMs: nowMs, refused: 0, taken: 0, refusedBefore, isDropped: false }
}

/**
 * Takes in a request that was refused as too many while `inFlight` were under way, itself included.
 *
 * **Example** (Refused at ten)
 *
 * ```ts
 * import { InFlightCap } from "@guildhall/core/rules"
 *
 * const settings = { intervalMs: 5_000, dropPercent: 30, risePercent: 10 }
 * const first = InFlightCap.refused(settings, undefined, { declared: 100, inFlight: 10 }, 0)
 * first.max // => 7
 * InFlightCap.refused(settings, first, { declared: 100, inFlight: 7 }, 100).max // => 7
 * InFlightCap.elapsed(settings, InFlightCap.elapsed(settings, first, 100, 5_000), 100, 10_000)?.max // => 8
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const refused = (
  settings: Settings,
  state: State | undefined,
  { declared, inFlight }: { readonly declared: number; readonly inFlight: number },
  nowMs: number,
): State => {
  const atMs = Number.isFinite(nowMs) ? nowMs : (state?.fromMs ?? 0)
  const fresh: State = { max: declared, fromMs: atMs, refused: 0, taken: 0, refusedBefore: 0, isDropped: false }
  const now = elapsed(settings, state, declared, atMs) ?? fresh
  const count = now.refused + 1
  const isSpike = count > now.refusedBefore || (count >= REFUSED_MIN && count > now.taken)
  if (now.isDropped || !isSpike) return { ...now, refused: count }
  const most = Math.min(now.max, inFlight > 0 ? inFlight : now.max)
  const max = Math.max(1, Math.floor((most * (100 - settings.dropPercent)) / 100))
  return { ...now, refused: count, isDropped: true, max }
}

/**
 * Takes in a request that the instance took.
 *
 * @category rules
 * @since 0.1.0
 */
export const taken = (state: State | undefined): State | undefined =>
  state === undefined ? undefined : { ...state, taken: state.taken + 1 }
