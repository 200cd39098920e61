/**
 * Step 6. Counts what was delivered. The provider's report is billed as far as what passed through the gateway allows:
 * `min(reported, bound)`.
 *
 * The prompt is bounded by its bytes (see the second step), and once enough prompts of that model and size are known, by
 * what they came to. The answer is bounded by the bytes of the model's own output
 * that went to the buyer, since a token stands for at least one byte, and by a band that is learned for each model. A
 * few tokens which leave no bytes (the end of an answer, the marks around a tool call) are allowed for.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type { Instance } from "@guildhall/core/Instance"
import type { PriceSheet } from "@guildhall/core/PriceSheet"
import type { UsageSource } from "@guildhall/core/Receipt"
import type { Usage } from "@guildhall/core/Usage"
import type { Admitted } from "./Admit.ts"
import type { Conclusion } from "./Conclusion.ts"
import type { Priced } from "./Price.ts"
import type { Routed } from "./Route.ts"
import type { Tally } from "./Tally.ts"
import * as PromptBand from "./PromptBand.ts"
import * as TokenBand from "./TokenBand.ts"

/**
 * What is billed, and where the counts come from.
 *
 * @category models
 * @since 0.1.0
 */
export interface Metered {
  readonly usage: Usage
  readonly source: UsageSource
}

/** What is billed where nothing was delivered. @category constants @since 0.1.0 */
export const NOTHING: Metered = { usage: {}, source: "none" }

/** Tokens of an answer that leave no bytes, for each choice: its end, the marks of its role and of its reasoning. */
const SILENT_TOKENS = 8
/** Tokens that leave no bytes, for each tool call. */
const TOOL_TOKENS = 32
/**
 * A recording has at least so many bytes a second: the lowest rate at which speech is sent, 6 kbit/s.
 *
 * @category constants
 * @since 0.1.0
 */
export const BYTES_A_SECOND = 750

/**
 * The most tokens that what was delivered can have been.
 *
 * @category rules
 * @since 0.1.0
 */
export const outputBound = (
  tally: Pick<Tally, "outputBytes" | "toolCalls">,
  band: TokenBand.Band,
  choices: number,
): number => Math.ceil(tally.outputBytes / band.low) + choices * SILENT_TOKENS + tally.toolCalls * TOOL_TOKENS

/** What the meter needs to know of a prompt. @category models @since 0.1.0 */
export type Prompt = Pick<Priced, "promptBound" | "promptBytes" | "promptLaid" | "promptMarks">

/**
 * The most tokens that a prompt can have been: never more than its bytes prove, and less where prompts like it are known.
 *
 * @category rules
 * @since 0.1.0
 */
export const inputBound = ({ promptBound, promptLaid, promptMarks }: Prompt, band: TokenBand.Band): number =>
  band.low === 0 ? promptBound : Math.min(promptBound, Math.ceil(promptLaid / band.low) + promptMarks)

/**
 * Bills what was delivered. Pure: everything it knows arrives as an argument.
 *
 * **Example** (A report beyond what passed through)
 *
 * ```ts
 * import { Meter } from "@guildhall/gateway"
 *
 * const tally = { outputBytes: 10, toolCalls: 0, reported: { inputToken: 5, outputToken: 9_000 } }
 * const prompt = { promptBound: 584, promptBytes: 40, promptLaid: 40, promptMarks: 32 }
 * const request = { ...prompt, outputBound: 100, choices: 1 }
 * const bands = { input: { low: 0, mean: 4 }, output: { low: 1, mean: 4 } }
 * Meter.bill(tally, request, bands) // => { usage: { inputToken: 5, outputToken: 18 }, source: "bounded" }
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const bill = (
  tally: Pick<Tally, "outputBytes" | "toolCalls" | "reported">,
  request: Prompt & Pick<Priced, "outputBound"> & { readonly choices: number },
  bands: { readonly input: TokenBand.Band; readonly output: TokenBand.Band },
): Metered => {
  const most = Math.min(request.outputBound, outputBound(tally, bands.output, request.choices))
  const likely = Math.ceil(tally.outputBytes / bands.output.mean)
  const { reported } = tally
  const mostInput = inputBound(request, bands.input)
  if (reported === undefined) {
    const inputToken = Math.min(mostInput, Math.ceil(request.promptBytes / bands.input.mean))
    const outputToken = Math.min(most, likely)
    return { usage: { inputToken, outputToken }, source: "bounded" }
  }
  const cached = Math.min(reported.cachedInputToken ?? 0, mostInput)
  const input = Math.min(reported.inputToken ?? 0, mostInput - cached)
  // A stream that broke off may have told of its prompt alone; who counts seconds tells of no tokens at all.
  const output = Math.min(reported.outputToken ?? (reported.inputToken === undefined ? 0 : likely), most)
  const isWhole = input === (reported.inputToken ?? 0) && output === reported.outputToken
  return {
    usage: { inputToken: input, ...(cached > 0 ? { cachedInputToken: cached } : {}), outputToken: output },
    source: isWhole && cached === (reported.cachedInputToken ?? 0) ? "reported" : "bounded",
  }
}

/**
 * What a request is billed that was cut off before any of its answer was shown: the prompt, which the provider had read.
 *
 * @category rules
 * @since 0.1.0
 */
