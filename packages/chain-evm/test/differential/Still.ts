/** A clock that stands still until it is told to go on. Who sleeps by it sleeps for good: nothing in a trace waits. */
import { Clock, Effect } from "effect"

export const clock = (machine: Clock.Clock, nowMs: () => number): Clock.Clock => ({
  currentTimeMillisUnsafe: nowMs,
  currentTimeMillis: Effect.sync(nowMs),
  currentTimeNanosUnsafe: () => BigInt(nowMs()) * 1_000_000n,
  currentTimeNanos: Effect.sync(() => BigInt(nowMs()) * 1_000_000n),
  monotonicTimeNanosUnsafe: () => machine.monotonicTimeNanosUnsafe(),
  monotonicTimeNanos: machine.monotonicTimeNanos,
  sleep: () => Effect.never,
})

/** By this clock, at these milliseconds. */
export const make = Effect.fnUntraced(function* (nowMs: () => number) {
  const machine = yield* Clock.Clock
  return Effect.provideService(Clock.Clock, clock(machine, nowMs))
})
