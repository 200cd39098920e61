/**
 * Where members pay to, beside the rails that are asked for each top-up: addresses that are theirs for good, at which whatever arrives
 * is credited. Who composes a market says so; by default there are none.
 *
 * @since 0.1.0
 */
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import type { MemberId } from "@guildhall/core/Member"
import type { RailError } from "@guildhall/ledger/Movement"
import type { DepositAddress } from "@guildhall/protocol/api/BalanceApi"

/**
 * The addresses of a member. One that was never asked for is given out then.
 *
 * @category references
 * @since 0.1.0
 */
export const Deposits = Context.Reference<
  (member: MemberId) => Effect.Effect<ReadonlyArray<DepositAddress>, RailError>
>("@guildhall/gateway/Deposits", { defaultValue: () => () => Effect.succeed([]) })
