/**
 * The chain that the market Space settles on. Its number is all that is public: the depths are the careful ones of a chain
 * that nobody knows, and endpoints and tokens come from the operator.
 *
 * @since 0.1.0
 */
import * as Chain from "../Chain.ts"

/** Space. @category chains @since 0.1.0 */
export const space: Chain.Chain = Chain.make({
  id: 800_000,
  name: "Space",
  nativeCurrency: { name: "Space", symbol: "SPACE", decimals: 18 },
  blockTimeMs: 2_000,
  confirmations: 12,
  finalityDepth: 256,
  fees: { style: "eip1559", minPriorityFeeWei: 1_000_000n, maxFeeCapWei: 500_000_000_000n },
})
