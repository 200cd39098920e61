/**
 * What the platform pays a provider for a request that a crash cut off.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { MemberId } from "@guildhall/core/Member"
import { NonNegativeAmount } from "@guildhall/core/Money"
import { RequestId } from "@guildhall/core/Request"
import { ids } from "../Account.ts"
import * as Charge from "./Charge.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

/**
 * A claim. `owed` is what the provider owes the market, which is served first.
 *
 * @category models
 * @since 0.1.0
 */
export const Claim = Schema.Struct({
  request: RequestId,
  provider: MemberId,
  amount: Draft.PositiveAmount,
  owed: Schema.optionalKey(NonNegativeAmount),
})
/** @since 0.1.0 */
export type Claim = typeof Claim.Type

/**
 * The funding source of what the platform pays itself, in the provider's accrual.
 *
 * @category constants
 * @since 0.1.0
 */
export const FUNDING_SOURCE = "platform"

/**
 * Moves the amount from `platform:loss` to the provider's accrual. It has the key of the request's settlement, so that one of
 * the two is posted, once; the ledger takes it for a hold that expired only, up to what that kept.
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Claim> = Draft.template("claim", Claim, ({ amount, owed, provider, request }) => ({
  key: Charge.keyOf(request),
  moves: [
    [ids.platformLoss, -amount],
    ...Draft.served(ids.accrual(FUNDING_SOURCE, provider), provider, amount, owed ?? 0n),
  ],
  links: { request },
}))
