/**
 * A market, as one value: its assets, split, prices, limits and times, and the names of the parts it is made of.
 * Data only: code is named as `{ use, with }` and resolved through `Parts`.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as Digest from "effect/crypto/Digest"
import { Asset, AssetCode } from "./Asset.ts"
import * as Canonical from "./Canonical.ts"
import { ModelId } from "./Model.ts"
import { PartRef } from "./Parts.ts"
import { Split } from "./rules/Split.ts"

const Milliseconds = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 604_800_000 })))
const Positive = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 })))
const Cents = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 100_000_000 })))

/**
 * What a market accepts from one request and one key.
 *
 * @category models
 * @since 0.1.0
 */
export const Limits = Schema.Struct({
  requestBytes: Positive,
  requestBodyMs: Milliseconds,
  outputTokens: Positive,
  requestsPerMinute: Positive,
  concurrentRequests: Positive,
})

/**
 * How long each phase of a request may take; each has its own reason when it is over.
 *
 * @category models
 * @since 0.1.0
 */
export const Timeouts = Schema.Struct({
  connectMs: Milliseconds,
  headersMs: Milliseconds,
  firstTokenMs: Milliseconds,
  betweenTokensMs: Milliseconds,
  totalMs: Milliseconds,
})

/**
 * A market definition.
 *
 * - `split` shares each charge; `routing`, `payments`, `payouts` name parts.
 * - `prices` are whole cents for a million tokens: what a provider asks by default, and the range it may ask in.
 * - `heartbeat`: how often agents report, after how many missed beats and failed checks an instance is offline.
 * - `hold`: how long a hold lives without renewal, and how often its owner renews it.
 * - `ledger.renewalMs` pauses and batch sizes of receipts are in `receipts`.
 *
 * @category models
 * @since 0.1.0
 */
export const MarketDefinition = Schema.Struct({
  name: Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,39}$/))),
  assets: Schema.NonEmptyArray(Asset),
  priceAsset: AssetCode,
  chargeAsset: AssetCode,
  payoutAssets: Schema.Array(AssetCode),
  stakeAsset: Schema.optionalKey(AssetCode),
  split: Split,
  routing: PartRef,
  payments: Schema.NonEmptyArray(PartRef),
  topUps: Schema.Array(PartRef),
  payouts: Schema.Array(PartRef),
  aliases: Schema.Record(Schema.String, ModelId),
  prices: Schema.Struct({
    inputCentsPerMillion: Cents,
    outputCentsPerMillion: Cents,
    maxCentsPerMillion: Cents,
  }),
  limits: Limits,
  timeouts: Timeouts,
  attempts: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 10 }))),
  heartbeat: Schema.Struct({ intervalMs: Milliseconds, missesMax: Positive, checkMs: Milliseconds }),
  hold: Schema.Struct({ lifeMs: Milliseconds, renewMs: Milliseconds }),
  receipts: Schema.Struct({ batchMs: Milliseconds, batchSize: Positive }),
  endpoints: Schema.Struct({ allowPrivate: Schema.Boolean }),
}).pipe(
  Schema.check(
    Schema.makeFilter((definition) => {
      const known = new Set(definition.assets.map((asset) => asset.code))
      for (const code of [definition.priceAsset, definition.chargeAsset, ...definition.payoutAssets]) {
        if (!known.has(code)) return { path: ["assets"], issue: `the asset ${code} is used but not listed.` }
      }
      if (definition.priceAsset !== definition.chargeAsset) {
        return { path: ["chargeAsset"], issue: "charging in another asset than the price's needs a rate source." }
      }
      if (definition.hold.renewMs * 2 > definition.hold.lifeMs) {
        return { path: ["hold", "renewMs"], issue: "a hold must live for at least two renewals." }
      }
      return undefined
    }),
  ),
)
/** @since 0.1.0 */
export type MarketDefinition = typeof MarketDefinition.Type

/**
 * The digest that every request, hold and receipt stores: SHA-256 of the canonical bytes, in hexadecimal.
 *
 * @category encoding
 * @since 0.1.0
 */
export const digest = Effect.fnUntraced(function* (definition: MarketDefinition) {
  const json = yield* Schema.encodeEffect(Schema.toCodecJson(MarketDefinition))(definition)
  const digest = yield* Digest.Digest
  return yield* digest.digestHex(Digest.sha256, Canonical.bytes(json as Canonical.Json))
})
