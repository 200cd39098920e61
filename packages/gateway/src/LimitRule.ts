/**
 * The rule by which processes share a limit. A process leases a portion of it, spends from the portion without asking, and
 * tells later what it spent. What was spent and what is leased never come to more than the limit, so nothing that is spent
 * from a lease can be too much, whichever process spends it and however many do at once. Pure: `LimitStore` keeps the
 * counters, and its SQL layer says the same in SQL.
 *
 * A limit by the minute is kept for every 60 seconds, wherever they begin: what is spent falls into slots of half a
 * second, and a slot counts until its youngest part is 60 seconds old.
 *
 * @since 0.1.0
 */
import * as DateTime from "effect/DateTime"

/**
 * For how long what is spent counts: 60 seconds, the day or the month of UTC, or, for things that are only busy, not at all.
 *
 * @category models
 * @since 0.1.0
 */
export type Span = "minute" | "day" | "month" | "now"

/**
 * What a process tells of a counter, and what it asks for. All are whole numbers of the counter's unit.
 *
 * - `spent`: all that it ever spent of it, so that telling it twice does no harm.
 * - `busy`: what its requests under way may still spend, or occupy.
 * - `keep`: as much of its lease it goes on using meanwhile, what is held included. It is not taken away.
 * - `least`: less than this in all is of no use to it; then what it does not keep goes back.
 * - `need`: what it has requests waiting for, in all.
 * - `want`: what it would like to have in all, so that it need not ask soon.
 *
 * `busy ≤ keep ≤ least ≤ need ≤ want`. All but `spent` at 0 gives the lease back. All at 0 forgets the process too, which
 * may begin at 0 then: it does so once everything that it spent is told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Ask {
  readonly counter: string
  readonly span: Span
  readonly limit: number
  readonly spent: number
  readonly busy: number
  readonly keep: number
  readonly least: number
  readonly need: number
  readonly want: number
}

/**
 * What a process has after it asked.
 *
 * - `lease`: what it may hold and spend from now on, in all.
 * - `used`, `busy`: what everyone has spent within the span, and what everyone's requests under way hold.
 * - `lent`: what other processes have leased and do not hold: some of it may soon be free.
 * - `isTight`: somebody was short of it within a second. Who can, gives back what it does not hold.
 * - `freeInMs`: when `least` will be free if nobody spends more and nothing comes back; null where time frees nothing.
 * - `resetInMs`: when nothing of it will be spent any more; null where time does not matter.
 *
 * @category models
 * @since 0.1.0
 */
export interface Grant {
  readonly counter: string
  readonly lease: number
  readonly used: number
  readonly busy: number
  readonly lent: number
  readonly isTight: boolean
  readonly freeInMs: number | null
  readonly resetInMs: number | null
}

/** What one process has of a counter. @category models @since 0.1.0 */
export interface Lease {
  readonly units: number
  readonly busy: number
  readonly spent: number
  readonly untilMs: number
}

/**
 * A counter. `period` is the number of the newest slot, or the start of the day or month; `touchedAtMs` is the last time
 * that anyone asked, before which no time is taken for now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counter {
  readonly span: Span
  readonly used: number
  readonly period: number
  readonly slots: ReadonlyArray<number>
  readonly shortAtMs: number | null
  readonly touchedAtMs: number
  readonly leases: ReadonlyMap<string, Lease>
}

/** How long a slot of a minute is. @category constants @since 0.1.0 */
export const SLOT_MS = 500
/** A minute has so many slots, one of them for the one that is filling. @category constants @since 0.1.0 */
export const SLOTS = 121
/** For so long after somebody was short nobody is given more than it needs. @category constants @since 0.1.0 */
export const TIGHT_MS = 1000

const DAY_MS = 86_400_000

/**
 * When the day or month of UTC that holds a time begins and ends, in milliseconds since 1970.
 *
 * @category rules
 * @since 0.1.0
 */
export const periodOf = (
  span: "day" | "month",
  nowMs: number,
): { readonly startMs: number; readonly endMs: number } => {
  if (span === "day") {
    const startMs = Math.floor(nowMs / DAY_MS) * DAY_MS
    return { startMs, endMs: startMs + DAY_MS }
  }
  const start = DateTime.startOf(DateTime.makeUnsafe(nowMs), "month")
  return {
    startMs: DateTime.toEpochMillis(start),
    endMs: DateTime.toEpochMillis(DateTime.add(start, { months: 1 })),
  }
}

/**
 * A counter that nobody has used.
 *
 * @category constructors
 * @since 0.1.0
 */
export const empty = (span: Span): Counter => ({
  span,
  used: 0,
  period: 0,
  slots: span === "minute" ? Array.from({ length: SLOTS }, () => 0) : [],
  shortAtMs: null,
  touchedAtMs: 0,
  leases: new Map(),
})

const slotOf = (slots: ReadonlyArray<number>, number: number): number => slots[number % SLOTS] ?? 0

/** Forgets what no longer counts. */
const advanced = (counter: Counter, nowMs: number): Counter => {
  const { period, slots, span, used } = counter
  if (span === "now") return counter
  if (span !== "minute") {
    const { startMs } = periodOf(span, nowMs)
    return startMs === period ? counter : { ...counter, period: startMs, used: 0 }
  }
  const newest = Math.floor(nowMs / SLOT_MS)
  if (newest <= period) return counter
  const kept = slots.slice()
  let left = used
  for (let number = Math.max(period + 1, newest - SLOTS + 1); number <= newest; number++) {
    left -= slotOf(kept, number)
    kept[number % SLOTS] = 0
  }
  return { ...counter, period: newest, slots: kept, used: left }
}

