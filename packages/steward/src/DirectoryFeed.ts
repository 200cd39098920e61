/**
 * Keeps the router's directory up to date: follows the registry's numbered changes, and writes the directory's own log
 * to the journal.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Ref from "effect/Ref"
import { Devices } from "@guildhall/registry/Devices"
import { Router } from "@guildhall/routing/Router"
import * as Loop from "./Loop.ts"

/**
 * How often the feed looks for changes and how often it writes the log, in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly pollMs?: number | undefined
  readonly flushMs?: number | undefined
}

/**
 * Takes in everything that changed since the last time, once.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeFollow = Effect.gen(function* () {
  const devices = yield* Devices
  const router = yield* Router
  const seen = yield* Ref.make(0)
  return Effect.gen(function* () {
    const { events, version } = yield* devices.changes(yield* Ref.get(seen))
    for (const event of events) router.apply(event)
    yield* Ref.set(seen, version)
    return events.length
  }).pipe(Effect.withSpan("DirectoryFeed.follow"))
})

/**
 * Runs the feed for as long as the layer lives. The directory is filled before the layer is ready, so a gateway that
 * starts knows the whole market at once.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const router = yield* Router
      const follow = yield* makeFollow
      yield* follow
      yield* Loop.run("DirectoryFeed.follow", options.pollMs ?? 250, follow)
      yield* Loop.run("DirectoryFeed.flush", options.flushMs ?? 500, router.flush)
    }),
  )
