/**
 * What the contract Channel emits.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { Amount } from "@guildhall/core/Money"
import { Address } from "../Address.ts"
import { Bytes32 } from "../Hex.ts"
import { Count, event } from "./Position.ts"

/**
 * - `ChannelOpened`, `ChannelToppedUp`: the payer's deposit.
 * - `ChannelSettled`: what the payee took by a voucher. `ChannelClosed`: what it had in all, and what the payer got back.
 * - `CloseRequested`, `CloseRequestCancelled`: how the payer leaves alone, and does not.
 *
 * @category models
 * @since 0.1.0
 */
export const ChannelEvent = Schema.Union([
  event("Channel.ChannelOpened", {
    channelId: Bytes32,
    payer: Address,
    payee: Address,
    token: Address,
    authorizedSigner: Address,
    salt: Bytes32,
    deposit: Amount,
  }),
  event("Channel.ChannelToppedUp", { channelId: Bytes32, from: Address, amount: Amount, deposit: Amount }),
  event("Channel.ChannelSettled", { channelId: Bytes32, amount: Amount, settled: Amount }),
  event("Channel.CloseRequested", { channelId: Bytes32, withdrawableAt: Count }),
  event("Channel.CloseRequestCancelled", { channelId: Bytes32 }),
  event("Channel.ChannelClosed", { channelId: Bytes32, settled: Amount, refunded: Amount }),
])
/** @since 0.1.0 */
export type ChannelEvent = typeof ChannelEvent.Type
