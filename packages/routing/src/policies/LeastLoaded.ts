/**
 * The policy `LeastLoaded`: the instance with the smallest part of its concurrency in use serves; ties are drawn at
 * random from the seed.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
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

/** By load, as integers: a/b < c/d where a·d < c·b. Then by lot, then by id, so the order is total. */
const compare =
  (ofSeed: number) =>
  (a: Candidate, b: Candidate): number =>
    a.inFlight * b.instance.concurrency - b.inFlight * a.instance.concurrency ||
    Draw.lot(ofSeed, Draw.ofId(a.instance.id)) - Draw.lot(ofSeed, Draw.ofId(b.instance.id)) ||
    (a.instance.id < b.instance.id ? -1 : 1)

const rank = (request: RoutingRequest, candidates: ReadonlyArray<Candidate>, seed: number): Ranking => {
  const eligible: Array<Candidate> = []
  const excluded: Array<Ranking["excluded"][number]> = []
  for (const candidate of candidates) {
    const code = exclude(request, candidate)
    if (code === undefined) eligible.push(candidate)
    else excluded.push({ instance: candidate.instance.id, code })
  }
  const ofSeed = Draw.ofSeed(seed)
  const ranked = eligible.sort(compare(ofSeed)).map(({ instance, inFlight }) => ({
    instance: instance.id,
    because: `${inFlight} of ${instance.concurrency} in use, lot ${Draw.lot(ofSeed, Draw.ofId(instance.id))}`,
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
  settings: Schema.Struct({}),
  make: () => leastLoaded,
})
