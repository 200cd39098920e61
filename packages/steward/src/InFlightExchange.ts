/**
 * Tells the other gateways of the market what this one has in flight, and the router what they have: five times a second,
 * so that gateways which cannot see each other's requests share instances as if they were one.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { DirectoryEvent } from "@guildhall/core/DirectoryEvent"
import type { InstanceId } from "@guildhall/core/Instance"
import { type Counts, InFlight, LIFE_MS } from "@guildhall/registry/InFlight"
import { Router } from "@guildhall/routing/Router"
import * as Loop from "./Loop.ts"

/** A count may be off by one in so many before the router is told again: every telling is a line of its log. */
const COARSE = 20

const NOBODY: Counts = new Map()

/**
 * What the router has to be told so that it knows what was heard. A count that changed by less than a twentieth is left
 * as it was, but for one that became 0.
 *
 * **Example** (A large count that hardly changed)
 *
 * ```ts
 * import { InstanceId } from "@guildhall/core/Instance"
 * import { InFlightExchange } from "@guildhall/steward"
 *
 * const [a, b] = [InstanceId.make("ins_a"), InstanceId.make("ins_b")]
 * const events = InFlightExchange.changes(new Map([[a, 100], [b, 2]]), new Map([[a, 103]]))
 * events // => [{ _tag: "InstanceRated", instanceId: "ins_b", rating: { peersInFlight: 0 } }]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const changes = (known: Counts, heard: Counts): ReadonlyArray<DirectoryEvent> => {
  const events: Array<DirectoryEvent> = []
  const tell = (instanceId: InstanceId, peersInFlight: number): void => {
    events.push({ _tag: "InstanceRated", instanceId, rating: { peersInFlight } })
  }
  for (const [id, count] of heard) {
    const before = known.get(id) ?? 0
    if (Math.abs(count - before) * COARSE > Math.max(count, before)) tell(id, count)
  }
  for (const [id, before] of known) if (before > 0 && !heard.has(id)) tell(id, 0)
  return events
}

/**
 * Makes the effect that exchanges once. What the others had is forgotten when they could not be heard for as long as it
 * counts.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const inFlight = yield* InFlight
  const router = yield* Router
  const known = new Map<InstanceId, number>()
  let heardAtMs = 0

  const take = (heard: Counts): void => {
    for (const event of changes(known, heard)) {
      router.apply(event)
      if (event._tag !== "InstanceRated") continue
      const count = event.rating.peersInFlight ?? 0
      if (count === 0) known.delete(event.instanceId)
      else known.set(event.instanceId, count)
    }
  }

  return Effect.gen(function* () {
    const result = yield* Effect.exit(inFlight.exchange(router.replica, router.inFlight()))
    const nowMs = yield* Clock.currentTimeMillis
    if (result._tag === "Success") {
      heardAtMs = nowMs
      return take(result.value)
    }
    if (nowMs - heardAtMs >= LIFE_MS) take(NOBODY)
    return yield* result
  }).pipe(Effect.withSpan("InFlightExchange.round"))
})

/**
 * Exchanges every `everyMs` (200 unless told) for as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: { readonly everyMs?: number } = {}) =>
  Layer.effectDiscard(Effect.flatMap(make, (round) => Loop.run("InFlightExchange", options.everyMs ?? 200, round)))
