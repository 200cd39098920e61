import type { Settled } from "../Recount.ts"
import * as TokenBand from "../TokenBand.ts"
import type { Counted } from "../tokens/Counting.ts"

/** Which bills are suspicious: the meter had to cut the report, or it lies outside of what exact counts have taught. */
export const make = () => {
  const inputs = TokenBand.make()
  const outputs = TokenBand.make()
  return {
    isSuspicious: ({ entry: { receipt }, outputBytes, promptBytes }: Settled): boolean => {
      const { cachedInputToken = 0, inputToken = 0, outputToken = 0 } = receipt.usage
      return (
        receipt.usageSource === "bounded" ||
        outputToken > outputBytes / outputs.band(receipt.model).low ||
        inputToken + cachedInputToken > promptBytes / inputs.band(receipt.model).low
      )
    },
    learn: (settled: Settled, { input, output }: Counted): void => {
      const { model } = settled.entry.receipt
      if (input.low > 0) inputs.learn(model, { bytes: settled.promptBytes, tokens: input.low })
      if (output.low > 0) outputs.learn(model, { bytes: settled.outputBytes, tokens: output.low })
    },
  }
}
