/** Leaves out the logs of a test that provokes them. */
import { Effect, Logger } from "effect"

export const quiet = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.provide(effect, Logger.layer([]))
