/**
 * PORT. What is known of the health of instances beyond the life of one gateway: how their work ended on each day of the
 * window, summed over all gateways of a market, and who is left alone for long. Each gateway adds what it found out every few
 * seconds and hears what became of it, so a gateway that starts knows what those before it knew.
 *
 * Guarantees, each proved by `HealthRecordTest.suite`:
 *
 * 1. What gateways add to an instance's day is summed, in whatever order and at the same time.
 * 2. An addition whose number its gateway has told before, or one below it, changes nothing; so what got no answer is told
 *    again.
 * 3. Who asks with the mark of its last answer hears every day and deadline that changed since, as it stands; without a mark,
 *    everything there is.
 * 4. What several gateways saw at the same times, or overlapping ones, counts once.
 * 5. A later deadline extends an earlier one, an earlier one never shortens it, and nobody hears of one that is over.
 * 6. What is of a later day than today counts for today; what is older than the window is neither kept nor heard of.
 * 7. What was seen of an instance from a day on is told apart from how its work ended, day by day.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { InstanceId } from "@guildhall/core/Instance"
import * as HealthWindow from "@guildhall/core/rules/HealthWindow"
import type { Heard, LeftAlone, Outcomes, Sightings, Told } from "@guildhall/core/SharedHealth"
import type { RegistryError } from "./RegistryError.ts"

/**
 * An addition. `gateway` is a name that is new at every start; its numbers rise. `number` stays the same when the addition is
 * told again, and so does everything in it.
 *
 * @category models
 * @since 0.1.0
 */
export interface Addition {
  readonly gateway: string
  readonly number: number
  readonly told: Told
}

/**
 * What a gateway hears, and the mark with which it asks the next time.
 *
 * @category models
 * @since 0.1.0
 */
export interface Changes extends Heard {
  readonly mark: string
}

/**
 * How often an instance was found to be on the market on a day (`online`), and how often not. Days count from 1970.
 *
 * @category models
 * @since 0.1.0
 */
export interface Seen {
  readonly instanceId: InstanceId
  readonly day: number
  readonly online: number
  readonly offline: number
}

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class HealthRecord extends Context.Service<
  HealthRecord,
  {
    readonly add: (addition: Addition) => Effect.Effect<void, RegistryError>
    readonly changes: (since: string | undefined) => Effect.Effect<Changes, RegistryError>
    /** What was seen of some instances, or of all where it is null, from a day on; within the window. */
    readonly seen: (
      instances: ReadonlyArray<InstanceId> | null,
      fromDay: number,
    ) => Effect.Effect<ReadonlyArray<Seen>, RegistryError>
  }
>()("@guildhall/registry/HealthRecord") {}

/**
 * `days` is how many days are kept, today included: those of the market's window, 14 unless told.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly days?: number | undefined
}

/** @category constants @since 0.1.0 */
export const DAYS = 14

/** Nobody is left alone for longer, whatever is told: a week and a day. @category constants @since 0.1.0 */
export const LEFT_ALONE_MAX_MS = 8 * 86_400_000

/** A count stops here, far below where numbers become inexact. @category constants @since 0.1.0 */
export const COUNT_MAX = 1_000_000_000_000

/** Times out last longer the more there were, up to ten: more need not be remembered. */
const EJECTIONS_MAX = 1_000

interface DayKept {
  readonly instanceId: InstanceId
  readonly day: number
  counts: HealthWindow.Counts
  seen: HealthWindow.Counts
  seenToMs: number
  change: number
}

interface DeadlineKept {
  left: Omit<LeftAlone, "forMs">
  untilMs: number
  change: number
}

const isCount = (count: number): boolean => Number.isSafeInteger(count) && count >= 0

const isSound = ({ counts, day }: Outcomes): boolean =>
  isCount(day) && isCount(counts.succeeded) && isCount(counts.failed) && isCount(counts.neutral)

/**
 * What can be kept of what is told: counts that are none, and times that cannot be, are left out, and nobody is left alone for
 * longer than {@link LEFT_ALONE_MAX_MS}.
 *
 * @category rules
 * @since 0.1.0
 */
export const sound = ({ leftAlone, outcomes, sightings }: Told): Told => ({
  outcomes: outcomes.filter(isSound),
  sightings: sightings.filter((seen) => isSound(seen) && isCount(seen.fromMs) && isCount(seen.toMs)),
  leftAlone: leftAlone.flatMap((left) =>
    left.forMs > 0
      ? [
          {
            ...left,
            forMs: Math.min(left.forMs, LEFT_ALONE_MAX_MS),
            ejections: isCount(left.ejections) ? Math.min(left.ejections, EJECTIONS_MAX) : 0,
          },
        ]
      : [],
  ),
})

const atMost = ({ succeeded, failed, neutral }: HealthWindow.Counts): HealthWindow.Counts => ({
  succeeded: Math.min(succeeded, COUNT_MAX),
  failed: Math.min(failed, COUNT_MAX),
  neutral: Math.min(neutral, COUNT_MAX),
})

