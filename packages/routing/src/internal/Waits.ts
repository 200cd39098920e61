/**
 * A request that waits for its first token. It stands in a list of its instance's, from which it goes when it is over: a
 * request costs one small object, and no table grows.
 */
export class Wait {
  readonly atMs: number
  before: Wait | undefined
  after: Wait | undefined
  #list: Waits | undefined

  constructor(list: Waits, atMs: number) {
    this.#list = list
    this.atMs = atMs
  }

  get isOver(): boolean {
    return this.#list === undefined
  }

  /** It waits no longer, for whatever reason. Said twice, it changes nothing. */
  over(): void {
    this.#list?.remove(this)
    this.#list = undefined
  }
}

/** The requests on one instance that wait for their first token, the oldest first. */
export class Waits {
  #first: Wait | undefined
  #last: Wait | undefined

  /** Since when the oldest one waits. */
  get sinceMs(): number | undefined {
    return this.#first?.atMs
  }

  begin(atMs: number): Wait {
    const wait = new Wait(this, atMs)
    wait.before = this.#last
    if (this.#last === undefined) this.#first = wait
    else this.#last.after = wait
    this.#last = wait
    return wait
  }

  remove(wait: Wait): void {
    if (wait.before === undefined) this.#first = wait.after
    else wait.before.after = wait.after
    if (wait.after === undefined) this.#last = wait.before
    else wait.after.before = wait.before
  }
}
