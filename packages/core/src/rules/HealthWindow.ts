/**
 * What became of an instance's work in the last days: successes, failures, and what says nothing about it. One count for
 * each day, so it takes the same memory however much was done.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/**
 * The window is so many `days` long, today included. Each `sampleMs` milliseconds that an instance is on the market are a
 * success while it is online and a failure while it is not.
 *
 * @category models
 * @since 0.1.0
 */
export const Settings = Schema.Struct({
  days: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 366 }))),
  sampleMs: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1_000, maximum: 86_400_000 }))),
})
/** @since 0.1.0 */
export type Settings = typeof Settings.Type

/**
 * What an outcome says of an instance.
 *
 * @category models
 * @since 0.1.0
 */
export type Kind = "succeeded" | "failed" | "neutral"

/**
 * Counts by kind.
 *
 * @category models
 * @since 0.1.0
 */
export type Counts = Readonly<Record<Kind, number>>

/**
 * A window: today's counts, and those of the days before, oldest first. Days count from 1970.
 *
 * @category models
 * @since 0.1.0
 */
export interface State {
  readonly day: number
  readonly today: Counts
  readonly earlier: ReadonlyArray<{ readonly day: number; readonly counts: Counts }>
}

const DAY_MS = 86_400_000
const NOTHING: Counts = { succeeded: 0, failed: 0, neutral: 0 }

/**
 * A window in which nothing happened yet.
 *
 * @category constants
 * @since 0.1.0
 */
export const empty: State = { day: 0, today: NOTHING, earlier: [] }

const plus = (a: Counts, b: Counts): Counts => ({
  succeeded: a.succeeded + b.succeeded,
  failed: a.failed + b.failed,
  neutral: a.neutral + b.neutral,
})

const sum = (counts: ReadonlyArray<{ readonly counts: Counts }>, start: Counts): Counts =>
  counts.reduce((total, one) => plus(total, one.counts), start)

/** The window as of a day. A clock that goes back loses no count: later days are taken together as this one. */
const turned = ({ days }: Settings, state: State, day: number): State => {
  if (day === state.day) return state
  if (day < state.day) {
    const today = sum(
      state.earlier.filter((one) => one.day >= day),
      state.today,
    )
    return { day, today, earlier: state.earlier.filter((one) => one.day < day) }
  }
  const earlier = [...state.earlier, { day: state.day, counts: state.today }]
  return { day, today: NOTHING, earlier: earlier.filter((one) => one.day > day - days) }
}

const dayOf = (state: State, nowMs: number): number =>
  Number.isFinite(nowMs) && nowMs >= 0 ? Math.floor(nowMs / DAY_MS) : state.day

/**
 * Takes in an outcome.
 *
 * @category rules
 * @since 0.1.0
 */
export const add = (settings: Settings, state: State, kind: Kind, nowMs: number): State => {
  const { day, earlier, today } = turned(settings, state, dayOf(state, nowMs))
  return { day, earlier, today: { ...today, [kind]: today[kind] + 1 } }
}

/**
 * What is in the window now.
 *
 * @category rules
 * @since 0.1.0
 */
export const counts = (settings: Settings, state: State, nowMs: number): Counts => {
  const { earlier, today } = turned(settings, state, dayOf(state, nowMs))
  return sum(earlier, today)
}

/**
 * The share of successes among the outcomes that were not neutral, in basis points, or `undefined` where there are none.
 *
 * **Example** (Nine of ten, and one that says nothing)
 *
 * ```ts
 * import { HealthWindow } from "@guildhall/core/rules"
 *
 * HealthWindow.healthBps({ succeeded: 9, failed: 1, neutral: 1 }) // => 9000
 * HealthWindow.healthBps({ succeeded: 0, failed: 0, neutral: 5 }) // => undefined
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const healthBps = ({ failed, succeeded }: Counts): number | undefined =>
  succeeded + failed === 0 ? undefined : Math.floor((10_000 * succeeded) / (succeeded + failed))
