import { raised } from "./Power.ts"

/**
 * How shares fall with what offers count, compared with the best one. They are told as their inverse, by which a lot is
 * multiplied: 1 for the best, and never less for a worse one.
 */
export class Shares {
  readonly #edge: number
  readonly #inside: number
  readonly #outside: number
  readonly #most: number
  readonly #scale: number
  readonly #far: number

  /** Within `edge` times the best by one power, beyond it by another (infinite: at once), and never less than `exploration`. */
  constructor(shape: {
    readonly edge: number
    readonly insidePower: number
    readonly outsidePower: number
    readonly exploration: number
  }) {
    const { edge, exploration, insidePower, outsidePower } = shape
    this.#edge = edge
    this.#inside = insidePower
    this.#outside = outsidePower
    this.#most = 1 / exploration
    const atEdge = raised(edge, insidePower)
    const isBand = outsidePower === Infinity
    this.#scale = isBand ? 1 : atEdge / raised(edge, outsidePower)
    // From here on nothing is left but exploration: most offers, and no power of a number is taken for them.
    if (outsidePower === 0) this.#far = Infinity
    else this.#far = isBand ? edge : edge * Math.max(1, (this.#most / atEdge) ** (1 / outsidePower)) * 1.000001
  }

  /** How much longer one waits that counts so much; for ever where it counts infinitely. */
  stretch(value: number, best: number): number {
    if (value === Infinity) return Infinity
    const isWithin = value <= best * this.#edge
    const isFar = value > best * this.#far
    const times = isFar ? Infinity : raised(value / best, isWithin ? this.#inside : this.#outside)
    // In the end always something that was computed: a number as it is kept would be boxed in each round of a loop.
    return isWithin ? Math.max(1, times) : Math.min(this.#most, this.#scale * times)
  }
}
