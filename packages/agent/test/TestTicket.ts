/** Tickets for tests, signed by a real key ring. */
import { hash } from "node:crypto"
import { Effect, Layer, Schema } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import { AssetCode } from "@guildhall/core/Asset"
import { InstanceId } from "@guildhall/core/Instance"
import * as KeyRing from "@guildhall/core/KeyRing"
import * as Merkle from "@guildhall/core/Merkle"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import { RequestId } from "@guildhall/core/Request"
import * as Ticket from "@guildhall/protocol/provider/Ticket"
import { priceDigest } from "../src/TicketGate.ts"

export const INSTANCE = InstanceId.make("ins_test")
export const PRICE = PriceSheet.perMillionCents({ input: 10n, output: 20n })

export const keyRing = KeyRing.layerMemory.pipe(
  Layer.provide(Signature.layerWebCrypto),
  Layer.provide(SecureRandom.layerWebCrypto),
)

const encode = Schema.encodeSync(Schema.fromJsonString(Ticket.SignedTicket))

export const signed = Effect.fnUntraced(function* (ticket: Ticket.Ticket, purpose: KeyRing.KeyPurpose = "ticket") {
  const ring = yield* KeyRing.KeyRing
  return { ticket, signature: yield* ring.sign(purpose, Ticket.bytes(ticket)) }
})

const sha256 = (bytes: Uint8Array) => hash("sha256", bytes, "buffer")

/** Tickets under one signature, as a gateway makes them that is asked for several at once. */
export const signedTogether = Effect.fnUntraced(function* (tickets: ReadonlyArray<Ticket.Ticket>) {
  const ring = yield* KeyRing.KeyRing
  const { paths, root } = Merkle.tree(sha256, tickets.map(Ticket.bytes))
  const signature = yield* ring.sign("ticket", Ticket.rootBytes(root, tickets.length))
  return tickets.map((ticket, index): Ticket.SignedTicket => {
    const path = (paths[index] ?? []).map((node) => Buffer.from(node).toString("base64url"))
    return { ticket, signature, together: { index, size: tickets.length, path } }
  })
})

export const header = (ticket: Ticket.SignedTicket) => Buffer.from(encode(ticket)).toString("base64url")

export const ticket = (number: number, nowMs: number, fields: Partial<Ticket.Ticket> = {}): Ticket.Ticket => ({
  requestId: RequestId.make(`req_${number.toString(16).padStart(32, "0")}`),
  attempt: 1,
  instanceId: INSTANCE,
  asset: AssetCode.make("USD"),
  cap: 1_000_000_000n,
  priceDigest: priceDigest(PRICE),
  definitionDigest: "d",
  issuedAtMs: nowMs,
  expiresAtMs: nowMs + 60_000,
  ...fields,
})
