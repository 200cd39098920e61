import type { InstanceId } from "@guildhall/core/Instance"
import * as Draw from "../Draw.ts"
import { unfit } from "../Filter.ts"
import * as Breaker from "../filters/Breaker.ts"
import * as Load from "../Load.ts"
import type { Candidate, RoutingRequest } from "../RoutingPolicy.ts"

interface Item {
  readonly id: InstanceId
  readonly ofId: number
  candidate: Candidate
  contextLength: number
  group: Group | undefined
  place: number
}

interface Group {
  readonly load: number
  readonly items: Array<Item>
}

/**
 * The instances of one model in groups of equal load, the least loaded first. Instances that cannot serve now stand
 * in no group.
 *
 * A load is a quotient of two integers below 2¹⁷. Two different ones differ by more than a double's rounding and equal
 * ones round to the same double, so comparing the quotients is exact.
 */
export class LeastLoadedIndex {
  readonly #items = new Map<InstanceId, Item>()
  readonly #groups: Array<Group> = []

  get size(): number {
    return this.#items.size
  }

  put(candidate: Candidate): void {
    const { instance } = candidate
    let item = this.#items.get(instance.id)
    if (item === undefined) {
      const ofId = Draw.ofId(instance.id)
      item = { id: instance.id, ofId, candidate, contextLength: 0, group: undefined, place: 0 }
      this.#items.set(instance.id, item)
    }
    item.candidate = candidate
    item.contextLength = instance.contextLength
    const inFlight = Load.inFlight(candidate)
    const capacity = Load.capacity(candidate)
    // The filters that do not look at the request, so that the index can hold their answer.
    const isAble = instance.state === "online" && Breaker.standing(candidate) === undefined && inFlight < capacity
    if (!isAble) return this.#leave(item)
    const load = inFlight / capacity
    if (item.group?.load === load) return
    this.#leave(item)
    const group = this.#group(load)
    item.group = group
    item.place = group.items.push(item) - 1
  }

  remove(id: InstanceId): void {
    const item = this.#items.get(id)
    if (item === undefined) return
    this.#leave(item)
    this.#items.delete(id)
  }

  choose(request: RoutingRequest, seed: number): InstanceId | undefined {
    const ofSeed = Draw.ofSeed(seed)
    for (const group of this.#groups) {
      const best = lowestLot(group, request, ofSeed)
      if (best !== undefined) return best.id
    }
    return undefined
  }

  #leave(item: Item): void {
    const { group, place } = item
    if (group === undefined) return
    item.group = undefined
    const last = group.items.pop()
    if (last !== undefined && last !== item) {
      group.items[place] = last
      last.place = place
    }
    if (group.items.length === 0) this.#groups.splice(this.#placeOf(group.load), 1)
  }

  #group(load: number): Group {
    const place = this.#placeOf(load)
    const found = this.#groups[place]
    if (found?.load === load) return found
    const group: Group = { load, items: [] }
    this.#groups.splice(place, 0, group)
    return group
  }

  /** Where the group of this load stands, or would stand. */
  #placeOf(load: number): number {
    let low = 0
    let high = this.#groups.length
    while (low < high) {
      const middle = (low + high) >>> 1
      const group = this.#groups[middle]
      if (group !== undefined && group.load < load) low = middle + 1
      else high = middle
    }
    return low
  }
}

const lowestLot = (group: Group, request: RoutingRequest, ofSeed: number): Item | undefined => {
  let best: Item | undefined
  let bestLot = Infinity
  for (const item of group.items) {
    if (item.contextLength < request.contextTokens) continue
    const lot = Draw.lot(ofSeed, item.ofId)
    if (lot > bestLot || (lot === bestLot && best !== undefined && best.id < item.id)) continue
    // Late, because it compares texts.
    if (request.tried.includes(item.id)) continue
    // Few come so far: the lot of nearly all was higher than one before.
    if (request.features !== undefined && unfit(request, item.candidate) !== undefined) continue
    best = item
    bestLot = lot
  }
  return best
}
