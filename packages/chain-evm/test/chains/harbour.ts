/**
 * Harbour, a rollup that settles on Ethereum every few minutes. Its facts are from its operator's page on finality.
 *
 * @since 0.1.0
 */
import * as Chain from "@guildhall/chain-evm/Chain"

/** Harbour, with its dollar. @category chains @since 0.1.0 */
export const harbour: Chain.Chain = Chain.make({
  id: 4_242,
  name: "Harbour",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  blockTimeMs: 1_000,
  confirmations: 10,
  finalityDepth: 600,
  fees: { style: "legacy", minPriorityFeeWei: 1_000_000n, maxFeeCapWei: 50_000_000_000n },
  tokens: [{ symbol: "USDC", address: "0x1111111111111111111111111111111111111111", decimals: 6, permits: ["permit"] }],
  rpcUrls: ["https://rpc.harbour.example"],
  explorerUrl: "https://scan.harbour.example",
  isTest: true,
})
