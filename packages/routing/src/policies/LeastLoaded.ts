/**
 * The policy `LeastLoaded`: the instance with the smallest part of its concurrency in use serves; ties are drawn at
 * random from the seed.
 *
 * @since 0.1.0
 */
import type { InstanceId } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import * as Parts from "@guildhall/core/Parts"
import * as Draw from "../Draw.ts"
import { exclude } from "../Filter.ts"
import { LeastLoadedIndex } from "../internal/LeastLoadedIndex.ts"
import {
  type Candidate,
  type DirectoryView,
  RoutingPolicy,
  type Ranking,
  type RoutingRequest,
} from "../RoutingPolicy.ts"

interface Eligible {
  readonly candidate: Candidate
  readonly lot: number
}

/** By load, as integers: a/b < c/d where a·d < c·b. Then by lot, then by id, so the order is total. */
const compare = (a: Eligible, b: Eligible): number =>
  a.candidate.inFlight * b.candidate.instance.concurrency - b.candidate.inFlight * a.candidate.instance.concurrency ||
  a.lot - b.lot ||
  (a.candidate.instance.id < b.candidate.instance.id ? -1 : 1)

const rank = (request: RoutingRequest, candidates: ReadonlyArray<Candidate>, seed: number): Ranking => {
  const ofSeed = Draw.ofSeed(seed)
  const eligible: Array<Eligible> = []
  const excluded: Array<Ranking["excluded"][number]> = []
  for (const candidate of candidates) {
    const { id } = candidate.instance
    const code = exclude(request, candidate)
    if (code === undefined) eligible.push({ candidate, lot: Draw.lot(ofSeed, Draw.ofId(id)) })
    else excluded.push({ instance: id, code })
  }
  const ranked = eligible.sort(compare).map(({ candidate: { instance, inFlight }, lot }) => ({
    instance: instance.id,
    because: `${inFlight} of ${instance.concurrency} in use, lot ${lot}`,
  }))
  return { ranked, excluded }
}

const prepare = (directory: DirectoryView) => {
  const models = new Map<ModelId, LeastLoadedIndex>()
  const modelOf = new Map<InstanceId, ModelId>()

  const remove = (id: InstanceId): void => {
    const model = modelOf.get(id)
    const index = model === undefined ? undefined : models.get(model)
    if (model === undefined || index === undefined) return
    index.remove(id)
    modelOf.delete(id)
    if (index.size === 0) models.delete(model)
  }
  const put = (index: LeastLoadedIndex, candidate: Candidate): void => {
    index.put(candidate)
    modelOf.set(candidate.instance.id, candidate.instance.model)
  }
  // A model is indexed when it is first asked for, so that a view need not be able to list everything it has.
  const indexOf = (model: ModelId): LeastLoadedIndex | undefined => {
    const known = models.get(model)
    if (known !== undefined) return known
    const index = new LeastLoadedIndex()
    for (const candidate of directory.candidates(model)) put(index, candidate)
    if (index.size === 0) return undefined
    models.set(model, index)
    return index
  }
  directory.onChange((id) => {
    const candidate = directory.candidate(id)
    if (candidate === undefined || candidate.instance.model !== modelOf.get(id)) remove(id)
    if (candidate === undefined) return
    const index = models.get(candidate.instance.model)
    if (index !== undefined) put(index, candidate)
  })
  return {
    choose: (request: RoutingRequest, seed: number): InstanceId | undefined =>
      indexOf(request.model)?.choose(request, seed),
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
