/**
 * Tempo, a chain for payments: a block in about half a second, final as soon as it is there (Simplex). It has no coin: fees
 * are taken in a dollar token (TIP-20, six decimals), a price of gas is in 10⁻¹⁸ dollars and does not follow demand. New
 * storage costs 250,000 gas a slot, so what a transaction costs is always asked, never assumed.
 *
 * @since 0.1.0
 */
import * as Chain from "../Chain.ts"

/** Tempo, with the dollar that was there first. @category chains @since 0.1.0 */
export const tempo: Chain.Chain = Chain.make({
  id: 4_217,
  name: "Tempo",
  nativeCurrency: { name: "USD", symbol: "USD", decimals: 18 },
  fundsInCoin: false,
  blockTimeMs: 600,
  confirmations: 2,
  // A block is final by itself. This covers an endpoint that is restored from an older state.
  finalityDepth: 16,
  fees: { style: "eip1559", minPriorityFeeWei: 0n, maxFeeCapWei: 200_000_000_000n },
  tokens: [{ symbol: "pathUSD", address: "0x20c0000000000000000000000000000000000000", decimals: 6, permits: [] }],
  rpcUrls: ["https://rpc.tempo.xyz"],
  explorerUrl: "https://explore.tempo.xyz",
})
