/**
 * The gate of `serving/TicketGate`, with Node's hash and signatures.
 *
 * @since 0.1.0
 */
import * as Crypto from "node:crypto"
import type * as PriceSheet from "@guildhall/core/PriceSheet"
import type { Ticket } from "@guildhall/protocol/provider/Ticket"
import * as Gate from "./serving/TicketGate.ts"
import * as TicketSignature from "./TicketSignature.ts"

const sha256 = (bytes: Uint8Array): Uint8Array => Crypto.hash("sha256", bytes, "buffer")

/**
 * What a ticket names a price sheet by: SHA-256, in hexadecimal, of its canonical JSON with amounts as decimal strings.
 *
 * @category encoding
 * @since 0.1.0
 */
export const priceDigest = (sheet: PriceSheet.PriceSheet): string => Gate.priceDigest(sha256, sheet)

/**
 * Makes a gate that knows no key yet and so admits nothing. Tickets must be for `price`, the sheet that the provider asks. `maxRemembered` bounds how many served tickets it keeps in mind until they
 * expire; `served` are those that a run before this one has served.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: {
  readonly price: PriceSheet.PriceSheet
  readonly maxRemembered?: number
  readonly served?: ReadonlyArray<Ticket>
}): Gate.TicketGate => Gate.make({ ...options, platform: { sha256, verifier: TicketSignature.verifier } })
