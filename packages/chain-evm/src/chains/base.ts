/**
 * Base, a rollup on Ethereum: a block every two seconds from one sequencer. What the sequencer has sealed has practically
 * never been taken back; it cannot be any more once Ethereum has finalised the batch, after some twenty minutes. Credits
 * wait a minute.
 *
 * @since 0.1.0
 */
import * as Chain from "../Chain.ts"

/** Base, with Circle's dollar. @category chains @since 0.1.0 */
export const base: Chain.Chain = Chain.make({
  id: 8_453,
  name: "Base",
  nativeCurrency: { name: "Ether", symbol: "ETH", decimals: 18 },
  blockTimeMs: 2_000,
  confirmations: 30,
  // Twenty minutes and a margin.
  finalityDepth: 900,
  fees: { style: "eip1559", minPriorityFeeWei: 1_000_000n, maxFeeCapWei: 20_000_000_000n },
  tokens: [
    {
      symbol: "USDC",
      address: "0x833589fCD6eDb6E08f4c7C32D4f71b54bdA02913",
      decimals: 6,
      permits: ["permit", "authorization"],
    },
  ],
  rpcUrls: ["https://mainnet.base.org"],
  explorerUrl: "https://basescan.org",
})
