import * as Chance from "@guildhall/tools/Chance"

/** Chance with a seed, and the texts that a wire may break. */
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

/** Makes dice. */
export const make = (seed: number): Dice => {
  const { below, between, percent: chance, pick } = Chance.make(seed)
  const list: Dice["list"] = (least, most, each) =>
    Array.from({ length: between(least, most) }, (_, index) => each(index))
  return {
    below,
    chance,
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
