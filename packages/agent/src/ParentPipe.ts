/**
 * Notices the death of a parent process: a pipe that it gave as standard input ends, however it died.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"

/**
 * Waits until standard input ends.
 *
 * @category constructors
 * @since 0.1.0
 */
export const ended: Effect.Effect<void> = Effect.callback<void>((resume) => {
  const end = () => resume(Effect.void)
  process.stdin.once("end", end)
  process.stdin.once("error", end)
  process.stdin.once("close", end)
  // What a parent writes is of no interest; it must be read for the end to be seen.
  process.stdin.resume()
  return Effect.sync(() => {
    process.stdin.off("end", end).off("error", end).off("close", end)
    process.stdin.pause()
  })
})
