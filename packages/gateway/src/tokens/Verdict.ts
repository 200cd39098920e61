/**
 * What an exact count says of a bill.
 *
 * @since 0.1.0
 */
import type { Usage } from "@guildhall/core/Usage"
import type { Band, Counted } from "./Counting.ts"

/**
 * A verdict. `lowered`: less was delivered than billed, and `usage` is the most that it can have been. `higher`: more
 * was delivered than billed, by `tokens` at least; the platform carries that. `agreed`: the bill lies within the bands.
 * `unknown`: nothing could be counted.
 *
 * @category models
 * @since 0.1.0
 */
export type Verdict =
  | { readonly _tag: "lowered"; readonly usage: Usage; readonly tokens: number }
  | { readonly _tag: "higher"; readonly tokens: number }
  | { readonly _tag: "agreed" }
  | { readonly _tag: "unknown" }

const above = ({ high }: Band, billed: number): number => (high === undefined ? 0 : Math.max(0, billed - high))

/**
 * Compares a bill with a count. Pure. Of a prompt that is lowered the tokens that were read from a cache go first: they
 * cost less, so that the bill is never lowered by more than is certain.
 *
 * **Example** (Twice what was written)
 *
 * ```ts
 * import * as Verdict from "@guildhall/gateway/tokens/Verdict"
 *
 * const counted = { input: { low: 10, high: 11 }, output: { low: 50, high: 54 } }
 * Verdict.of({ inputToken: 11, outputToken: 100 }, counted)
 * // => { _tag: "lowered", usage: { inputToken: 11, outputToken: 54 }, tokens: 46 }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const of = (billed: Usage, { input, output }: Counted): Verdict => {
  if (input.high === undefined && output.high === undefined) return { _tag: "unknown" }
  const { cachedInputToken = 0, inputToken = 0, outputToken = 0 } = billed
  const read = inputToken + cachedInputToken
  const [lessRead, lessWritten] = [above(input, read), above(output, outputToken)]
  if (lessRead + lessWritten > 0) {
    const lessCached = Math.min(cachedInputToken, lessRead)
    const usage = {
      ...billed,
      inputToken: inputToken - (lessRead - lessCached),
      ...(billed.cachedInputToken === undefined ? {} : { cachedInputToken: cachedInputToken - lessCached }),
      outputToken: outputToken - lessWritten,
    }
    return { _tag: "lowered", usage, tokens: lessRead + lessWritten }
  }
  const more = Math.max(0, input.low - read) + Math.max(0, output.low - outputToken)
  return more > 0 ? { _tag: "higher", tokens: more } : { _tag: "agreed" }
}
