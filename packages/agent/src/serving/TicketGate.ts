/**
 * Decides whether a request may be served: only with a ticket that the market signed, for an instance of this agent, before it
 * expires, once. It is synchronous and runs on the byte path.
 *
 * @since 0.1.0
 */
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Hex from "effect/encoding/Hex"
import * as Canonical from "@guildhall/core/Canonical"
import type { InstanceId } from "@guildhall/core/Instance"
import type { KeySignature, PublishedKey } from "@guildhall/core/KeyRing"
import type * as Merkle from "@guildhall/core/Merkle"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import * as Ticket from "@guildhall/protocol/provider/Ticket"
import type { OpenAIError } from "./OpenAIError.ts"

/**
 * The gate.
 *
 * - `admit` looks at the value of the `guildhall-ticket` header at a time in milliseconds since 1970.
 * - `use` marks an admitted ticket as served: the same request and attempt is refused from then on. It answers `false` where the gate
 *   remembers as many as it can, which only a flood causes.
 * - `learn` replaces the market's keys and the instances that tickets may name.
 * - `offer` takes tickets for another price sheet as well; `settle` ends the others at a time, so that what the market sends until
 *   then is served. `priceOf` is the sheet that a ticket of one of them is for.
 *
 * @category models
 * @since 0.1.0
 */
export interface TicketGate {
  readonly offer: (price: PriceSheet.PriceSheet) => void
  readonly settle: (price: PriceSheet.PriceSheet, othersUntilMs: number) => void
  readonly priceOf: (ticket: Ticket.Ticket) => PriceSheet.PriceSheet | undefined
  readonly admit: (header: string | undefined, nowMs: number) => Result.Result<Ticket.SignedTicket, OpenAIError>
  readonly use: (ticket: Ticket.Ticket, nowMs: number) => boolean
  readonly learn: (market: {
    readonly keys: ReadonlyArray<PublishedKey>
    readonly instances: ReadonlyArray<InstanceId>
  }) => void
}

/**
 * Hashes and checks signatures, as the platform does it. `verifier` reads the market's keys once and then checks the signatures
 * of payloads: over `Ticket.message`, by those of its keys whose purpose is `ticket`.
 *
 * @category models
 * @since 0.1.0
 */
export interface Platform {
  readonly sha256: Merkle.Hash
  readonly verifier: (keys: ReadonlyArray<PublishedKey>) => Verifier
}

/**
 * A check of a payload against a signature.
 *
 * @category models
 * @since 0.1.0
 */
export type Verifier = (payload: Uint8Array, signature: KeySignature) => boolean

/**
 * What a ticket names a price sheet by: SHA-256, in hexadecimal, of its canonical JSON with amounts as decimal strings.
 *
 * @category encoding
 * @since 0.1.0
 */
export const priceDigest = (sha256: Merkle.Hash, sheet: PriceSheet.PriceSheet): string =>
  Hex.encode(sha256(Canonical.bytes(PriceSheet.json(sheet))))

/** A former price is worth nothing any more after so long. */
const FORMER_MAX_MS = 600_000

/** A ticket is about 700 characters, and 60 for each hash of its path. */
const MAX_HEADER = 8_192
const decode = Schema.decodeUnknownResult(Schema.fromJsonString(Ticket.SignedTicket))

const refuse = (message: string) => Result.fail<OpenAIError>({ status: 401, code: "invalid_ticket", message })

const identity = (ticket: Ticket.Ticket) => `${ticket.requestId}:${ticket.attempt}`

/**
 * Makes a gate that knows no key yet and so admits nothing. Tickets must be for `price`, the sheet that the provider asks, or one
 * that it offers later. `maxRemembered` bounds how many served tickets it keeps in mind until they
 * expire; `served` are those that a run before this one has served.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: {
  readonly platform: Platform
  readonly price: PriceSheet.PriceSheet
  readonly maxRemembered?: number
  readonly served?: ReadonlyArray<Ticket.Ticket>
}): TicketGate => {
  const maxRemembered = options.maxRemembered ?? 65_536
  const remembered = new Map<string, number>()
  for (const ticket of options.served ?? []) remembered.set(identity(ticket), ticket.expiresAtMs)
  const { sha256, verifier } = options.platform
  const sheets = new Map<string, { readonly price: PriceSheet.PriceSheet; readonly untilMs: number }>()
  const offer = (price: PriceSheet.PriceSheet): void => {
    sheets.set(priceDigest(sha256, price), { price, untilMs: Infinity })
  }
  offer(options.price)
  let keys = verifier([])
  let instances: ReadonlySet<string> = new Set()

  const forgetExpired = (nowMs: number) => {
    for (const [id, expiresAtMs] of remembered) if (expiresAtMs < nowMs) remembered.delete(id)
  }

  return {
    admit: (header, nowMs) => {
      if (header === undefined) {
        return refuse(
          `This is a provider of a market and serves only requests that the market sends. Send yours to the market's gateway. (No "${Ticket.HEADER}" header.)`,
        )
      }
      if (header.length > MAX_HEADER) return refuse("The ticket is larger than any ticket is.")
      const decoded = Result.flatMap(Base64Url.decodeString(header), decode)
      if (Result.isFailure(decoded)) return refuse("The ticket cannot be read.")
      const { ticket, signature } = decoded.success
      const payload = Ticket.signedBytes(sha256, decoded.success)
      if (payload === undefined || !keys(payload, signature))
        return refuse("The ticket was not signed by a key of this market.")
      if (ticket.expiresAtMs < nowMs) return refuse("The ticket has expired. Check that both clocks are right.")
      if (!instances.has(ticket.instanceId)) return refuse("The ticket is for another instance.")
      const sheet = sheets.get(ticket.priceDigest)
      if (sheet === undefined || sheet.untilMs < nowMs)
        return refuse("The ticket is for another price than this provider asks.")
      if (remembered.has(identity(ticket))) return refuse("The ticket was used before.")
      return Result.succeed(decoded.success)
    },
    use: (ticket, nowMs) => {
      if (remembered.size >= maxRemembered) forgetExpired(nowMs)
      if (remembered.size >= maxRemembered) return false
      remembered.set(identity(ticket), ticket.expiresAtMs)
      return true
    },
    offer,
    settle: (price, othersUntilMs) => {
      const kept = priceDigest(sha256, price)
      for (const [digest, sheet] of sheets) {
        if (digest === kept) continue
        // What was over when the last price came is forgotten with this one, so a few are kept at most.
        if (sheet.untilMs < othersUntilMs - FORMER_MAX_MS) sheets.delete(digest)
        else sheets.set(digest, { ...sheet, untilMs: Math.min(sheet.untilMs, othersUntilMs) })
      }
    },
    priceOf: ({ priceDigest: digest }) => sheets.get(digest)?.price,
    learn: (market) => {
      keys = verifier(market.keys)
      instances = new Set(market.instances)
    },
  }
}