const spend = (counter: Counter, units: number): Counter => {
  if (units === 0 || counter.span === "now") return counter
  const { period, slots, span, used } = counter
  return span === "minute"
    ? { ...counter, used: used + units, slots: slots.with(period % SLOTS, slotOf(slots, period) + units) }
    : { ...counter, used: used + units }
}

/**
 * Ends the leases of others that were not renewed. What a minute's lease was good for counts as spent, since nobody can
 * say any more; a place and a budget are simply free again, for the requests that held them are gone, and were not charged.
 */
const withoutEnded = (counter: Counter, who: string, nowMs: number): Counter => {
  const leases = new Map(counter.leases)
  let lost = 0
  for (const [process, lease] of counter.leases) {
    if (process === who || lease.untilMs > nowMs || lease.units === 0) continue
    lost += lease.units
    leases.set(process, { ...lease, units: 0, busy: 0 })
  }
  const ended = { ...counter, leases }
  return counter.span === "minute" ? spend(ended, lost) : ended
}

/** When so much of what is spent will have fallen out of the span. */
const freeInMs = (counter: Counter, units: number, nowMs: number): number | null => {
  const { period, slots, span, used } = counter
  if (units <= 0) return 0
  if (units > used || span === "now") return null
  if (span !== "minute") return periodOf(span, nowMs).endMs - nowMs
  let freed = 0
  for (let number = period - SLOTS + 1; number <= period; number++) {
    freed += slotOf(slots, number)
    if (freed >= units) return (number + SLOTS) * SLOT_MS - nowMs
  }
  return null
}

/** What a counter shows, at a time that it has been advanced to. */
const figures = (counter: Counter, who: string | undefined, nowMs: number) => {
  let busy = 0
  let others = 0
  let lent = 0
  let sharers = 0
  for (const [process, lease] of counter.leases) {
    if (lease.untilMs <= nowMs) continue
    busy += lease.busy
    if (process === who) continue
    others += lease.units
    lent += lease.units - lease.busy
    if (lease.units > 0) sharers += 1
  }
  return { busy, others, lent, sharers, resetInMs: freeInMs(counter, counter.used, nowMs) }
}

/**
 * One process tells and asks: the counter afterwards, and what the process has. `lifeMs` is how long its lease lives
 * without another exchange.
 *
 * @category rules
 * @since 0.1.0
 */
export const exchange = (
  before: Counter,
  ask: Ask,
  { lifeMs, nowMs: at, who }: { readonly who: string; readonly lifeMs: number; readonly nowMs: number },
): { readonly counter: Counter; readonly grant: Grant } => {
  const nowMs = Math.max(at, before.touchedAtMs)
  const known = before.leases.get(who)?.spent ?? 0
  const counter = spend(withoutEnded(advanced(before, nowMs), who, nowMs), Math.max(0, ask.spent - known))
  const { lent, others, sharers } = figures(counter, who, nowMs)
  const free = ask.limit - counter.used - others
  const isShort = free < ask.need
  const shortAtMs = isShort ? nowMs : counter.shortAtMs
  const isTight = shortAtMs !== null && nowMs - shortAtMs < TIGHT_MS
  const share = sharers === 0 ? 1 : 2 * (sharers + 1)
  const more = isTight ? 0 : Math.min(ask.want - ask.need, Math.floor((free - ask.need) / share))
  const units = Math.max(ask.keep, isShort ? (free >= ask.least ? free : 0) : ask.need + more)
  const leases = new Map(counter.leases)
  if (ask.want === 0 && ask.spent === 0) leases.delete(who)
  else leases.set(who, { units, busy: ask.busy, spent: Math.max(known, ask.spent), untilMs: nowMs + lifeMs })
  const after = { ...counter, leases, touchedAtMs: nowMs, shortAtMs: isTight ? shortAtMs : null }
  return {
    counter: after,
    grant: {
      counter: ask.counter,
      lease: units,
      used: counter.used,
      busy: figures(after, who, nowMs).busy,
      lent,
      isTight,
      freeInMs: isShort ? freeInMs(counter, ask.least - free, nowMs) : 0,
      resetInMs: freeInMs(counter, counter.used, nowMs),
    },
  }
}

/**
 * What is used of a counter.
 *
 * @category models
 * @since 0.1.0
 */
export interface Usage {
  readonly counter: string
  readonly used: number
  readonly busy: number
  readonly resetInMs: number | null
}

/**
 * Reads a counter without changing it.
 *
 * @category rules
 * @since 0.1.0
 */
export const usage = (before: Counter, name: string, at: number): Usage => {
  const nowMs = Math.max(at, before.touchedAtMs)
  const counter = withoutEnded(advanced(before, nowMs), "", nowMs)
  const { busy, resetInMs } = figures(counter, undefined, nowMs)
  return { counter: name, used: counter.used, busy, resetInMs }
}

/** A process that has not been heard of for so long is forgotten, with what it told. @category constants @since 0.1.0 */
export const FORGET_MS = 3_600_000

const RETAIN_MS = { now: 0, minute: 120_000, day: 2 * DAY_MS, month: 62 * DAY_MS }

/**
 * The counter without the leases of processes that are long gone; undefined where nothing of it counts any more.
 *
 * @category rules
 * @since 0.1.0
 */
export const swept = (counter: Counter, nowMs: number): Counter | undefined => {
  const leases = new Map([...counter.leases].filter(([, lease]) => lease.untilMs + FORGET_MS > nowMs))
  if (leases.size === 0 && counter.touchedAtMs + RETAIN_MS[counter.span] <= nowMs) return undefined
  return { ...counter, leases }
}
