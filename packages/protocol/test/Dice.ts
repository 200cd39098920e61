/** Chance with a seed: the same seed gives the same values. */

export interface Dice {
  /** A whole number from 0 up to `limit`, which is not reached. */
  readonly below: (limit: number) => number
  readonly chance: (percent: number) => boolean
  readonly pick: <A>(options: readonly [A, ...ReadonlyArray<A>]) => A
  readonly list: <A>(least: number, most: number, make: (index: number) => A) => ReadonlyArray<A>
  /** A text with characters that are easily broken on a wire. */
  readonly text: () => string
  /** The text in pieces, cut anywhere, within a surrogate pair too. */
  readonly cut: (text: string) => ReadonlyArray<string>
}

const PIECES = [
  "Hello",
  " world",
  "\n\n",
  "\u2028",
  "é",
  "🦊",
  '"',
  "\\",
  "data: [DONE]",
  "\r\n",
  "\u0000",
  "</s>",
  "{}",
  "event: error",
] as const

/** Makes dice (mulberry32). */
export const make = (seed: number): Dice => {
  let state = seed >>> 0
  const next = (): number => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
  const below = (limit: number) => Math.floor(next() * limit)
  const pick: Dice["pick"] = (options) => options[below(options.length)] ?? options[0]
  const list: Dice["list"] = (least, most, each) =>
    Array.from({ length: least + below(most - least + 1) }, (_, index) => each(index))
  return {
    below,
    chance: (percent) => below(100) < percent,
    pick,
    list,
    text: () => list(1, 5, () => pick(PIECES)).join(""),
    cut: (text) => {
      const pieces: Array<string> = []
      for (let at = 0; at < text.length;) {
        const length = 1 + below(6)
        pieces.push(text.slice(at, at + length))
        at += length
      }
      return pieces
    },
  }
}
