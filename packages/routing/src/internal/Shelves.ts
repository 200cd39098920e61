import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import { exclude, type Filter } from "../Filter.ts"
import * as Preferred from "../Preferred.ts"
import type { Candidate, DirectoryView, RoutingPolicy, RoutingRequest } from "../RoutingPolicy.ts"
import type { Standing } from "../Scored.ts"
import { sound, soundWeight } from "./Sound.ts"
import { StandingIndex } from "./StandingIndex.ts"

/** What nobody could ask less than: who does not serve this serves nothing now. */
const least = (instance: Instance): RoutingRequest => ({
  model: instance.model,
  contextTokens: 0,
  tried: [],
  endpoint: instance.endpoints?.[0],
})

/** The indexes of a directory: one for each model and variant that was asked for and has an instance. */
class Shelves {
  readonly #directory: DirectoryView
  readonly #stand: (candidate: Candidate, variant: number) => Standing
  readonly #shelves = new Map<ModelId, Map<number, StandingIndex>>()
  readonly #models = new Map<InstanceId, ModelId>()

  constructor(directory: DirectoryView, stand: (candidate: Candidate, variant: number) => Standing) {
    this.#directory = directory
    this.#stand = stand
    directory.onChange((id) => this.#changed(id))
  }

  index(model: ModelId, variant: number): StandingIndex | undefined {
    const shelf = this.#shelves.get(model)
    const known = shelf?.get(variant)
    if (known !== undefined) return known
    const index = new StandingIndex()
    for (const candidate of this.#directory.candidates(model)) {
      this.#put(index, candidate, variant)
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
    for (const [variant, index] of this.#shelves.get(model) ?? []) this.#put(index, candidate, variant)
  }

  #put(index: StandingIndex, candidate: Candidate, variant: number): void {
    if (exclude(least(candidate.instance), candidate) !== undefined) return index.put(candidate, Infinity, Infinity, 0)
    const { first, second, weight } = this.#stand(candidate, variant)
    index.put(candidate, sound(first), sound(second), soundWeight(weight))
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
export interface Finding {
  readonly stand: (candidate: Candidate, variant: number) => Standing
  readonly find: (
    indexOf: (variant: number) => StandingIndex | undefined,
    request: RoutingRequest,
    seed: number,
    mayServe: (candidate: Candidate) => boolean,
  ) => InstanceId | undefined
}

/**
 * The fast form of a policy that finds its choice in indexes. Where a buyer has an order of its own, or two ids cannot be
 * told apart by their hashes, the reference form answers.
 */
export const shelves = (
  policy: RoutingPolicy,
  filters: ReadonlyArray<Filter>,
  directory: DirectoryView,
  { find, stand }: Finding,
): ReturnType<NonNullable<RoutingPolicy["prepare"]>> => {
  const kept = new Shelves(directory, stand)
  const passes = (request: RoutingRequest, candidate: Candidate): boolean => {
    for (const filter of filters) if (filter(request, candidate) !== undefined) return false
    return true
  }
  const choose = (request: RoutingRequest, seed: number): InstanceId | undefined => {
    const { model, preferences } = request
    let isSound = preferences === undefined || !Preferred.reorders(preferences)
    const indexOf = (variant: number): StandingIndex | undefined => {
      const index = kept.index(model, variant)
      if (index?.isSound === false) isSound = false
      return index
    }
    const mayServe = (candidate: Candidate): boolean =>
      exclude(request, candidate) === undefined && passes(request, candidate)
    const found = isSound ? find(indexOf, request, seed, mayServe) : undefined
    return isSound ? found : Preferred.rank(policy, request, [...directory.candidates(model)], seed).ranked[0]?.instance
  }
  return { choose }
}
