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
 * The counts of one day. Days count from 1970.
 *
 * @category models
 * @since 0.1.0
 */
export interface Day {
  readonly day: number
  readonly counts: Counts
}

/**
 * A window: today's counts, and those of the days before, oldest first.
 *
 * @category models
 * @since 0.1.0
 */
export interface State {
  readonly day: number
  readonly today: Counts
  readonly earlier: ReadonlyArray<Day>
}

const DAY_MS = 86_400_000
/**
 * No outcome.
 *
 * @category constants
 * @since 0.1.0
 */
export const nothing: Counts = { succeeded: 0, failed: 0, neutral: 0 }

/**
 * A window in which nothing happened yet.
 *
 * @category constants
 * @since 0.1.0
 */
export const empty: State = { day: 0, today: nothing, earlier: [] }

/**
 * Both together.
 *
 * @category rules
 * @since 0.1.0
 */
export const plus = (a: Counts, b: Counts): Counts => ({
  succeeded: a.succeeded + b.succeeded,
  failed: a.failed + b.failed,
  neutral: a.neutral + b.neutral,
})

const sum = (counts: ReadonlyArray<Day>, start: Counts): Counts =>
  counts.reduce((total, one) => plus(total, one.counts), start)

const isNothing = ({ failed, neutral, succeeded }: Counts): boolean => succeeded + failed + neutral === 0

/** The window as of a day. A clock that goes back loses no count: later days are taken together as this one. */
const turned = ({ days }: Settings, state: State, day: number): State => {
  const [oldest] = state.earlier
  if (day === state.day && (oldest === undefined || oldest.day > day - days)) return state
  const all = [...state.earlier, { day: state.day, counts: state.today }]
  return {
    day,
    today: sum(
      all.filter((one) => one.day >= day),
      nothing,
    ),
    earlier: all.filter((one) => one.day < day && one.day > day - days && !isNothing(one.counts)),
  }
}

/**
 * The day of a time.
 *
 * @category rules
 * @since 0.1.0
 */
export const dayAt = (nowMs: number): number => Math.floor(nowMs / DAY_MS)

const dayOf = (state: State, nowMs: number): number => (Number.isFinite(nowMs) && nowMs >= 0 ? dayAt(nowMs) : state.day)

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

/**
 * The days on which anything happened, oldest first: what is told of a window to whoever keeps it.
 *
 * @category rules
 * @since 0.1.0
 */
export const daysOf = ({ day, earlier, today }: State): ReadonlyArray<Day> =>
  [...earlier, { day, counts: today }].filter(({ counts }) => !isNothing(counts))

const ofDays = (counts: ReadonlyMap<number, Counts>): State => {
  const days = [...counts].map(([day, counts]) => ({ day, counts })).sort((a, b) => a.day - b.day)
  const last = days.pop()
  return last === undefined ? empty : { day: last.day, today: last.counts, earlier: days }
}

/**
 * What two saw of the same instance, day by day. It does not matter in which order windows are joined, nor which of them are
 * joined first; {@link empty} adds nothing. No day is dropped: {@link counts} looks at those of the window only, and
 * {@link until} drops the others.
 *
 * **Example** (Two gateways, and a day later)
 *
 * ```ts
 * import { HealthWindow } from "@guildhall/core/rules"
 *
 * const settings = { days: 14, sampleMs: 60_000 }
 * const one = HealthWindow.add(settings, HealthWindow.empty, "succeeded", 0)
 * const other = HealthWindow.add(settings, HealthWindow.empty, "failed", 86_400_000)
 * HealthWindow.counts(settings, HealthWindow.join(one, other), 86_400_000) // => { succeeded: 1, failed: 1, neutral: 0 }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const join = (a: State, b: State): State => {
  // Mostly what is new is of today.
  if (b === empty) return a
  if (a.day === b.day && b.earlier.length === 0) return { ...a, today: plus(a.today, b.today) }
  const days = new Map<number, Counts>()
  for (const { counts, day } of [...daysOf(a), ...daysOf(b)]) {
    const known = days.get(day)
    days.set(day, known === undefined ? counts : plus(known, counts))
  }
  return ofDays(days)
}

/**
 * The window with what is known better of some days in their place.
 *
 * @category rules
 * @since 0.1.0
 */
export const replace = (state: State, known: ReadonlyArray<Day>): State => {
  const [only] = known
  if (only !== undefined && known.length === 1 && only.day === state.day) return { ...state, today: only.counts }
  const days = new Map(daysOf(state).map(({ counts, day }) => [day, counts]))
  for (const { counts, day } of known) days.set(day, counts)
  return ofDays(days)
}

/**
 * The window as of a day, without the days before it and after it.
 *
 * @category rules
 * @since 0.1.0
 */
export const until = ({ days }: Settings, state: State, today: number): State => {
  const first = state.earlier[0]?.day ?? state.day
  if (first > today - days && state.day <= today) return state
  return ofDays(
    new Map(
      daysOf(state).flatMap(({ counts, day }) => (day > today - days && day <= today ? [[day, counts] as const] : [])),
    ),
  )
}
