/**
 * What is learned of a model's prompts: how many bytes of a request one token of its prompt usually stands for. A chat
 * template weighs much in a short prompt and little in a long one, so prompts are compared with those of their own size.
 *
 * @since 0.1.0
 */
import * as TokenBand from "./TokenBand.ts"

/** Nothing bounds a prompt of which nothing is known but its bytes. */
const UNKNOWN: TokenBand.Band = { low: 0, mean: 4 }
/** A short question under a long template has many more tokens than bytes. */
const RATIO_MIN = 1 / 16
/**
 * Who writes prompts could teach that a token stands for many bytes, by padding, and then ask for cheap. Text that is no
 * padding rarely has tokens of fewer bytes than this.
 */
const LOW_MAX = 2
/** Each size is up to twice the one before. */
const SIZES = 32

/**
 * Makes the memory of one process. `band` has a `low` of 0 as long as too few prompts of that size are known.
 *
 * **Example** (Prompts of one size)
 *
 * ```ts
 * import { PromptBand } from "@guildhall/gateway"
 *
 * const prompts = PromptBand.make()
 * for (let seen = 0; seen < 200; seen++) prompts.learn("m", { bytes: 100, tokens: 80 })
 * prompts.band("m", 120).low // => 0.625
 * prompts.band("m", 5_000).low // => 0
 * ```
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = () => {
  const sizes = Array.from({ length: SIZES }, () =>
    TokenBand.make({ prior: UNKNOWN, ratioMin: RATIO_MIN, tokensMin: 1 }),
  )
  const ofSize = (bytes: number) => sizes[SIZES - 1 - Math.clz32(Math.max(1, bytes))]

  const band = (model: string, bytes: number): TokenBand.Band => {
    const known = ofSize(bytes)?.band(model) ?? UNKNOWN
    return known.low > LOW_MAX ? { low: LOW_MAX, mean: known.mean } : known
  }

  const learn = (model: string, sample: { readonly bytes: number; readonly tokens: number }): void =>
    ofSize(sample.bytes)?.learn(model, sample)

  return { band, learn } as const
}
