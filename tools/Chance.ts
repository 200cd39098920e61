/** Chance with a seed, for tests: the same seed gives the same values. */
export interface Chance {
  /** A number from 0 up to 1, which is not reached. */
  readonly next: () => number
  /** A whole number from 0 up to `limit`, which is not reached. */
  readonly below: (limit: number) => number
  readonly between: (least: number, most: number) => number
  readonly percent: (percent: number) => boolean
  readonly pick: <A>(options: readonly [A, ...ReadonlyArray<A>]) => A
}

/** Makes it (mulberry32). */
export const make = (seed: number): Chance => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number) => Math.floor(next() * limit)
  return {
    next,
    below,
    between: (least, most) => least + below(most - least + 1),
    percent: (percent) => below(100) < percent,
    pick: (options) => options[below(options.length)] ?? options[0],
  }
}
