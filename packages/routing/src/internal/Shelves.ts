import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import { exclude, type Filter } from "../Filter.ts"
import * as Preferred from "../Preferred.ts"
import type { Candidate, DirectoryView, RoutingPolicy, RoutingRequest } from "../RoutingPolicy.ts"

/** What nobody could ask less than: who does not serve this serves nothing now. */
const least = (instance: Instance): RoutingRequest => ({
  model: instance.model,
  contextTokens: 0,
  tried: [],
  endpoint: instance.endpoints?.[0],
})

/** Instances of one model, of which those that serve nothing now are put away. */
interface Index {
  readonly count: number
  readonly isSound: boolean
  readonly put: (candidate: Candidate) => void
  readonly putAway: (candidate: Candidate) => void
  readonly remove: (id: InstanceId) => void
}

const put = (index: Index, candidate: Candidate): void =>
  exclude(least(candidate.instance), candidate) === undefined ? index.put(candidate) : index.putAway(candidate)

/** The indexes of a directory: one for each model and variant that was asked for and has an instance. */
class Shelves<I extends Index> {
  readonly #directory: DirectoryView
  readonly #make: (variant: number) => I
  readonly #shelves = new Map<ModelId, Map<number, I>>()
  readonly #models = new Map<InstanceId, ModelId>()

  constructor(directory: DirectoryView, make: (variant: number) => I) {
    this.#directory = directory
    this.#make = make
    directory.onChange((id) => this.#changed(id))
  }

  index(model: ModelId, variant: number): I | undefined {
    const shelf = this.#shelves.get(model)
    const known = shelf?.get(variant)
    if (known !== undefined) return known
    const index = this.#make(variant)
    for (const candidate of this.#directory.candidates(model)) {
      put(index, candidate)
      this.#models.set(candidate.instance.id, model)
    }
    // A model that nobody serves could be any text that a buyer sends.
    if (index.count === 0) return undefined
    if (shelf === undefined) this.#shelves.set(model, new Map([[variant, index]]))
    else shelf.set(variant, index)
    return index
  }

  #changed(id: InstanceId): void {
    const candidate = this.#directory.candidate(id)
    if (candidate === undefined) return this.#remove(id)
    const { model } = candidate.instance
    if (this.#models.get(id) !== model) {
      this.#remove(id)
      if (!this.#shelves.has(model)) return
      this.#models.set(id, model)
    }
    for (const index of this.#shelves.get(model)?.values() ?? []) put(index, candidate)
  }

  #remove(id: InstanceId): void {
    const model = this.#models.get(id)
    if (model === undefined) return
    this.#models.delete(id)
    for (const index of this.#shelves.get(model)?.values() ?? []) {
      index.remove(id)
      if (index.count === 0) this.#shelves.delete(model)
    }
  }
}

/** How a fast form finds its choice: in the indexes of the request's model, by variant. */
export interface Finding<I extends Index> {
  readonly index: (variant: number) => I
  readonly find: (
    indexOf: (variant: number) => I | undefined,
    request: RoutingRequest,
    seed: number,
    mayServe: (candidate: Candidate) => boolean,
  ) => InstanceId | undefined
}

/**
 * The fast form of a policy that finds its choice in indexes. Where a buyer has an order of its own, or two ids cannot be
 * told apart by their hashes, the reference form answers.
 */
export const shelves = <I extends Index>(
  { find, index }: Finding<I>,
  policy: RoutingPolicy,
  filters: ReadonlyArray<Filter>,
  directory: DirectoryView,
): ReturnType<NonNullable<RoutingPolicy["prepare"]>> => {
  const kept = new Shelves(directory, index)
  const passes = (request: RoutingRequest, candidate: Candidate): boolean => {
    for (const filter of filters) if (filter(request, candidate) !== undefined) return false
    return true
  }
  const choose = (request: RoutingRequest, seed: number): InstanceId | undefined => {
    const { model, preferences } = request
    let isSound = preferences === undefined || !Preferred.reorders(preferences)
    const indexOf = (variant: number): I | undefined => {
      const found = kept.index(model, variant)
      if (found?.isSound === false) isSound = false
      return found
    }
    const mayServe = (candidate: Candidate): boolean =>
      exclude(request, candidate) === undefined && passes(request, candidate)
    const found = isSound ? find(indexOf, request, seed, mayServe) : undefined
    return isSound ? found : Preferred.rank(policy, request, [...directory.candidates(model)], seed).ranked[0]?.instance
  }
  return { choose }
}
