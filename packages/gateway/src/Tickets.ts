/**
 * Makes the ticket that goes with each dispatch: the promise that this request, served, is paid up to a cap.
 *
 * @since 0.1.0
 */
import { createHash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Canonical from "@guildhall/core/Canonical"
import type { Instance } from "@guildhall/core/Instance"
import { KeyRing, type KeyRingError } from "@guildhall/core/KeyRing"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { RequestId } from "@guildhall/core/Request"
import * as Split from "@guildhall/core/rules/Split"
import type * as Ticket from "@guildhall/protocol/provider/Ticket"
import { Market } from "./Market.ts"

const digests = new WeakMap<PriceSheet.PriceSheet, string>()

/**
 * The digest of a price sheet: SHA-256, in hexadecimal, of its canonical JSON with amounts as decimal strings.
 *
 * **Example** (Equal sheets have equal digests)
 *
 * ```ts
 * import { PriceSheet } from "@guildhall/core"
 * import { Tickets } from "@guildhall/gateway"
 *
 * const sheet = () => PriceSheet.perMillionCents({ input: 10n, output: 20n })
 * Tickets.priceDigest(sheet()) === Tickets.priceDigest(sheet()) // => true
 * ```
 *
 * @category encoding
 * @since 0.1.0
 */
export const priceDigest = (sheet: PriceSheet.PriceSheet): string => {
  const known = digests.get(sheet)
  if (known !== undefined) return known
  const digest = createHash("sha256")
    .update(Canonical.bytes(PriceSheet.json(sheet)))
    .digest("hex")
  digests.set(sheet, digest)
  return digest
}

/** How long an agent may still present a ticket after the request must be over. */
const GRACE_MS = 60_000

/**
 * What a ticket is made for. `hold` is the whole amount held; the cap is the provider's share of it.
 *
 * @category models
 * @since 0.1.0
 */
export interface TicketRequest {
  readonly requestId: RequestId
  readonly attempt: number
  readonly instance: Instance
  readonly hold: bigint
  readonly nowMs: number
}

/**
 * Makes the function that answers the value of the ticket's header.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const { definition, digest } = yield* Market
  const keyRing = yield* KeyRing

  return (request: TicketRequest): Effect.Effect<string, KeyRingError> => {
    const { instance, nowMs } = request
    const share = Split.share(definition.split, request.hold).find((part) => part.party === "provider")
    // Keys in the order of the alphabet: this text is both the canonical one that is signed and the one that travels.
    const encoded: typeof Ticket.Ticket.Encoded = {
      asset: definition.chargeAsset,
      attempt: request.attempt,
      cap: (share?.amount ?? 0n).toString(),
      definitionDigest: digest,
      expiresAtMs: nowMs + definition.timeouts.totalMs + GRACE_MS,
      instanceId: instance.id,
      issuedAtMs: nowMs,
      priceDigest: priceDigest(instance.price),
      requestId: request.requestId,
    }
    const ticket = JSON.stringify(encoded)
    return Effect.map(keyRing.sign("ticket", Buffer.from(ticket)), (signature) =>
      Buffer.from(`{"ticket":${ticket},"signature":${JSON.stringify(signature)}}`).toString("base64url"),
    )
  }
})
