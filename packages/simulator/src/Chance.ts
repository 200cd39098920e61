/**
 * Chance that is drawn from a name: the same name gives the same numbers, so a simulation can be run again.
 *
 * @since 0.1.0
 */
import * as Draw from "@guildhall/routing/Draw"

/**
 * A row of random numbers.
 *
 * @category models
 * @since 0.1.0
 */
export interface Chance {
  /** From 0 to 1, without 1. */
  readonly next: () => number
  /** An integer from 0 to `n` − 1. */
  readonly below: (n: number) => number
  /** Exponential, with this mean. */
  readonly exponential: (mean: number) => number
  /** A safe integer, as a seed of a ranking. */
  readonly seed: () => number
}

/**
 * The chance of a name. (The generator is sfc32: 128 bits of state, which pass the usual batteries of tests.)
 *
 * **Example** (The same name, the same numbers)
 *
 * ```ts
 * import { Chance } from "@guildhall/simulator"
 *
 * Chance.make("a").next() === Chance.make("a").next() // => true
 * Chance.make("a").next() === Chance.make("b").next() // => false
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (name: string): Chance => {
  let [a, b, c] = [Draw.ofId(`a ${name}`), Draw.ofId(`b ${name}`), Draw.ofId(`c ${name}`)]
  let counter = 1
  const bits = (): number => {
    const sum = (((a + b) | 0) + counter) | 0
    counter = (counter + 1) | 0
    a = b ^ (b >>> 9)
    b = (c + (c << 3)) | 0
    c = ((c << 21) | (c >>> 11)) + sum
    c = c | 0
    return sum >>> 0
  }
  for (let at = 0; at < 12; at++) bits()
  const next = (): number => bits() / 4_294_967_296
  return {
    next,
    below: (n) => Math.floor(next() * n),
    exponential: (mean) => -Math.log(1 - next()) * mean,
    seed: () => bits() * 1_048_576 + (bits() >>> 12),
  }
}

/**
 * Draws 0 … n − 1 so that the k-th is drawn in proportion to 1/(k + 1)^exponent: a few are popular, most are not.
 *
 * @category constructors
 * @since 0.1.0
 */
export const zipf = (n: number, exponent: number): ((chance: Chance) => number) => {
  const sums = new Float64Array(n)
  let total = 0
  for (let at = 0; at < n; at++) sums[at] = total += (at + 1) ** -exponent
  return (chance) => {
    const wanted = chance.next() * total
    let [low, high] = [0, n - 1]
    while (low < high) {
      const middle = (low + high) >> 1
      if ((sums[middle] ?? total) > wanted) high = middle
      else low = middle + 1
    }
    return low
  }
}
