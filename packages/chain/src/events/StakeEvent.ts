/**
 * What the contract Staking emits.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Amount } from "@guildhall/core/Money"
import { Address } from "../Address.ts"
import { Count, event } from "./Position.ts"

/**
 * - `Staked`, `UnstakeRequested`, `UnstakeCancelled`, `Withdrawn`: the way of a stake, in and out.
 * - `RewardsFunded`: what is to be paid to those who stake. `RewardsClaimed`: what was paid to one.
 * - `TiersAppended`: a table of tiers, and from when it counts.
 *
 * @category models
 * @since 0.1.0
 */
export const StakeEvent = Schema.Union([
  event("Staking.Staked", { account: Address, amount: Amount, active: Amount }),
  event("Staking.UnstakeRequested", { account: Address, amount: Amount, unbonding: Amount, readyAt: Count }),
  event("Staking.UnstakeCancelled", { account: Address, amount: Amount, active: Amount }),
  event("Staking.Withdrawn", { account: Address, amount: Amount }),
  event("Staking.RewardsFunded", { from: Address, amount: Amount }),
  event("Staking.RewardsClaimed", { account: Address, amount: Amount }),
  event("Staking.TiersAppended", {
    table: Count,
    activatesAt: Count,
    tiers: Schema.Array(Schema.Struct({ minStake: Amount, multiplierBps: Count, priority: Count })),
  }),
])
/** @since 0.1.0 */
export type StakeEvent = typeof StakeEvent.Type
