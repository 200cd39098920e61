/**
 * The market on your own machine, and the default: nine tenths to the provider, buyers topped up by hand, endpoints
 * on private addresses allowed. Start a market of your own from a copy of it.
 *
 * @since 0.1.0
 */
import { USD } from "@guildhall/core/Asset"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import * as DeviceClass from "@guildhall/core/rules/DeviceClass"

/**
 * The definition of the market `local`.
 *
 * **Example** (A market with another split)
 *
 * ```ts
 * import { MarketDefinition } from "@guildhall/core"
 * import { local } from "@guildhall/markets/local"
 *
 * const mine: MarketDefinition.MarketDefinition = {
 *   ...local,
 *   name: "mine",
 *   split: {
 *     shares: [{ party: "provider", bps: 8000 }, { party: "platform", bps: 2000 }],
 *     remainderTo: "platform",
 *   },
 * }
 * mine.split.shares[0].bps // => 8000
 * ```
 *
 * @category definitions
 * @since 0.1.0
 */
export const local: MarketDefinition = {
  name: "local",
  assets: [USD],
  priceAsset: USD.code,
  chargeAsset: USD.code,
  payoutAssets: [USD.code],
  split: {
    shares: [
      { party: "provider", bps: 9_000 },
      { party: "platform", bps: 1_000 },
    ],
    remainderTo: "platform",
  },
  routing: { use: "LeastLoaded" },
  payments: [{ use: "ApiKey" }],
  topUps: [{ use: "Development" }],
  payouts: [],
  aliases: {},
  prices: { inputCentsPerMillion: 100, outputCentsPerMillion: 200, maxCentsPerMillion: 100_000 },
  limits: {
    requestBytes: 10_000_000,
    requestBodyMs: 30_000,
    outputTokens: 4_096,
    key: { requestsPerMinute: 600, tokensPerMinute: 10_000_000, concurrentRequests: 64 },
    member: { requestsPerMinute: 1_200, tokensPerMinute: 20_000_000, concurrentRequests: 128 },
    market: { concurrentRequests: 1_000 },
  },
  timeouts: {
    connectMs: 5_000,
    headersMs: 60_000,
    firstTokenMs: 60_000,
    betweenTokensMs: 30_000,
    totalMs: 600_000,
  },
  queue: { waitMs: 10_000, requestsMax: 1_000, memberPercent: 50 },
  relay: {
    pingMs: 10_000,
    tokensPerSecondMin: 5,
    retries: { percent: 20, perSecond: 10 },
    hedgePercent: 0,
    cost: "asked",
  },
  reservation: { comfort: 10, outputTokensMin: 16, outputTokensStep: 512 },
  recount: { percent: 10 },
  funding: ["development"],
  attempts: 3,
  heartbeat: { intervalMs: 60_000, missesMax: 2, checkMs: 60_000 },
  health: {
    breaker: { failures: 3, withinMs: 60_000, parkMs: 15_000 },
    window: { days: 14, sampleMs: 60_000 },
    ejection: { percentMax: 10, requestsMin: 20, worseBps: 3_000, forMs: 30_000 },
    cap: { intervalMs: 5_000, dropPercent: 30, risePercent: 10 },
  },
  hold: { lifeMs: 60_000, renewMs: 10_000 },
  receipts: { batchMs: 500, batchSize: 512 },
  devices: { perMember: 100, modelsEach: 64 },
  endpoints: { allowPrivate: true },
  // What costs no token and a few milliseconds: a market on one machine starts as fast as without.
  entry: { checks: ["reach", "device_key"], recheckMs: 86_400_000, promptTokensMax: 4_096, parallelMax: 4 },
  deviceClasses: DeviceClass.standard,
}
