/**
 * The agent's own record of what it served: one line for each ticket in a hash chain, whose head it signs with its
 * device key. Ticket, line and signed head together are a claim.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import * as Canonical from "@guildhall/core/Canonical"
import type { DevicePublicKey } from "@guildhall/core/Device"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import { Usage } from "@guildhall/core/Usage"
import { SignedTicket } from "./Ticket.ts"

/**
 * One served ticket. `price` is the sheet whose digest the ticket names, so that a claim can be priced from the line
 * alone. `previous` is the hash of the line before it (64 zeros for the first), `hash` is SHA-256 in hexadecimal
 * over {@link lineBytes}.
 *
 * @category models
 * @since 0.1.0
 */
export const UsageLine = Schema.Struct({
  number: Schema.Int,
  previous: Schema.String,
  ticket: SignedTicket,
  price: PriceSheet.PriceSheet,
  usage: Usage,
  outcome: Schema.Literals(["completed", "aborted", "failed"]),
  endedAtMs: Schema.Int,
  hash: Schema.String,
})
/** @since 0.1.0 */
export type UsageLine = typeof UsageLine.Type

/**
 * The bytes that a line's hash covers: everything but the hash.
 *
 * @category encoding
 * @since 0.1.0
 */
export const lineBytes = (line: Omit<UsageLine, "hash">): Uint8Array =>
  Canonical.bytes({
    number: line.number,
    previous: line.previous,
    requestId: line.ticket.ticket.requestId,
    attempt: line.ticket.ticket.attempt,
    ticket: line.ticket.signature.value,
    price: PriceSheet.json(line.price),
    usage: line.usage,
    outcome: line.outcome,
    endedAtMs: line.endedAtMs,
  })

/**
 * The signed end of the chain: `number` and `hash` of the last line, and an Ed25519 signature of the device key over
 * {@link headBytes}, in base64url.
 *
 * @category models
 * @since 0.1.0
 */
export const UsageHead = Schema.Struct({
  number: Schema.Int,
  hash: Schema.String,
  signature: Schema.String,
})
/** @since 0.1.0 */
export type UsageHead = typeof UsageHead.Type

/**
 * The bytes that the device key signs.
 *
 * @category encoding
 * @since 0.1.0
 */
export const headBytes = (device: typeof DevicePublicKey.Type, head: Omit<UsageHead, "signature">): Uint8Array =>
  Canonical.bytes({ what: "guildhall-usage-head-v1", device, number: head.number, hash: head.hash })

/**
 * What a beat carries of the log: the lines that the market has not acknowledged, oldest first, without a gap up to
 * the head. At most 500 lines travel in one beat. Without lines it is the head of the log alone, signed anew.
 *
 * @category models
 * @since 0.1.0
 */
export const UsageReport = Schema.Struct({
  lines: Schema.Array(UsageLine).pipe(Schema.check(Schema.isMaxLength(500))),
  head: UsageHead,
})
/** @since 0.1.0 */
export type UsageReport = typeof UsageReport.Type
