/**
 * Who is on the market now: the fold of `DirectoryEvent`s. The same events give the same directory with the same
 * version, in the gateway as in an audit years later.
 *
 * @since 0.1.0
 */
import type { DirectoryEvent, Measured } from "@guildhall/core/DirectoryEvent"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import type { ModelId } from "@guildhall/core/Model"
import type { PriceLine, PriceSheet } from "@guildhall/core/PriceSheet"
import * as Rating from "@guildhall/core/Rating"
import type { UsageUnit } from "@guildhall/core/Usage"
import type { Candidate, DirectoryView } from "./RoutingPolicy.ts"

/**
 * What the directory keeps of an instance. `slot` is a small number that stands for its id in the log. `isListed` is
 * false while an instance that left still has requests in flight: it is no candidate, but if it comes back, they count.
 *
 * @category models
 * @since 0.1.0
 */
export interface Place extends Candidate {
  readonly slot: number
  readonly isListed: boolean
}

/** What a place consists of, always in this order: one shape for all of them. */
type Parts = Pick<Place, "slot" | "instance" | "inFlight" | "isListed"> & {
  readonly measured: Measured | undefined
  readonly rating: Rating.Rating | undefined
}

/** Policies that anybody wrote are handed these as they are, so none can be written to: a change makes another one. */
const placeOf = ({ inFlight, instance, isListed, measured, rating, slot }: Parts): Parts =>
  Object.freeze({ slot, instance, inFlight, measured, rating, isListed })

const kept = (instance: Instance): Instance => Object.freeze({ ...instance })

/** How many models are remembered that once had an instance. Past it, one is told "no such model" a little early. */
const OFFERED_MAX = 10_000

