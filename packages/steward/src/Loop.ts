/**
 * How every loop of the steward runs: again and again in the layer's scope, with a pause between two rounds that grows
 * while rounds fail, and a warning for the first failure of a row only.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Schedule from "effect/Schedule"

const rounds = Metric.counter("guildhall_steward_rounds", {
  description: "Rounds of the steward's loops, by loop and how they ended.",
})

/** A loop whose store is away tries again at least this often. */
const PAUSE_MAX_MS = 10_000

/**
 * Runs a round every `everyMs` milliseconds until the scope closes. A round that fails or dies is logged and tried
 * again later; the loop itself never ends.
 *
 * @category combinators
 * @since 0.1.0
 */
export const run = <A, E, R>(name: string, everyMs: number, round: Effect.Effect<A, E, R>) => {
  let failures = 0
  const once = Effect.matchCauseEffect(round, {
    onSuccess: () => {
      failures = 0
      return Metric.update(Metric.withAttributes(rounds, { loop: name, outcome: "ok" }), 1)
    },
    onFailure: (cause) => {
      if (Cause.hasInterruptsOnly(cause)) return Effect.failCause(cause as Cause.Cause<never>)
      failures += 1
      const count = Metric.update(Metric.withAttributes(rounds, { loop: name, outcome: "failed" }), 1)
      return failures === 1
        ? Effect.andThen(count, Effect.logWarning(`${name} failed and will be tried again.`, Cause.squash(cause)))
        : count
    },
  })
  const pause = Effect.suspend(() =>
    Effect.sleep(Duration.millis(failures === 0 ? everyMs : Math.min(everyMs * 2 ** failures, PAUSE_MAX_MS))),
  )
  return Effect.andThen(once, pause).pipe(Effect.repeat(Schedule.forever), Effect.forkScoped, Effect.asVoid)
}
