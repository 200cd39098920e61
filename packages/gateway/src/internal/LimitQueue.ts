/** Requests that wait for what they take of some portions. */
import * as Effect from "effect/Effect"
import type { Portion, Shortage, Waiting } from "./Portion.ts"

/** Why a request was not let in: the portion that it lacks and why, or that the store did not answer. */
export type Lack =
  | { readonly _tag: Shortage; readonly portion: Portion; readonly units: number }
  | { readonly _tag: "Away" }

/** What a request takes of several portions, all or none. */
export interface Taking {
  readonly portions: ReadonlyArray<Portion>
  readonly units: (portion: Portion) => number
}

interface Waiter {
  readonly taking: Taking
  readonly resume: (effect: Effect.Effect<void, Lack>) => void
  /** The store has been asked for it. */
  isAsked: boolean
  /** All of it was taken. */
  isServed: boolean
}

/** So many requests wait at most; more are turned away. */
const WAITERS_MAX = 10_000

/**
 * Makes the queue. `take` takes all or answers what lacks, `wake` says that somebody came, `isAway` whether the store
 * answers; nobody waits longer than `waitMs`, and other processes hear within `hearMs` that somebody does.
 */
export const make = (options: {
  readonly take: (taking: Taking, nowMs: number) => Portion | undefined
  readonly wake: () => void
  readonly isAway: () => boolean
  readonly nowMs: () => number
  readonly waitMs: number
  readonly hearMs: number
}) => {
  const { hearMs, isAway, nowMs, take, waitMs, wake } = options
  const waiters = new Set<Waiter>()

  /**
   * What is waited for in each portion; the store is about to be asked for it. Behind one that there is too little of, none
   * is set aside: two processes would each hold what the other waits for.
   */
  const asked = (now: number): ReadonlyMap<Portion, Waiting> => {
    const found = new Map<Portion, Waiting>()
    for (const waiter of waiters) {
      waiter.isAsked = true
      for (const portion of waiter.taking.portions) {
        const units = waiter.taking.units(portion)
        if (units === 0) continue
        const known = found.get(portion)
        found.set(portion, { least: Math.min(known?.least ?? units, units), sum: (known?.sum ?? 0) + units })
        if (portion.shortage !== undefined && portion.lacks(units, now)) break
      }
    }
    return found
  }

  const refuse = (portion: Portion, shortage: Shortage, { units }: Taking, now: number): Lack => {
    portion.close(units(portion), shortage, now)
    return { _tag: shortage, portion, units: units(portion) }
  }

  /**
   * Lets in those for whom there is enough now, and refuses those whom the store was asked for and had nothing left. Who
   * only came too late to be asked for, or was overtaken, waits on.
   */
  const serve = (answered: ReadonlySet<Portion>): void => {
    const now = nowMs()
    for (const waiter of waiters) {
      const { isAsked, resume, taking } = waiter
      if (take(taking, now) === undefined) {
        waiters.delete(waiter)
        waiter.isServed = true
        resume(Effect.void)
        continue
      }
      const spent = taking.portions.find(
        (portion) =>
          answered.has(portion) && portion.lacks(taking.units(portion), now) && portion.isUsedUp(now, hearMs),
      )
      if (!isAsked || spent === undefined) continue
      waiters.delete(waiter)
      resume(Effect.fail(refuse(spent, "Spent", taking, now)))
    }
  }

  /** Waits until all of it can be taken, and takes it. */
  const wait = (taking: Taking): Effect.Effect<void, Lack> =>
    Effect.suspend(() => {
      if (waiters.size >= WAITERS_MAX) return Effect.fail<Lack>({ _tag: "Away" })
      let waiter: Waiter | undefined
      const waited = Effect.callback<void, Lack>((resume) => {
        const added: Waiter = { taking, resume, isAsked: false, isServed: false }
        waiter = added
        waiters.add(added)
        for (const portion of taking.portions) portion.touch(nowMs())
        wake()
        return Effect.sync(() => void waiters.delete(added))
      })
      const late = Effect.suspend(() => {
        // Served in the same moment.
        if (waiter?.isServed === true) return Effect.void
        const now = nowMs()
        const lacking = taking.portions.find((portion) => portion.lacks(taking.units(portion), now))
        const shortage = isAway() || waiter?.isAsked !== true ? undefined : lacking?.shortage
        const isKnown = lacking !== undefined && shortage !== undefined
        return Effect.fail<Lack>(isKnown ? refuse(lacking, shortage, taking, now) : { _tag: "Away" })
      })
      // The request's own fiber cannot be interrupted; this wait of it can.
      return Effect.interruptible(Effect.timeoutOrElse(waited, { duration: waitMs, orElse: () => late })).pipe(
        Effect.onInterrupt(() =>
          Effect.sync(() => {
            if (waiter?.isServed !== true) return
            for (const portion of taking.portions) portion.give(taking.units(portion), 0)
          }),
        ),
      )
    })

  return { asked, serve, wait, size: () => waiters.size } as const
}
