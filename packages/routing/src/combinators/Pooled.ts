/**
 * The combinator `pooled`: instances that belong together share one load, and are taken for so many machines at most. Names
 * are free and machines are not: one that is listed fifty times has the room of one, as often as it is listed.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Parts from "@guildhall/core/Parts"
import * as Schema from "effect/Schema"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import { excluding } from "../Filter.ts"
import * as Load from "../Load.ts"
import * as Naming from "../internal/Naming.ts"
import * as Reads from "../internal/Reads.ts"
import { type Candidate, type Ranking, RoutingPolicy, type RoutingRequest } from "../RoutingPolicy.ts"
import { Attribute, partitionOf } from "./PartitionBy.ts"

/**
 * What instances are put together by, and for how many `machines` they are taken at most, each as large as the largest of
 * them: as many as the market has reason to believe that anyone of its members has.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settings {
  readonly by: Attribute
  readonly machines: number
}

interface Shared {
  count: number
  inFlight: number
  capacity: number
  largest: number
  /** How many requests at a time it is given room for. */
  room: number
}

/** What those that belong together carry and declare; `names` has the partition of each candidate. */
const poolsOf = (
  { model }: RoutingRequest,
  candidates: ReadonlyArray<Candidate>,
  names: ReadonlyArray<string>,
  machines: number,
): ReadonlyMap<string, Shared> => {
  const pools = new Map<string, Shared>()
  for (const [at, candidate] of candidates.entries()) {
    if (candidate.instance.model !== model) continue
    const name = names[at] ?? ""
    const known = pools.get(name)
    const capacity = Load.capacity(candidate)
    const shared = known ?? { count: 0, inFlight: 0, capacity: 0, largest: 0, room: 0 }
    shared.count += 1
    shared.inFlight += Load.inFlight(candidate)
    shared.capacity += capacity
    shared.largest = Math.max(shared.largest, capacity)
    if (known === undefined) pools.set(name, shared)
  }
  for (const pool of pools.values()) pool.room = Math.min(pool.capacity, machines * pool.largest)
  return pools
}

/** An instance with the room of its pool, made once for each room. */
const roomy = new WeakMap<Instance, Instance>()

const withRoom = (instance: Instance, room: number): Instance => {
  const known = roomy.get(instance)
  if (known?.concurrency === room) return known
  const made = { ...instance, concurrency: room }
  roomy.set(instance, made)
  return made
}

/**
 * A candidate that may serve, as full as its pool; one short of full where that has no more room, so that the policy ranks it
 * all the same. Of its rating stays what is not about its load.
 */
const asFull = (candidate: Candidate, { inFlight, room }: Shared): Candidate => ({
  ...candidate,
  instance: withRoom(candidate.instance, room),
  inFlight: Math.min(inFlight, room - 1),
  rating: {
    ...candidate.rating,
    breaker: "closed",
    foreign: 0,
    inFlightMax: room,
    peersInFlight: 0,
    rampBps: 10_000,
  },
})

/** An entry of a ranking with what its pool carries. Its reason is written when it is read. */
class Entry {
  readonly instance: InstanceId
  readonly #entry: Ranking["ranked"][number]
  readonly #pool: Shared
  readonly #by: Attribute

  constructor(entry: Ranking["ranked"][number], pool: Shared, by: Attribute) {
    this.instance = entry.instance
    this.#entry = entry
    this.#pool = pool
    this.#by = by
  }
  get because(): string {
    const { inFlight, room } = this.#pool
    return `with its ${this.#by} ${inFlight} of ${room} in use, ${this.#entry.because}`
  }
  toJSON() {
    return { instance: this.instance, because: this.because }
  }
}

/**
 * Ranks as the policy does, with each instance as full as all of its partition are together. The instances of a partition
 * that has no more room come behind all others, and serve where nobody else is left. One that stands alone is as it is.
 *
 * It shares the load only. What chance decides is dealt to instances still; use it with `partitionBy` inside.
 *
 * @category combinators
 * @since 0.1.0
 */
export const pooled = ({ by, machines }: Settings, policy: RoutingPolicy): RoutingPolicy => {
  const rank = (request: RoutingRequest, candidates: ReadonlyArray<Candidate>, seed: number): Ranking => {
    const names = candidates.map((candidate) => partitionOf(candidate, by))
    const pools = poolsOf(request, candidates, names, machines)
    const why = excluding(request)
    const places = new Map<string, Shared>()
    const shown = candidates.map((candidate, at) => {
      const shared = pools.get(names[at] ?? "")
      if (shared === undefined || shared.count === 1 || candidate.instance.model !== request.model) return candidate
      places.set(candidate.instance.id, shared)
      // Whether one may be asked at all is a question of its own load.
      return why(candidate) === undefined ? asFull(candidate, shared) : candidate
    })
    if (places.size === 0) return policy.rank(request, candidates, seed)
    const { ranked, excluded } = policy.rank(request, shown, seed)
    const before: Array<Ranking["ranked"][number]> = []
    const behind: Array<Ranking["ranked"][number]> = []
    for (const entry of ranked) {
      const pool = places.get(entry.instance)
      if (pool === undefined) before.push(entry)
      else (pool.inFlight < pool.room ? before : behind).push(new Entry(entry, pool, by))
    }
    return { ranked: [...before, ...behind], excluded }
  }
  return {
    name: Naming.made("pooled", [by, `${machines}`, Naming.one(policy)]),
    version: 1,
    ...Reads.ofAll([policy]),
    ...Reads.promised([policy]),
    rank,
  }
}

/**
 * The part by which a definition names the combinator:
 * `{ use: "pooled", with: { by: "member", machines: 1, policy: { … } } }`.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.composed(RoutingPolicy, {
  name: "pooled",
  settings: Schema.Struct({
    by: Attribute,
    machines: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 100_000 }))),
    policy: Parts.PartRef,
  }),
  make: ({ by, machines, policy }, parts) =>
    Effect.map(parts.resolve(RoutingPolicy, policy), (one) => pooled({ by, machines }, one)),
})
