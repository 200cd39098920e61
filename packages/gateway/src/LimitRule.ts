/**
 * The rule by which processes share a limit. A process leases a portion of it, spends from the portion without asking, and
 * tells later what it spent. What was spent and what is leased never come to more than the limit, so nothing that is spent
 * from a lease can be too much, whichever process spends it and however many do at once. Pure: `LimitStore` keeps the
 * counters.
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
 * A counter. `slots` are those of a minute in which something was spent, oldest first, each with its number; `startMs` is
 * when the day or month began; `touchedAtMs` is the last time that anyone asked, before which no time is taken for now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Counter {
  readonly span: Span
  readonly used: number
  readonly startMs: number
  readonly slots: ReadonlyArray<readonly [number: number, units: number]>
  readonly shortAtMs: number | null
  readonly touchedAtMs: number
  readonly leases: ReadonlyMap<string, Lease>
}

/** A process that has not been heard of for so long is forgotten, with what it told. @category constants @since 0.1.0 */
export const FORGET_MS = 3_600_000

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
  startMs: 0,
  slots: [],
  shortAtMs: null,
  touchedAtMs: 0,
  leases: new Map(),
})

/** Forgets what no longer counts. */
const advanced = (counter: Counter, nowMs: number): Counter => {
  const { slots, span, startMs } = counter
  if (span === "now") return counter
  if (span !== "minute") {
    const period = periodOf(span, nowMs)
    return period.startMs === startMs ? counter : { ...counter, startMs: period.startMs, used: 0 }
  }
  const oldest = Math.floor(nowMs / SLOT_MS) - SLOTS + 1
  const first = slots.findIndex(([number]) => number >= oldest)
  if (first === 0 || slots.length === 0) return counter
  const kept = first === -1 ? [] : slots.slice(first)
  return { ...counter, slots: kept, used: kept.reduce((sum, [, units]) => sum + units, 0) }
}

const spend = (counter: Counter, spent: number, nowMs: number): Counter => {
  if (spent === 0 || counter.span === "now") return counter
  const { slots, span } = counter
  const used = counter.used + spent
  if (span !== "minute") return { ...counter, used }
  const number = Math.floor(nowMs / SLOT_MS)
  const last = slots.at(-1)
  return last?.[0] === number
    ? { ...counter, used, slots: slots.with(slots.length - 1, [number, last[1] + spent]) }
    : { ...counter, used, slots: [...slots, [number, spent]] }
}

/**
 * Ends the leases of others that were not renewed. What a minute's lease was good for counts as spent, since nobody can
 * say any more; a place and a budget are simply free again, for the requests that held them are gone, and were not charged.
 */
const withoutEnded = (counter: Counter, who: string, nowMs: number): Counter => {
  const leases = new Map(counter.leases)
  let lost = 0
  for (const [process, lease] of counter.leases) {
    if (process === who || lease.untilMs > nowMs) continue
    lost += lease.units
    if (lease.untilMs + FORGET_MS <= nowMs) leases.delete(process)
    else leases.set(process, { ...lease, units: 0, busy: 0 })
  }
  const ended = { ...counter, leases }
  return counter.span === "minute" ? spend(ended, lost, nowMs) : ended
}

/** When so much of what is spent will have fallen out of the span. */
const freeInMs = (counter: Counter, units: number, nowMs: number): number | null => {
  const { slots, span, used } = counter
  if (units <= 0) return 0
  if (units > used || span === "now") return null
  if (span !== "minute") return periodOf(span, nowMs).endMs - nowMs
  let freed = 0
  for (const [number, spent] of slots) {
    freed += spent
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
 * **Example** (Two processes, and ten requests in a minute)
 *
 * ```ts
 * import { LimitRule } from "@guildhall/gateway"
 *
 * const asks = (need: number, want: number): LimitRule.Ask => ({
 *   counter: "key:key_1:requestsPerMinute", span: "minute", limit: 10, spent: 0, busy: 0, keep: 0, least: 1, need, want,
 * })
 * const at = { lifeMs: 10_000, nowMs: 0 }
 * const one = LimitRule.exchange(LimitRule.empty("minute"), asks(1, 8), { ...at, who: "one" })
 * one.grant.lease // => 8
 * const two = LimitRule.exchange(one.counter, asks(4, 4), { ...at, who: "two" })
 * two.grant.lease // => 2
 * two.grant.lent // => 8
 * ```
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
  const counter = spend(withoutEnded(advanced(before, nowMs), who, nowMs), Math.max(0, ask.spent - known), nowMs)
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

/** For so long what was spent may count. */
const RETAIN_MS = { now: 0, minute: (SLOTS + 1) * SLOT_MS, day: DAY_MS, month: 31 * DAY_MS }

/**
 * Until when a counter must be kept if nobody asks for it any more.
 *
 * @category rules
 * @since 0.1.0
 */
export const keptUntilMs = ({ leases, span, touchedAtMs }: Counter): number => {
  let untilMs = touchedAtMs + RETAIN_MS[span]
  for (const lease of leases.values()) untilMs = Math.max(untilMs, lease.untilMs + FORGET_MS)
  return untilMs
}
