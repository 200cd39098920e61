/**
 * The policy `LeastLoaded`: the instance with the smallest part of its concurrency in use serves; ties are drawn at
 * random from the seed.
 *
 * @since 0.1.0
 */
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import * as Parts from "@guildhall/core/Parts"
import type { ProviderPreferences } from "@guildhall/core/ProviderPreferences"
import * as Draw from "../Draw.ts"
import { exclude } from "../Filter.ts"
import { kindOf, kindsOf } from "../filters/Endpoint.ts"
import { LeastLoadedIndex } from "../internal/LeastLoadedIndex.ts"
import * as Load from "../Load.ts"
import * as Preferred from "../Preferred.ts"
import {
  type Candidate,
  type DirectoryView,
  RoutingPolicy,
  type Ranking,
  type RoutingRequest,
} from "../RoutingPolicy.ts"

interface Eligible {
  readonly id: InstanceId
  readonly inFlight: number
  readonly capacity: number
  readonly lot: number
}

/** By load, as integers: a/b < c/d where a·d < c·b. Then by lot, then by id, so the order is total. */
const compare = (a: Eligible, b: Eligible): number =>
  a.inFlight * b.capacity - b.inFlight * a.capacity || a.lot - b.lot || (a.id < b.id ? -1 : 1)

const eligibleOf = (candidate: Candidate, ofSeed: number): Eligible => {
  const { id } = candidate.instance
  const lot = Draw.lot(ofSeed, Draw.ofId(id))
  return { id, inFlight: Load.inFlight(candidate), capacity: Load.capacity(candidate), lot }
}

const rank = (request: RoutingRequest, candidates: ReadonlyArray<Candidate>, seed: number): Ranking => {
  const ofSeed = Draw.ofSeed(seed)
  const eligible: Array<Eligible> = []
  const excluded: Array<Ranking["excluded"][number]> = []
  for (const candidate of candidates) {
    const code = exclude(request, candidate)
    if (code === undefined) eligible.push(eligibleOf(candidate, ofSeed))
    else excluded.push({ instance: candidate.instance.id, code })
  }
  const ranked = eligible.sort(compare).map(({ capacity, id, inFlight, lot }) => ({
    instance: id,
    because: `${inFlight} of ${capacity} in use, lot ${lot}`,
  }))
  return { ranked, excluded }
}

/** Without an index: what a buyer prefers is seldom asked for twice. */
const preferred = (
  request: RoutingRequest,
  preferences: ProviderPreferences,
  candidates: Iterable<Candidate>,
  seed: number,
): InstanceId | undefined => {
  const ofSeed = Draw.ofSeed(seed)
  const isBetter = (a: Candidate, b: Candidate): boolean => compare(eligibleOf(a, ofSeed), eligibleOf(b, ofSeed)) < 0
  const mayServe = (candidate: Candidate): boolean => exclude(request, candidate) === undefined
  return Preferred.first(preferences, candidates, mayServe, isBetter)?.instance.id
}

/** On which shelves an instance stands as it was last seen: one for each kind of request that it serves. */
interface Shelved {
  readonly instance: Instance
  readonly names: ReadonlyArray<string>
}

const shelfOf = (model: ModelId, kind: string): string => `${kind} ${model}`

const prepare = (directory: DirectoryView) => {
  const shelves = new Map<string, LeastLoadedIndex>()
  const shelvesOf = new Map<InstanceId, Shelved>()

  const remove = (id: InstanceId): void => {
    for (const name of shelvesOf.get(id)?.names ?? []) {
      const index = shelves.get(name)
      index?.remove(id)
      if (index?.size === 0) shelves.delete(name)
    }
    shelvesOf.delete(id)
  }
  const namesOf = (instance: Instance): ReadonlyArray<string> => {
    const known = shelvesOf.get(instance.id)
    if (known?.instance === instance) return known.names
    const names = kindsOf(instance).map((kind) => shelfOf(instance.model, kind))
    if (known !== undefined && known.names.join() !== names.join()) remove(instance.id)
    shelvesOf.set(instance.id, { instance, names })
    return names
  }
  // A shelf is filled when it is first asked for, so that a view need not be able to list everything it has.
  const indexOf = ({ endpoint, model }: RoutingRequest): LeastLoadedIndex | undefined => {
    const kind = kindOf(endpoint)
    const name = shelfOf(model, kind)
    const known = shelves.get(name)
    if (known !== undefined) return known
    const index = new LeastLoadedIndex()
    for (const candidate of directory.candidates(model)) {
      if (namesOf(candidate.instance).includes(name)) index.put(candidate)
    }
    if (index.size === 0) return undefined
    shelves.set(name, index)
    return index
  }
  directory.onChange((id) => {
    const candidate = directory.candidate(id)
    if (candidate === undefined) return remove(id)
    for (const name of namesOf(candidate.instance)) shelves.get(name)?.put(candidate)
  })
  return {
    choose: (request: RoutingRequest, seed: number): InstanceId | undefined =>
      request.preferences === undefined
        ? indexOf(request)?.choose(request, seed)
        : preferred(request, request.preferences, directory.candidates(request.model), seed),
  }
}

/**
 * The policy. Its fast form keeps the instances of each model in groups of equal load, so a choice looks only at the
 * least loaded group that has one that fits.
 *
 * **Example** (The idle one first)
 *
 * ```ts
 * import { ModelId } from "@guildhall/core/Model"
 * import { LeastLoaded } from "@guildhall/routing/policies"
 *
 * const request = { model: ModelId.make("a/b"), contextTokens: 100, tried: [] }
 * LeastLoaded.leastLoaded.rank(request, [], 7) // => { ranked: [], excluded: [] }
 * LeastLoaded.leastLoaded.name // => "LeastLoaded"
 * ```
 *
 * @category policies
 * @since 0.1.0
 */
export const leastLoaded: RoutingPolicy = { name: "LeastLoaded", version: 1, rank, prepare }

/**
 * The part by which a definition names the policy: `{ use: "LeastLoaded" }`. It has no settings.
 *
 * @category parts
 * @since 0.1.0
 */
export const part: Parts.Part = Parts.part(RoutingPolicy, {
  name: leastLoaded.name,
  settings: Parts.NoSettings,
  make: () => leastLoaded,
})
