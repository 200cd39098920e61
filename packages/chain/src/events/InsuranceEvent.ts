/**
 * What the contract InsurancePool emits.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Amount } from "@guildhall/core/Money"
import { Address } from "../Address.ts"
import { Bytes32 } from "../Hex.ts"
import { Count, event } from "./Position.ts"

/**
 * - `Deposited`: a slash, or a gift.
 * - `ClaimsProposed` sets `total` aside for an incident, `ClaimsCancelled` puts it back, `ClaimPaid` pays one buyer of it, and
 *   `ClaimsExpired` puts back what nobody took in time.
 *
 * @category models
 * @since 0.1.0
 */
export const InsuranceEvent = Schema.Union([
  event("InsurancePool.Deposited", { from: Address, amount: Amount }),
  event("InsurancePool.ClaimsProposed", {
    epoch: Count,
    incident: Bytes32,
    root: Bytes32,
    total: Amount,
    payableAt: Count,
  }),
  event("InsurancePool.ClaimsCancelled", { epoch: Count, incident: Bytes32, root: Bytes32, total: Amount }),
  event("InsurancePool.ClaimPaid", { epoch: Count, incident: Bytes32, account: Address, amount: Amount }),
  event("InsurancePool.ClaimsExpired", { epoch: Count, incident: Bytes32, returned: Amount }),
])
/** @since 0.1.0 */
export type InsuranceEvent = typeof InsuranceEvent.Type
