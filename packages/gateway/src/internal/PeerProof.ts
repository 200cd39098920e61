import { randomBytes } from "node:crypto"
import type { IncomingHttpHeaders } from "node:http"
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import type { KeyRing } from "@guildhall/core/KeyRing"
import { KeySignature } from "@guildhall/core/KeyRing"

/**
 * How gateways of one market know each other: both sign, with the key ring that they share, what only this connection
 * says. Signed with the key of tickets; a ticket is JSON, and this never is.
 */

/** The path on which a gateway is asked by others. */
export const PATH = "/v1/peers/tunnel"

/** Names the device in a request that is passed on; its presence is also what makes a second hop impossible. */
export const DEVICE_HEADER = "guildhall-tunnel-device"

const CLAIM = "guildhall-peer"
const SIGNATURE = "guildhall-peer-signature"
const SKEW_MS = 60_000
const NONCES_MAX = 10_000

/** What a gateway says when it dials another. Both are named, so that it can be shown to nobody else. */
const Claim = Schema.fromJsonString(
  Schema.Struct({
    from: Schema.String.pipe(Schema.check(Schema.isMaxLength(200))),
    to: Schema.String.pipe(Schema.check(Schema.isMaxLength(200))),
    issuedAtMs: Schema.Int,
    nonce: Schema.String.pipe(Schema.check(Schema.isPattern(/^[0-9a-f]{32}$/))),
  }),
)
type Claim = typeof Claim.Type

const decodeClaim = Schema.decodeUnknownOption(Claim)
const encodeClaim = Schema.encodeSync(Claim)
const decodeSignature = Schema.decodeUnknownOption(Schema.fromJsonString(KeySignature))

const bytes = (kind: "asks" | "answers", claim: Claim): Uint8Array =>
  new TextEncoder().encode(
    `guildhall-peer-v1\n${kind}\n${claim.from}\n${claim.to}\n${claim.issuedAtMs}\n${claim.nonce}\n`,
  )

const text = (value: string | ReadonlyArray<string> | undefined): string =>
  typeof value === "string" && value.length < 2_000 ? Buffer.from(value, "base64url").toString() : ""

const pack = (value: string): string => Buffer.from(value).toString("base64url")

/** The claim of one dial, and the headers that carry it. */
export const claim = Effect.fnUntraced(function* (
  ring: KeyRing["Service"],
  said: { readonly from: string; readonly to: string; readonly nowMs: number },
) {
  const made: Claim = {
    from: said.from,
    to: said.to,
    issuedAtMs: said.nowMs,
    nonce: randomBytes(16).toString("hex"),
  }
  const signature = yield* ring.sign("ticket", bytes("asks", made))
  return { made, headers: { [CLAIM]: pack(encodeClaim(made)), [SIGNATURE]: pack(JSON.stringify(signature)) } }
})

/** Makes the check of claims that are for the gateway of a name. Each is taken once, and only while it is fresh. */
export const makeCheck = (ring: KeyRing["Service"], name: string) => {
  const seen = new Map<string, number>()
  return Effect.fnUntraced(function* (headers: IncomingHttpHeaders, nowMs: number) {
    const said = Option.getOrUndefined(decodeClaim(text(headers[CLAIM])))
    const signature = Option.getOrUndefined(decodeSignature(text(headers[SIGNATURE])))
    if (said === undefined || signature === undefined || said.to !== name) return undefined
    if (Math.abs(nowMs - said.issuedAtMs) > SKEW_MS) return undefined
    for (const [nonce, atMs] of seen) if (nowMs - atMs > 2 * SKEW_MS) seen.delete(nonce)
    if (seen.has(said.nonce) || seen.size >= NONCES_MAX) return undefined
    const isOurs = yield* Effect.orElseSucceed(ring.verify("ticket", bytes("asks", said), signature), () => false)
    // Looked at again: another with the same nonce may have been checked at the same time.
    if (!isOurs || seen.has(said.nonce)) return undefined
    seen.set(said.nonce, nowMs)
    const answer = yield* Effect.option(ring.sign("ticket", bytes("answers", said)))
    return Option.getOrUndefined(Option.map(answer, (signed) => `${SIGNATURE}: ${pack(JSON.stringify(signed))}`))
  })
}

/** Whether the gateway that was dialed showed that it has the same keys. */
export const isAnswer = (ring: KeyRing["Service"], made: Claim, headers: IncomingHttpHeaders) => {
  const signature = Option.getOrUndefined(decodeSignature(text(headers[SIGNATURE])))
  return signature === undefined
    ? Effect.succeed(false)
    : Effect.orElseSucceed(ring.verify("ticket", bytes("answers", made), signature), () => false)
}
