/**
 * What the lane must be told of the market it serves.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import type { PaymentScheme } from "@guildhall/ledger/PaymentScheme"

/**
 * The market as the composition of an app gives it. `digest` is `MarketDefinition.digest` of the definition; `owner`
 * names this process, whose holds it renews, and must be new at every start; `payments` are the schemes that the
 * definition names, resolved, in its order.
 *
 * @category services
 * @since 0.1.0
 */
export class Market extends Context.Service<
  Market,
  {
    readonly definition: MarketDefinition
    readonly digest: string
    readonly owner: string
    readonly payments: ReadonlyArray<PaymentScheme>
  }
>()("@guildhall/gateway/Market") {}
