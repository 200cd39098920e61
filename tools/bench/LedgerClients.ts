/**
 * Callers that each wait for an answer before they ask again, and what came of it.
 */
import * as Effect from "effect/Effect"
import { setTimeout as pause } from "node:timers/promises"

/** How many callers, for how long, and what each of them does again and again. */
export interface Drive<E, R> {
  readonly callers: number
  /** This long before anything counts. */
  readonly warmMs: number
  readonly durationMs: number
  readonly step: (caller: number) => Effect.Effect<unknown, E, R>
}

/** What came of it, within the time that counts; `total` includes what came before and after. CPU time is this process's own. */
export interface Outcome {
  readonly count: number
  readonly total: number
  readonly perSecond: number
  readonly latenciesMs: ReadonlyArray<number>
  readonly cpuUs: number
}

/** Lets the callers run to the end of the time. Only what is answered within it counts. */
export const drive = <E, R>({ callers, durationMs, step, warmMs }: Drive<E, R>): Effect.Effect<Outcome, E, R> =>
  Effect.gen(function* () {
    const latenciesMs: Array<number> = []
    const beginAt = performance.now() + warmMs
    const endAt = beginAt + durationMs
    let cpuUs = 0
    let total = 0
    const watch = Effect.promise(async () => {
      await pause(warmMs)
      const before = process.cpuUsage()
      await pause(durationMs)
      const { system, user } = process.cpuUsage(before)
      cpuUs = system + user
    })
    const caller = (index: number) =>
      Effect.gen(function* () {
        for (;;) {
          const askedAt = performance.now()
          if (askedAt >= endAt) return
          yield* step(index)
          const answeredAt = performance.now()
          total += 1
          if (answeredAt >= beginAt && answeredAt < endAt) latenciesMs.push(answeredAt - askedAt)
        }
      })
    const all = [watch, ...Array.from({ length: callers }, (_, index) => caller(index))]
    yield* Effect.all(all, { concurrency: "unbounded", discard: true })
    const count = latenciesMs.length
    return { count, total, perSecond: count / (durationMs / 1_000), latenciesMs, cpuUs }
  })
