import { agree, type Booked, type Listed } from "../Drift.ts"
import { bookedName, listedNames } from "./MovementGroups.ts"

/** Items by their names. */
class Waiting<T> {
  readonly #byName = new Map<string, Array<T>>()
  readonly #items = new Set<T>()
  add(names: ReadonlyArray<string>, item: T): void {
    this.#items.add(item)
    for (const name of names) {
      const known = this.#byName.get(name)
      if (known === undefined) this.#byName.set(name, [item])
      else known.push(item)
    }
  }
  find(names: ReadonlyArray<string>, isIt: (item: T) => boolean): T | undefined {
    for (const name of names) {
      const found = this.#byName.get(name)?.find(isIt)
      if (found !== undefined) return found
    }
    return undefined
  }
  delete(names: ReadonlyArray<string>, item: T): void {
    this.#items.delete(item)
    for (const name of names) {
      const left = this.#byName.get(name)?.filter((each) => each !== item) ?? []
      if (left.length === 0) this.#byName.delete(name)
      else this.#byName.set(name, left)
    }
  }
  get size(): number {
    return this.#items.size
  }
  get items(): ReadonlyArray<T> {
    return [...this.#items]
  }
}

/**
 * Lets through what agrees, in whatever order both sides come, and forgets it at once: what stays in the sieve is what has not
 * found its other side. Where nothing stays, the sides agree. Where something does, it is a suspect, to be looked at with
 * all that has a name in common with it.
 */
export class Sieve {
  readonly #booked = new Waiting<Booked>()
  readonly #listed = new Waiting<Listed>()
  readonly #bySequence = new Map<bigint, Booked>()
  #matched = 0

  /** An entry of the ledger. A reversal takes what it reverses out of the sieve. */
  book(booked: Booked): void {
    const reversed = booked.reverses === null ? undefined : this.#bySequence.get(booked.reverses)
    if (reversed !== undefined) return this.#dropBooked(reversed)
    if (booked.reverses === null && this.settle(booked)) return
    this.#booked.add([bookedName(booked)], booked)
    this.#bySequence.set(booked.sequence, booked)
  }

  /** Matches an entry with what waits for it; whether something did. */
  settle(booked: Booked): boolean {
    const found = this.#listed.find([bookedName(booked)], (listed) => agree(booked, listed))
    if (found === undefined) return false
    this.#listed.delete(listedNames(found), found)
    this.#matched += 1
    return true
  }

  /** A movement of the rail. One that moved no money yet waits for nothing. */
  list(listed: Listed): void {
    if (listed.movement.state._tag !== "Succeeded") return
    const names = listedNames(listed)
    const found = this.#booked.find(names, (booked) => booked.reverses === null && agree(booked, listed))
    if (found === undefined) return this.#listed.add(names, listed)
    this.#dropBooked(found)
    this.#matched += 1
  }

  #dropBooked(booked: Booked): void {
    this.#booked.delete([bookedName(booked)], booked)
    this.#bySequence.delete(booked.sequence)
  }

  get matched(): number {
    return this.#matched
  }
  get size(): number {
    return this.#booked.size + this.#listed.size
  }
  /** The movements that no posting was found for. */
  get listed(): ReadonlyArray<Listed> {
    return this.#listed.items
  }
  /** The postings that no movement was found for. */
  get booked(): ReadonlyArray<Booked> {
    return this.#booked.items
  }
}
