/**
 * What anyone may know of a market: its terms and its public keys.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as HttpApiEndpoint from "effect/http-api/HttpApiEndpoint"
import * as HttpApiGroup from "effect/http-api/HttpApiGroup"
import * as OpenApi from "effect/http-api/OpenApi"
import { Asset, AssetCode } from "@guildhall/core/Asset"
import { PublishedKey } from "@guildhall/core/KeyRing"
import { MarketDefinition } from "@guildhall/core/MarketDefinition"
import { errors } from "./Problem.ts"

/**
 * A market's terms. `digest` is that of the whole definition, as receipts and tickets name it; prices are whole cents for
 * a million tokens; `wallets` names the chain of the wallets that devices are bound to, if any; `deviceClasses` are the classes of machines, smallest first.
 *
 * @category models
 * @since 0.1.0
 */
export const MarketView = Schema.Struct({
  name: Schema.String,
  digest: Schema.String,
  assets: Schema.Array(Asset),
  chargeAsset: AssetCode,
  prices: MarketDefinition.fields.prices,
  split: MarketDefinition.fields.split,
  limits: MarketDefinition.fields.limits,
  wallets: MarketDefinition.fields.wallets,
  deviceClasses: MarketDefinition.fields.deviceClasses,
  routing: Schema.String,
  topUps: Schema.Array(Schema.String),
})
/** @since 0.1.0 */
export type MarketView = typeof MarketView.Type

/**
 * The group. Needs no key.
 *
 * @category groups
 * @since 0.1.0
 */
export class MarketApi extends HttpApiGroup.make("market")
  .add(
    HttpApiEndpoint.get("terms", "/v1/market", { success: MarketView }).annotate(
      OpenApi.Summary,
      "The market's terms.",
    ),
    HttpApiEndpoint.get("keys", "/.well-known/guildhall-keys.json", {
      success: Schema.Struct({ keys: Schema.Array(PublishedKey) }),
      error: errors(503),
    }).annotate(OpenApi.Summary, "Every public key that the market ever signed with."),
  )
  .annotate(OpenApi.Title, "Market") {}
