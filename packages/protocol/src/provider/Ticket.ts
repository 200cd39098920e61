/**
 * What a gateway hands an agent with each dispatch: the promise that this request, served, is paid up to a cap. The
 * gateway signs it with its `ticket` key; the agent serves nothing without a valid one and keeps it for its claim.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AssetCode } from "@guildhall/core/Asset"
import * as Canonical from "@guildhall/core/Canonical"
import { InstanceId } from "@guildhall/core/Instance"
import { KeySignature } from "@guildhall/core/KeyRing"
import { NonNegativeAmount } from "@guildhall/core/Money"
import { RequestId } from "@guildhall/core/Request"

/**
 * A ticket. `cap` is the provider's share at most, in the smallest unit of `asset`; `attempt` counts from 1; a ticket
 * is served until `expiresAtMs` and claimed for at most a day after.
 *
 * @category models
 * @since 0.1.0
 */
export const Ticket = Schema.Struct({
  requestId: RequestId,
  attempt: Schema.Int,
  instanceId: InstanceId,
  asset: AssetCode,
  cap: NonNegativeAmount,
  priceDigest: Schema.String,
  definitionDigest: Schema.String,
  issuedAtMs: Schema.Int,
  expiresAtMs: Schema.Int,
})
/** @since 0.1.0 */
export type Ticket = typeof Ticket.Type

/**
 * A ticket with the market's signature over {@link bytes}.
 *
 * @category models
 * @since 0.1.0
 */
export const SignedTicket = Schema.Struct({ ticket: Ticket, signature: KeySignature })
/** @since 0.1.0 */
export type SignedTicket = typeof SignedTicket.Type

/**
 * The header that carries a signed ticket, as base64url of its JSON.
 *
 * @category constants
 * @since 0.1.0
 */
export const HEADER = "guildhall-ticket"

/**
 * The bytes that are signed with the purpose `ticket`.
 *
 * @category encoding
 * @since 0.1.0
 */
export const bytes = (ticket: Ticket): Uint8Array => Canonical.bytes({ ...ticket, cap: ticket.cap.toString() })
