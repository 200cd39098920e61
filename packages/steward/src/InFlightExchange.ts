/**
 * Tells the other gateways of the market what this one has in flight and for what its requests wait, and the router what they
 * have: ten times a second, so that gateways which cannot see each other's requests share instances as if they were one.
 *
 * A gateway sees at once what becomes free by its own requests, and what becomes free by others' only at the next exchange. So
 * while requests wait, whoever has a place would keep it. Therefore each then has its share of every instance that is wanted, by
 * how much it has there in flight and waiting, and keeps the rest free for the others.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import type { DirectoryEvent } from "@guildhall/core/DirectoryEvent"
import type { InstanceId } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import { type Counts, type Heard, InFlight, LIFE_MS, sum, type Told } from "@guildhall/registry/InFlight"
import { Router } from "@guildhall/routing/Router"
import * as FairShare from "./internal/FairShare.ts"
import * as Loop from "./Loop.ts"

/** A count may be off by one in so many before the router is told again: every telling is a line of its log. */
const COARSE = 20

/** Places that cannot be split evenly change hands this often. Each change costs about an exchange. */
const TURN_MS = 2_000
/** So far apart, the lots of turns that follow each other are spread as evenly as can be. */
const TURN_STEP = (Math.sqrt(5) - 1) / 2

const NOBODY: Counts = new Map()

/** A number from 0 to 1 on which all gateways agree: of an instance, and of a time. */
const lotOf = (id: InstanceId, atMs: number): number => {
  let mark = 0
  for (let at = 0; at < id.length; at++) mark = (mark * 31 + id.charCodeAt(at)) % 1_000
  return (mark / 1_000 + Math.floor(atMs / TURN_MS) * TURN_STEP) % 1
}

/**
 * What the others count for: what they have in flight, and where requests wait for the model of an instance, and several
 * gateways want it, at least what is left when this gateway has its share. Places are made free step by step, as fast as they are
 * taken: what the others do not take, though they might, costs little.
 */
const counted = (
  own: Told & { readonly gateway: string },
  heard: Heard,
  capacities: (model: ModelId) => ReadonlyMap<InstanceId, number>,
): Counts => {
  const counts = new Map(sum(heard))
  const wanted = new Set([...own.waiting.keys(), ...heard.others.flatMap(({ waiting }) => [...waiting.keys()])])
  if (wanted.size === 0 || heard.others.length === 0) return counts
  const gateways = [own, ...heard.others].sort((a, b) => (a.gateway < b.gateway ? -1 : 1))
  for (const model of wanted) {
    for (const [id, capacity] of capacities(model)) {
      const demand = (one: Told): number => (one.inFlight.get(id) ?? 0) + (one.waiting.get(model) ?? 0)
      const rivals = gateways.filter((one) => demand(one) > 0)
      const place = rivals.indexOf(own)
      if (place === -1 || rivals.length < 2) continue
      const share = FairShare.shares(capacity, rivals.map(demand), lotOf(id, heard.atMs))[place] ?? 0
      const taken = counts.get(id) ?? 0
      counts.set(id, Math.max(taken, Math.min(capacity - share, 2 * taken + 1)))
    }
  }
  return counts
}

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
    const own = { gateway: router.replica, inFlight: router.inFlight(), waiting: router.waitingFor() }
    const result = yield* Effect.exit(inFlight.exchange(router.replica, own))
    const nowMs = yield* Clock.currentTimeMillis
    if (result._tag === "Success") {
      heardAtMs = nowMs
      return take(counted(own, result.value, router.capacities))
    }
    if (nowMs - heardAtMs >= LIFE_MS) take(NOBODY)
    return yield* result
  }).pipe(Effect.withSpan("InFlightExchange.round"))
})

/**
 * Exchanges every `everyMs` (100 unless told) for as long as the layer lives.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: { readonly everyMs?: number } = {}) =>
  Layer.effectDiscard(Effect.flatMap(make, (round) => Loop.run("InFlightExchange", options.everyMs ?? 100, round)))
