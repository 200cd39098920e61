/**
 * The chain of a developer's machine: a block with each transaction, and a past that a test may rewrite.
 *
 * @since 0.1.0
 */
import * as Chain from "../Chain.ts"

/** Anvil as it starts. @category chains @since 0.1.0 */
export const anvil: Chain.Chain = Chain.make({
  id: 31_337,
  name: "Anvil",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  blockTimeMs: 1_000,
  confirmations: 1,
  finalityDepth: 64,
  fees: { style: "eip1559", minPriorityFeeWei: 1n, maxFeeCapWei: 1_000_000_000_000n },
  rpcUrls: ["http://127.0.0.1:8545"],
  isTest: true,
})