export const promptOnly = (request: Pick<Priced, "promptBound" | "promptBytes">, band: TokenBand.Band): Metered => ({
  usage: { inputToken: Math.min(request.promptBound, Math.ceil(request.promptBytes / band.mean)), outputToken: 0 },
  source: "bounded",
})

/** What is counted by the piece. Pictures were counted as they passed; a recording's length is the provider's word. */
const pieces = (tally: Tally, { touched }: Admitted, price: PriceSheet): Usage => {
  const images = Math.min(tally.images, touched.images)
  const audioSecond = Math.min(tally.reported?.audioSecond ?? 0, Math.ceil(touched.audioBytes / BYTES_A_SECOND))
  return {
    ...(images > 0 ? { image: images } : {}),
    ...(audioSecond > 0 ? { audioSecond } : {}),
    ...(price.some(({ unit }) => unit === "request") ? { request: 1 } : {}),
  }
}

interface Known {
  readonly outputBytes: number
  readonly reported: Usage | undefined
  readonly metered: Metered
}

/**
 * Makes the step, with a memory of what was learned. `asItStands` meters an answer that may not be over; asked again
 * for one that has not changed, it answers the same, so that what a buyer was told is what is charged.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.sync(() => {
  const inputs = PromptBand.make()
  const outputs = TokenBand.make()
  const known = new WeakMap<Tally, Known>()

  const asItStands = (admitted: Admitted, priced: Priced, tally: Tally, instance: Instance): Metered => {
    const { outputBytes, reported } = tally
    const before = known.get(tally)
    if (before?.outputBytes === outputBytes && before.reported === reported) return before.metered
    const bands = { input: inputs.band(instance.model, priced.promptBytes), output: outputs.band(instance.model) }
    const { source, usage } = bill(tally, { ...priced, choices: admitted.touched.choices }, bands)
    const metered = { usage: { ...usage, ...pieces(tally, admitted, instance.price) }, source }
    known.set(tally, { outputBytes, reported, metered })
    return metered
  }

  const meter = (admitted: Admitted, priced: Priced, routed: Routed, conclusion: Conclusion): Effect.Effect<Metered> =>
    Effect.sync(() => {
      const tally = routed.relayed?.tally
      const { instance } = routed
      if (conclusion.bills === "nothing" || tally === undefined || instance === undefined) return NOTHING
      if (conclusion.bills === "prompt") return promptOnly(priced, inputs.band(instance.model, priced.promptBytes))
      const metered = asItStands(admitted, priced, tally, instance)
      if (conclusion.outcome === "completed" && metered.source === "reported") {
        const { inputToken = 0, cachedInputToken = 0, outputToken = 0 } = metered.usage
        // The tokens of pictures and sounds say nothing of those of texts.
        if (admitted.touched.media.pieces === 0 && admitted.touched.audioBytes === 0)
          inputs.learn(instance.model, { bytes: priced.promptBytes, tokens: inputToken + cachedInputToken })
        outputs.learn(instance.model, { bytes: tally.outputBytes, tokens: outputToken })
      }
      return metered
    })

  return { meter, asItStands } as const
})
