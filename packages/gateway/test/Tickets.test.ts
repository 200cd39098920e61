import { assert, describe, it } from "@effect/vitest"
import { hash } from "node:crypto"
import { Effect, Layer, Schema } from "effect"
import * as SecureRandom from "effect/crypto/SecureRandom"
import * as Signature from "effect/crypto/Signature"
import * as KeyRing from "@guildhall/core/KeyRing"
import { RequestId } from "@guildhall/core/Request"
import { definition as local } from "./TestLane.ts"
import * as Ticket from "@guildhall/protocol/provider/Ticket"
import { Market } from "../src/Market.ts"
import * as Tickets from "../src/Tickets.ts"
import * as TestLane from "./TestLane.ts"

const surroundings = KeyRing.layerMemory.pipe(
  Layer.provide(Signature.layerWebCrypto),
  Layer.provide(SecureRandom.layerWebCrypto),
  Layer.merge(Layer.succeed(Market, { definition: local, digest: "d", owner: "gateway", payments: [] })),
)

const decode = Schema.decodeEffect(Schema.fromJsonString(Ticket.SignedTicket))
const sha256 = (bytes: Uint8Array) => hash("sha256", bytes, "buffer")

const request = (number: number): Tickets.TicketRequest => ({
  requestId: RequestId.make(`req_${number.toString(16).padStart(32, "0")}`),
  attempt: 1,
  instance: TestLane.instance("one", "http://127.0.0.1:1"),
  hold: 1_000n,
  nowMs: 1,
})

describe("Tickets", () => {
  it.effect("asked for at once are signed together, 64 at most, and one alone is signed by itself", () =>
    Effect.gen(function* () {
      const ring = yield* KeyRing.KeyRing
      const ticket = yield* Tickets.make
      const read = (header: string) => decode(Buffer.from(header, "base64url").toString())
      const alone = yield* Effect.flatMap(ticket(request(0)), read)
      assert.isUndefined(alone.together)
      const numbers = Array.from({ length: 70 }, (_, number) => number)
      const headers = yield* Effect.forEach(numbers, (number) => ticket(request(number)), { concurrency: "unbounded" })
      const signed = yield* Effect.forEach(headers, read)
      assert.strictEqual(new Set(signed.map(({ signature }) => signature.value)).size, 2)
      assert.deepStrictEqual(
        signed.map(({ together }) => together?.size),
        numbers.map((number) => (number < 64 ? 64 : 6)),
      )
      for (const [number, one] of [alone, ...signed].entries()) {
        const payload = Ticket.signedBytes(sha256, one)
        if (payload === undefined) return assert.fail(`ticket ${number} leads nowhere`)
        assert.isTrue(yield* ring.verify("ticket", payload, one.signature))
      }
    }).pipe(Effect.provide(surroundings)),
  )
})
