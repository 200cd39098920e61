/**
 * How every loop of the steward runs: again and again in the layer's scope, with a pause between two rounds that grows
 * while rounds fail. Of failures in a row the first is logged, and so is the success that ends them.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"

const rounds = Metric.counter("guildhall_steward_rounds", {
  description: "Rounds of the steward's loops, by loop and how they ended.",
})

/** A loop whose store is away tries again at least this often. */
const PAUSE_MAX_MS = 10_000

/**
 * The pause before the next round, in milliseconds. It doubles with each failure in a row, up to ten seconds, and is
 * never shorter than `everyMs`.
 *
 * **Example** (A store that is away)
 *
 * ```ts
 * import { Loop } from "@guildhall/steward"
 *
 * Loop.pauseMs(250, 0) // => 250
 * Loop.pauseMs(250, 3) // => 2000
 * Loop.pauseMs(250, 30) // => 10000
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const pauseMs = (everyMs: number, failures: number): number =>
  failures === 0 ? everyMs : Math.max(everyMs, Math.min(everyMs * 2 ** failures, PAUSE_MAX_MS))

const reasonOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

/** So long is the pause between two rounds at least, however often a loop is woken. */
const WOKEN_MS = 100

/**
 * Runs a round, then pauses, until the scope closes. `wake` ends a pause early, but for the first 100 ms of it: what comes
 * in a burst is dealt with in one round. After a failure nothing but time ends a pause. A round that fails, dies or is
 * interrupted from inside is tried again later; the loop itself ends with its scope only.
 *
 * @category combinators
 * @since 0.1.0
 */
export const run = <A, E, R>(
  name: string,
  everyMs: number,
  round: Effect.Effect<A, E, R>,
  wake: Effect.Effect<void> = Effect.never,
) => {
  const succeeded = Metric.withAttributes(rounds, { loop: name, outcome: "ok" })
  const failed = Metric.withAttributes(rounds, { loop: name, outcome: "failed" })

  const once = Effect.fnUntraced(function* (failures: number) {
    const exit = yield* Effect.exit(round)
    if (exit._tag === "Success") {
      yield* Metric.update(succeeded, 1)
      if (failures > 0) yield* Effect.logInfo(`${name} works again, after ${failures} failure(s).`)
      return 0
    }
    yield* Metric.update(failed, 1)
    if (failures === 0) {
      // One line: the same outage is told by every loop, and its stack helps nobody.
      yield* Effect.logWarning(`${name} failed and will be tried again. ${reasonOf(Cause.squash(exit.cause))}`)
      yield* Effect.logDebug(exit.cause)
    }
    return failures + 1
  })

  const leastMs = Math.min(everyMs, WOKEN_MS)
  const pause = Effect.andThen(Effect.sleep(leastMs), Effect.raceFirst(Effect.sleep(everyMs - leastMs), wake))
  return Effect.gen(function* () {
    let failures = 0
    while (true) {
      failures = yield* once(failures)
      yield* failures === 0 ? pause : Effect.sleep(pauseMs(everyMs, failures))
    }
    // A round runs many times a second and mostly finds nothing: its spans would bury those of requests.
  }).pipe(Effect.withTracerEnabled(false), Effect.forkScoped, Effect.asVoid)
}

/**
 * Makes a round once more when the scope closes, for as long as the limit lets it. Where it fails then, a line says what that
 * means, and why.
 *
 * @category combinators
 * @since 0.1.0
 */
export const atEnd = <A, E, R>(
  round: Effect.Effect<A, E, R>,
  options: { readonly limitMs: number; readonly otherwise: string },
) =>
  Effect.addFinalizer(() =>
    round.pipe(
      Effect.timeout(options.limitMs),
      Effect.catchCause((cause) =>
        Effect.andThen(
          Effect.logWarning(`${options.otherwise} ${reasonOf(Cause.squash(cause))}`),
          Effect.logDebug(cause),
        ),
      ),
    ),
  )
