/**
 * What a gateway hands an agent with each dispatch: the promise that this request, served, is paid up to a cap. The
 * gateway signs it with its `ticket` key; the agent serves nothing without a valid one and keeps it for its claim.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Result from "effect/Result"
import { AssetCode } from "@guildhall/core/Asset"
import * as Canonical from "@guildhall/core/Canonical"
import { InstanceId } from "@guildhall/core/Instance"
import { KeySignature } from "@guildhall/core/KeyRing"
import * as Merkle from "@guildhall/core/Merkle"
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
 * Where a ticket stands among those that one signature covers: which one it is, of how many, and the hashes beside the way
 * from it to the root of their Merkle tree, from below, in base64url.
 *
 * @category models
 * @since 0.1.0
 */
export const Together = Schema.Struct({
  index: Schema.Int,
  size: Schema.Int,
  path: Schema.Array(Schema.String),
})
/** @since 0.1.0 */
export type Together = typeof Together.Type

/**
 * A ticket with the market's signature: over {@link bytes} of the ticket alone, or, where it was signed `together` with
 * others, over {@link rootBytes} of their tree. {@link signedBytes} knows which.
 *
 * @category models
 * @since 0.1.0
 */
export const SignedTicket = Schema.Struct({
  ticket: Ticket,
  signature: KeySignature,
  together: Schema.optionalKey(Together),
})
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
 * The bytes of a ticket: what is signed with the purpose `ticket`, or a leaf of the tree whose root is.
 *
 * @category encoding
 * @since 0.1.0
 */
export const bytes = (ticket: Ticket): Uint8Array => Canonical.bytes({ ...ticket, cap: ticket.cap.toString() })

/**
 * What is signed for tickets together: the root of their tree and how many they are. No ticket has bytes like these.
 *
 * @category encoding
 * @since 0.1.0
 */
export const rootBytes = (root: Uint8Array, size: number): Uint8Array =>
  Canonical.bytes({ root: Base64Url.encode(root), size })

const PURPOSE = new TextEncoder().encode("guildhall-ticket-v1\n")

/**
 * What a ticket key really signs: the purpose, then {@link signedBytes}. A signature for another purpose does not pass.
 *
 * @category encoding
 * @since 0.1.0
 */
export const message = (payload: Uint8Array): Uint8Array => {
  const joined = new Uint8Array(PURPOSE.length + payload.length)
  joined.set(PURPOSE)
  joined.set(payload, PURPOSE.length)
  return joined
}

/** A path is never longer than this: so many tickets are never signed together. */
const PATH_MAX = 16

/**
 * The bytes that a ticket's signature is over; `undefined` where its path leads nowhere. `sha256` comes from the platform.
 *
 * @category encoding
 * @since 0.1.0
 */
export const signedBytes = (
  sha256: Merkle.Hash,
  { ticket, together }: Pick<SignedTicket, "ticket" | "together">,
): Uint8Array | undefined => {
  if (together === undefined) return bytes(ticket)
  const { index, path, size } = together
  if (path.length > PATH_MAX) return undefined
  const siblings: Array<Uint8Array> = []
  for (const text of path) {
    const sibling = Base64Url.decode(text)
    if (Result.isFailure(sibling) || sibling.success.length !== 32) return undefined
    siblings.push(sibling.success)
  }
  const root = Merkle.rootFromPath(sha256, bytes(ticket), index, size, siblings)
  return root === undefined ? undefined : rootBytes(root, size)
}
