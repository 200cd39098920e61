/** What can stand on a roll knows its place there. */
export interface Listed {
  at: number
}

/**
 * The few that are under way, of very many that come and go. A `Set` would do, but for memory: it copies itself every so
 * often, and the copy it leaves behind keeps whatever stood in it until the collector comes to the old part of the heap.
 */
export class Roll<A extends Listed> {
  readonly #listed: Array<A> = []

  get size(): number {
    return this.#listed.length
  }

  has(one: A): boolean {
    return this.#listed[one.at] === one
  }

  add(one: A): void {
    if (!this.has(one)) one.at = this.#listed.push(one) - 1
  }

  /** Takes one off; the last takes its place. One that is not on the roll is no harm. */
  delete(one: A): void {
    if (!this.has(one)) return
    const last = this.#listed.pop()
    if (last === undefined || last === one) return
    this.#listed[one.at] = last
    last.at = one.at
  }

  /** All of them as they stand now, in no order. */
  all(): ReadonlyArray<A> {
    return [...this.#listed]
  }
}