/**
 * A record in this process's memory: for tests, and for a market of one process that may forget.
 *
 * **Example** (Two gateways)
 *
 * ```ts
 * import { InstanceId } from "@guildhall/core/Instance"
 * import { nothing } from "@guildhall/core/SharedHealth"
 * import { HealthRecord } from "@guildhall/registry"
 * import { Clock, Effect } from "effect"
 *
 * const program = Effect.gen(function* () {
 *   const record = yield* HealthRecord.HealthRecord
 *   const day = Math.floor((yield* Clock.currentTimeMillis) / 86_400_000)
 *   const outcomes = [{ instanceId: InstanceId.make("ins_a"), day, counts: { succeeded: 2, failed: 1, neutral: 0 } }]
 *   yield* record.add({ gateway: "one", number: 1, told: { ...nothing, outcomes } })
 *   yield* record.add({ gateway: "two", number: 1, told: { ...nothing, outcomes } })
 *   return (yield* record.changes(undefined)).days.map(({ counts }) => counts)
 * })
 * await Effect.runPromise(Effect.provide(program, HealthRecord.layerMemory())) // => [{ succeeded: 4, failed: 2, neutral: 0 }]
 * ```
 *
 * @category layers
 * @since 0.1.0
 */
export const layerMemory = (options: Options = {}): Layer.Layer<HealthRecord> =>
  Layer.sync(HealthRecord, () => {
    const days = options.days ?? DAYS
    const numbers = new Map<string, number>()
    const kept = new Map<string, DayKept>()
    const deadlines = new Map<InstanceId, DeadlineKept>()
    let change = 0

    const of = ({ day, instanceId }: Outcomes): DayKept => {
      const key = `${day} ${instanceId}`
      const known = kept.get(key)
      if (known !== undefined) return known
      const made = { instanceId, day, counts: HealthWindow.nothing, seen: HealthWindow.nothing, seenToMs: 0, change }
      kept.set(key, made)
      return made
    }
    const count = (outcomes: Outcomes, today: number, seen?: Sightings): void => {
      if (outcomes.day <= today - days) return
      const one = of({ ...outcomes, day: Math.min(outcomes.day, today) })
      if (seen !== undefined && seen.fromMs <= one.seenToMs) return
      one.counts = atMost(HealthWindow.plus(one.counts, outcomes.counts))
      one.change = change
      if (seen === undefined) return
      one.seenToMs = seen.toMs
      one.seen = atMost(HealthWindow.plus(one.seen, outcomes.counts))
    }
    const leave = ({ forMs, ...left }: LeftAlone, nowMs: number): void => {
      const known = deadlines.get(left.instanceId)
      const untilMs = nowMs + forMs
      if (known !== undefined && known.untilMs >= untilMs) return
      deadlines.set(left.instanceId, { left, untilMs, change })
    }
    const forget = (today: number, nowMs: number): void => {
      for (const [key, { day }] of kept) if (day <= today - days) kept.delete(key)
      for (const [id, { untilMs }] of deadlines) if (untilMs <= nowMs) deadlines.delete(id)
    }
    return HealthRecord.of({
      seen: (instances, fromDay) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          forget(HealthWindow.dayAt(nowMs), nowMs)
          return [...kept.values()].flatMap(({ day, instanceId, seen, seenToMs }) =>
            seenToMs > 0 && day >= fromDay && instances?.includes(instanceId) !== false
              ? [{ instanceId, day, online: seen.succeeded, offline: seen.failed }]
              : [],
          )
        }),
      add: ({ gateway, number, told }) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          if (number <= (numbers.get(gateway) ?? 0)) return
          numbers.set(gateway, number)
          change++
          const today = HealthWindow.dayAt(nowMs)
          const { leftAlone, outcomes, sightings } = sound(told)
          for (const one of outcomes) count(one, today)
          for (const seen of sightings) {
            count(seen, today, { ...seen, fromMs: Math.min(seen.fromMs, nowMs), toMs: Math.min(seen.toMs, nowMs) })
          }
          for (const left of leftAlone) leave(left, nowMs)
          forget(today, nowMs)
        }),
      changes: (since) =>
        Effect.map(Clock.currentTimeMillis, (nowMs) => {
          const today = HealthWindow.dayAt(nowMs)
          forget(today, nowMs)
          const after = since === undefined ? 0 : Number(since)
          const changed = [...kept.values()].filter((one) => one.change > after)
          return {
            mark: `${change}`,
            today,
            days: changed.map(({ counts, day, instanceId }) => ({ instanceId, day, counts })),
            leftAlone: [...deadlines.values()]
              .filter((one) => one.change > after)
              .map(({ left, untilMs }) => ({ ...left, forMs: untilMs - nowMs })),
          }
        }),
    })
  })
