/**
 * PORT. What members stake: money of their own that gives them a tier and a yield, and that nobody can take from them.
 *
 * Guarantees, each proved by `StakeBookTest.suite`:
 *
 * 1. The same act under the same key is done once and answered alike; another act under the key is a `Conflict`.
 * 2. What was staked is active at once; what is asked back is not active any more, and is paid after the cooldown, to its owner.
 * 3. Before the cooldown is over nothing can be withdrawn; a further request joins the first and starts its cooldown anew.
 * 4. A request that is cancelled is active stake again.
 * 5. A tier counts the stake that was active for the minimum time and still is: a deposit of now gives none.
 * 6. The stake of a past second is found, and does not change.
 * 7. A table of tiers counts from its second on, which is at least the delay away; a table once given is never changed.
 * 8. Rewards are paid from what was funded only: when it is used up, none accrue.
 * 9. Only its owner's own acts lower a stake.
 * 10. What was refused moved nothing, and what came in is active, unbonding, or rewards: the totals sum to what went in less what
 *     went out.
 * 11. While paused nothing comes in, and everything goes out.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import type * as Effect from "effect/Effect"
import type { Act, Asked } from "./Act.ts"
import type { Address } from "./Address.ts"
import type { ChainError } from "./ChainError.ts"

/**
 * A tier: from how much stake on, what it multiplies earnings by (10,000 is once), and where it stands in routing: 0 `overflow`,
 * 1 `normal`, 2 `preferred`, 3 `guaranteed`. The first tier of a table begins at 0.
 *
 * @category models
 * @since 0.1.0
 */
export interface Tier {
  readonly minStake: bigint
  readonly multiplierBps: number
  readonly priority: number
}

/**
 * Tiers in the order of their stake, and the second from which they count. `index` counts the tables from 0.
 *
 * @category models
 * @since 0.1.0
 */
export interface TierTable {
  readonly index: number
  readonly activatesAtS: number
  readonly tiers: ReadonlyArray<Tier>
}

/**
 * What can be done. Amounts are in the stake token's smallest unit; what an act takes from its account, the adapter has the
 * account grant first.
 *
 * - `Stake` puts an amount in. `RequestUnstake` asks for an amount back, `CancelUnstake` takes the request back, `Withdraw`
 *   takes what is ready.
 * - `ClaimRewards` takes the rewards, `FundRewards` gives to all who stake.
 * - `AppendTiers` is the curator's: a table that counts from a second on.
 * - `Pause` and `Unpause` are the pauser's: for a while nothing comes in; what goes out always goes.
 *
 * @category models
 * @since 0.1.0
 */
export type StakeAct = Asked &
  (
    | { readonly _tag: "Stake"; readonly amount: bigint }
    | { readonly _tag: "RequestUnstake"; readonly amount: bigint }
    | { readonly _tag: "CancelUnstake" }
    | { readonly _tag: "Withdraw" }
    | { readonly _tag: "ClaimRewards" }
    | { readonly _tag: "FundRewards"; readonly amount: bigint }
    | { readonly _tag: "AppendTiers"; readonly tiers: ReadonlyArray<Tier>; readonly activatesAtS: number }
    | { readonly _tag: "Pause" }
    | { readonly _tag: "Unpause" }
  )

/**
 * How an account stands now. `aged` is what counts for the tier; `readyAtS` is 0 where nothing is unbonding; `tier` is undefined
 * before the first table counts; `rewards` can be claimed.
 *
 * @category models
 * @since 0.1.0
 */
export interface Standing {
  readonly active: bigint
  readonly aged: bigint
  readonly unbonding: bigint
  readonly readyAtS: number
  readonly tier: Tier | undefined
  readonly rewards: bigint
}

/**
 * What the contract owes: `active` and `unbonding` stake, and `rewards` that were funded and not claimed, whether they accrued to
 * somebody or not. Together they are what it must hold at least.
 *
 * @category models
 * @since 0.1.0
 */
export interface StakeTotals {
  readonly active: bigint
  readonly unbonding: bigint
  readonly rewards: bigint
}

/**
 * The terms under which it stands, for good. Seconds; a yield in basis points a year.
 *
 * @category models
 * @since 0.1.0
 */
export interface StakeTerms {
  readonly token: Address
  readonly cooldownS: number
  readonly minActiveS: number
  readonly apyBps: number
  readonly tierDelayS: number
}

/**
 * What an adapter can do: `atomicGrant`, whether it stakes in one transaction with a signed permit where the token has it.
 *
 * @category models
 * @since 0.1.0
 */
export interface StakeCapabilities {
  readonly atomicGrant: boolean
}

/**
 * The port.
 *
 * @category services
 * @since 0.1.0
 */
export class StakeBook extends Context.Service<
  StakeBook,
  {
    readonly capabilities: StakeCapabilities
    readonly terms: StakeTerms
    readonly act: (act: StakeAct) => Effect.Effect<Act, ChainError>
    readonly standing: (account: Address) => Effect.Effect<Standing, ChainError>
    /** The active stake at a second that is over. */
    readonly stakeAt: (account: Address, timeS: number) => Effect.Effect<bigint, ChainError>
    /** The table that counts at a second; undefined before the first. */
    readonly tiers: (atS: number) => Effect.Effect<TierTable | undefined, ChainError>
    readonly totals: Effect.Effect<StakeTotals, ChainError>
  }
>()("@guildhall/chain/StakeBook") {}
