/**
 * Keeps the router's directory up to date: follows the registry's numbered changes, lets time pass over it, and writes the directory's own log
 * to the journal.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Ref from "effect/Ref"
import { InstanceState } from "@guildhall/core/Instance"
import { Devices } from "@guildhall/registry/Devices"
import { Changes } from "@guildhall/registry/Changes"
import { Router } from "@guildhall/routing/Router"
import * as Loop from "./Loop.ts"

const listed = Metric.gauge("guildhall_instances", {
  description: "Instances in this gateway's directory, by state.",
})

/** How long the end of the log may take to be written when the gateway stops. */
const LAST_FLUSH_MS = 2_000

/**
 * How often the feed looks for changes of which nobody told it (1,000 unless told), how often it lets time pass over the directory (250) and how often it
 * writes the log (500), in milliseconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly pollMs?: number | undefined
  readonly tickMs?: number | undefined
  readonly flushMs?: number | undefined
}

const count = Effect.gen(function* () {
  const instances = (yield* Router).instances()
  for (const state of InstanceState.literals) {
    const inState = instances.filter((instance) => instance.state === state).length
    yield* Metric.update(Metric.withAttributes(listed, { state }), inState)
  }
})

/**
 * Makes the effect that takes in everything that changed since the last time, and answers how many changes that were.
 * What could not be read is read the next time; nothing is taken in twice.
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
    if (events.length > 0) yield* Effect.provideService(count, Router, router)
    return events.length
  }).pipe(Effect.withSpan("DirectoryFeed.follow"))
})

/**
 * Runs the feed for as long as the layer lives, and writes the end of the log when it closes. The directory is filled
 * before the layer is ready, so a gateway that starts knows the whole market at once; where the registry is away, the
 * layer fails.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options = {}) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const router = yield* Router
      const { changed } = yield* Changes
      const follow = yield* makeFollow
      const tick = Effect.map(Clock.currentTimeMillis, router.tick)
      yield* follow
      yield* tick
      yield* Loop.atEnd(router.flush, {
        limitMs: LAST_FLUSH_MS,
        otherwise: "The end of the routing log is not written: the last decisions of this process cannot be explained.",
      })
      yield* Loop.run("DirectoryFeed.follow", options.pollMs ?? 1_000, follow, changed)
      yield* Loop.run("DirectoryFeed.tick", options.tickMs ?? 250, tick)
      yield* Loop.run("DirectoryFeed.flush", options.flushMs ?? 500, router.flush)
    }),
  )