/**
 * The directory. It changes by {@link Directory.apply} only.
 *
 * **Example** (One request in flight)
 *
 * ```ts
 * import { Directory } from "@guildhall/routing"
 * import { InstanceId } from "@guildhall/core/Instance"
 * import { ModelId } from "@guildhall/core/Model"
 *
 * const directory = new Directory.Directory()
 * directory.apply({ _tag: "DispatchStarted", instanceId: InstanceId.make("ins_unknown") })
 * directory.version // => 1
 * directory.candidates(ModelId.make("a/b")).length // => 0
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export class Directory implements DirectoryView {
  readonly #places = new Map<InstanceId, Parts>()
  readonly #byModel = new Map<ModelId, Map<InstanceId, Parts>>()
  /** What is known until an instance of the model comes, goes, or changes its state. */
  readonly #ceilings = new Map<ModelId, PriceSheet | undefined>()
  readonly #offered = new Set<ModelId>()
  readonly #listeners: Array<(id: InstanceId) => void> = []
  #version = 0
  #nextSlot = 0

  /** How many events it has taken in. */
  get version(): number {
    return this.#version
  }

  /** The slot that the next new instance will have. */
  get nextSlot(): number {
    return this.#nextSlot
  }

  /** The models that have, or once had, an instance. */
  get offered(): ReadonlySet<ModelId> {
    return this.#offered
  }

  /** Every place, listed or not, by slot. */
  get places(): Iterable<Place> {
    return this.#places.values()
  }

  /** The listed instances of a model, whatever their state. */
  candidates(model: ModelId): ReadonlyArray<Candidate> {
    const places = this.#byModel.get(model)
    return places === undefined ? [] : [...places.values()]
  }

  /** A listed instance. */
  candidate(id: InstanceId): Candidate | undefined {
    const place = this.#places.get(id)
    return place?.isListed === true ? place : undefined
  }

  /** For each unit the highest price among a model's instances that are online; undefined where none is. */
  ceiling(model: ModelId): PriceSheet | undefined {
    const known = this.#ceilings.get(model)
    if (known !== undefined || this.#ceilings.has(model)) return known
    const highest = new Map<UsageUnit, PriceLine>()
    let isOnline = false
    for (const { instance } of this.#byModel.get(model)?.values() ?? []) {
      if (instance.state !== "online") continue
      isOnline = true
      for (const line of instance.price) {
        const most = highest.get(line.unit)
        if (most === undefined || line.amount * most.per > most.amount * line.per) highest.set(line.unit, line)
      }
    }
    const sheet = isOnline ? [...highest.values()] : undefined
    // A model that is not offered could be any text that a buyer sends.
    if (this.#byModel.has(model)) this.#ceilings.set(model, sheet)
    return sheet
  }

  /** Calls the listener after each change of an instance, with its id. */
  onChange(listener: (id: InstanceId) => void): void {
    this.#listeners.push(listener)
  }

  /** Takes in one event and answers the slot it was about, or -1 where it named an instance that is not known. */
  apply(event: DirectoryEvent): number {
    this.#version++
    if (event._tag === "InstanceListed") return this.#list(event.instance)
    const place = this.#places.get(event.instanceId)
    if (place === undefined) return -1
    switch (event._tag) {
      case "InstanceUnlisted":
        this.#unlist(place)
        break
      case "StateChanged":
        this.#put({ ...place, instance: kept({ ...place.instance, state: event.state }) })
        this.#ceilings.delete(place.instance.model)
        break
      case "InstanceMeasured":
        this.#put({ ...place, measured: event.measured ?? undefined })
        break
      case "InstanceRated":
        this.#put({ ...place, rating: Rating.join(place.rating, event.rating) })
        break
      case "DispatchStarted":
        this.#put({ ...place, inFlight: place.inFlight + 1 })
        break
      case "DispatchEnded":
        // Never below zero: an end may arrive for a start that an earlier process counted.
        this.#put({ ...place, inFlight: Math.max(0, place.inFlight - 1) })
        break
    }
    for (const listener of this.#listeners) listener(event.instanceId)
    return place.slot
  }

  /** Puts a recorded state in place of an empty one. */
  restore(version: number, nextSlot: number, offered: Iterable<ModelId>, places: Iterable<Place>): void {
    this.#version = version
    this.#nextSlot = nextSlot
    for (const model of offered) this.#offered.add(model)
    for (const { slot, instance, inFlight, measured, rating, isListed } of places) {
      const place = placeOf({ slot, instance: kept(instance), inFlight, measured, rating, isListed })
      this.#places.set(instance.id, place)
      if (isListed) this.#enter(place)
    }
  }

  #list(listed: Instance): number {
    const instance = kept(listed)
    const known = this.#places.get(instance.id)
    if (known !== undefined) this.#leave(known)
    const place = placeOf(
      known === undefined
        ? { slot: this.#nextSlot++, instance, inFlight: 0, measured: undefined, rating: undefined, isListed: true }
        : { ...known, instance, isListed: true },
    )
    this.#places.set(instance.id, place)
    this.#enter(place)
    for (const listener of this.#listeners) listener(instance.id)
    return place.slot
  }

  /** Puts a place in its former one's stead. One that is neither listed nor in use is forgotten. */
  #put(parts: Parts): void {
    const place = placeOf(parts)
    const { id, model } = place.instance
    if (place.isListed) {
      this.#places.set(id, place)
      this.#byModel.get(model)?.set(id, place)
    } else if (place.inFlight > 0) this.#places.set(id, place)
    else this.#places.delete(id)
  }

  #unlist(place: Parts): void {
    this.#leave(place)
    this.#put({ ...place, isListed: false })
  }

  #enter(place: Parts): void {
    const { model, id } = place.instance
    this.#ceilings.delete(model)
    const places = this.#byModel.get(model)
    if (places === undefined) this.#byModel.set(model, new Map([[id, place]]))
    else places.set(id, place)
    if (this.#offered.size < OFFERED_MAX) this.#offered.add(model)
  }

  #leave(place: Parts): void {
    const { model, id } = place.instance
    this.#ceilings.delete(model)
    const places = this.#byModel.get(model)
    places?.delete(id)
    if (places?.size === 0) this.#byModel.delete(model)
  }
}
