/**
 * The test chain of Base. Its coin and its dollars are worth nothing.
 *
 * @since 0.1.0
 */
import * as Chain from "../Chain.ts"

/** Base Sepolia, with Circle's dollar for testing. @category chains @since 0.1.0 */
export const baseSepolia: Chain.Chain = Chain.make({
  id: 84_532,
  name: "Base Sepolia",
  nativeCurrency: { name: "Sepolia Ether", symbol: "ETH", decimals: 18 },
  blockTimeMs: 2_000,
  confirmations: 5,
  finalityDepth: 900,
  fees: { style: "eip1559", minPriorityFeeWei: 1_000_000n, maxFeeCapWei: 20_000_000_000n },
  tokens: [
    {
      symbol: "USDC",
      address: "0x036CbD53842c5426634e7929541eC2318f3dCF7e",
      decimals: 6,
      permits: ["permit", "authorization"],
    },
  ],
  rpcUrls: ["https://sepolia.base.org"],
  explorerUrl: "https://sepolia.basescan.org",
  isTest: true,
})
