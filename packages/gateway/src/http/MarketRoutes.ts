/**
 * What anyone may know: the market's terms, and the keys it signs with.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as HttpApiBuilder from "effect/http-api/HttpApiBuilder"
import { KeyRing } from "@guildhall/core/KeyRing"
import { ControlApi } from "@guildhall/protocol/api/ControlApi"
import { Market } from "../Market.ts"
import * as Problems from "./internal/Problems.ts"

/**
 * The handlers.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = HttpApiBuilder.group(
  ControlApi,
  "market",
  Effect.fnUntraced(function* (handlers) {
    const { definition, digest } = yield* Market
    const ring = yield* KeyRing
    const { assets, chargeAsset, deviceClasses, limits, name, prices, split } = definition
    const terms = {
      name,
      digest,
      assets,
      chargeAsset,
      prices,
      split,
      limits,
      ...(definition.wallets === undefined ? {} : { wallets: definition.wallets }),
      deviceClasses,
      routing: definition.routing.use,
      topUps: definition.topUps.map(({ use }) => use),
    }
    return handlers.handleAll({
      terms: () => Effect.succeed(terms),
      keys: () => Problems.answer(Effect.map(ring.list, (keys) => ({ keys }))),
    })
  }),
)
