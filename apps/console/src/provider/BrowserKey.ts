/**
 * The Ed25519 key of this browser as a device. It is made here and cannot be taken out: not by a script, not by this page. It
 * signs what the page says to the market, and can do nothing else.
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Base64Url from "effect/encoding/Base64Url"
import * as Hex from "effect/encoding/Hex"
import { DeviceId, DevicePublicKey, fingerprint } from "@guildhall/core/Device"
import * as DeviceProof from "@guildhall/protocol/provider/DeviceProof"
import * as SignedRequest from "@guildhall/protocol/provider/SignedRequest"
import { headBytes, type UsageHead } from "@guildhall/protocol/provider/UsageLog"
import type * as UsageLog from "@guildhall/agent/serving/UsageLog"
import { BrowserError, wordsOf } from "./BrowserError.ts"
import { answer, type Database } from "./Database.ts"

/** The key, as `DeviceKey` of the agent has it; a browser signs later, not at once. */
export interface BrowserKey {
  readonly id: DeviceId
  readonly publicKey: DevicePublicKey
  readonly fingerprint: string
  readonly signRequest: (request: Request) => Effect.Effect<Readonly<Record<string, string>>, BrowserError>
  /** Signs what is sent last: it comes after everything that is signed in the next two minutes. */
  readonly signLast: (request: Request) => Effect.Effect<Readonly<Record<string, string>>, BrowserError>
  readonly signHead: (head: UsageLog.Base) => Effect.Effect<UsageHead, BrowserError>
  readonly signProof: (
    nonce: string,
    serves: ReadonlyArray<DeviceProof.Commitment>,
  ) => Effect.Effect<DeviceProof.DeviceProof, BrowserError>
  readonly skipAhead: Effect.Effect<void>
}

interface Request {
  readonly method: string
  readonly path: string
  readonly body: Uint8Array
}

interface Stored {
  readonly publicKey: string
  readonly privateKey: CryptoKey
}

/** How many numbers one write reserves: at one a millisecond, ten minutes. */
const RESERVE = 600_000
/** So far ahead of the others is the number of what is sent last. */
const LAST_AHEAD = 120_000
const KEY = "key"
const RESERVED = "reserved"

const cannot = (cause: unknown) =>
  new BrowserError(
    `This browser cannot make or use an Ed25519 key: ${wordsOf(cause)} Use a current Chrome, Edge, Firefox or Safari.`,
  )

const subtle = Effect.suspend(() =>
  globalThis.crypto?.subtle === undefined
    ? Effect.fail(
        new BrowserError(
          "This page was not loaded over a secure connection, and without one a browser makes no keys. Open the market by its https:// address, or on its own machine by http://localhost.",
        ),
      )
    : Effect.succeed(globalThis.crypto.subtle),
)

/** Bytes in memory that nobody shares, as WebCrypto wants them. */
const own = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => new Uint8Array(bytes)

const create = Effect.fnUntraced(function* (database: Database) {
  const crypto = yield* subtle
  const made = yield* Effect.tryPromise({
    try: async (): Promise<Stored> => {
      const pair = await crypto.generateKey("Ed25519", false, ["sign", "verify"])
      if (!("privateKey" in pair)) throw new Error("It made no pair of keys.")
      const raw = new Uint8Array(await crypto.exportKey("raw", pair.publicKey))
      return { publicKey: Base64Url.encode(raw), privateKey: pair.privateKey }
    },
    catch: cannot,
  })
  yield* database.write(["device"], (store) => answer(store("device").put(made, KEY)))
  return made
})

const isStored = (value: unknown): value is Stored =>
  typeof value === "object" && value !== null && "publicKey" in value && "privateKey" in value

/** Finds the key of this browser, or makes it. */
export const open = Effect.fnUntraced(function* (database: Database) {
  const found: unknown = yield* database.read(["device"], (store) => answer(store("device").get(KEY)))
  const { privateKey, publicKey: text } = isStored(found) ? found : yield* create(database)
  const crypto = yield* subtle
  const publicKey = DevicePublicKey.make(text)
  const raw = yield* Effect.mapError(Effect.fromResult(Base64Url.decode(text)), cannot)
  const hash = yield* Effect.tryPromise({
    try: async () => Hex.encode(new Uint8Array(await crypto.digest("SHA-256", own(raw)))),
    catch: cannot,
  })
  const sign = (bytes: Uint8Array) =>
    Effect.tryPromise({
      try: async () => Base64Url.encode(new Uint8Array(await crypto.sign("Ed25519", privateKey, own(bytes)))),
      catch: cannot,
    })

  const kept: unknown = yield* database.read(["device"], (store) => answer(store("device").get(RESERVED)))
  // What was reserved may have been used before the page went, so this one begins above it.
  let reserved = typeof kept === "number" ? kept : 0
  let last = reserved
  const reserve = Effect.fnUntraced(function* (sequence: number) {
    if (sequence <= reserved) return
    reserved = sequence + RESERVE
    const limit = reserved
    yield* database.write(["device"], (store) => answer(store("device").put(limit, RESERVED)))
  })
  const signed = Effect.fnUntraced(function* (request: Request, issuedAtMs: number, sequence: number) {
    yield* reserve(sequence)
    return {
      [SignedRequest.HEADERS.device]: publicKey,
      [SignedRequest.HEADERS.signature]: yield* sign(SignedRequest.bytes({ ...request, issuedAtMs, sequence })),
      [SignedRequest.HEADERS.issuedAt]: String(issuedAtMs),
      [SignedRequest.HEADERS.sequence]: String(sequence),
    }
  })

  const made: BrowserKey = {
    id: DeviceId.make(`dev_${hash.slice(0, 32)}`),
    publicKey,
    fingerprint: fingerprint(hash),
    signRequest: Effect.fnUntraced(function* (request) {
      const nowMs = yield* Clock.currentTimeMillis
      last = Math.max(last + 1, nowMs)
      return yield* signed(request, nowMs, last)
    }),
    signLast: Effect.fnUntraced(function* (request) {
      const nowMs = yield* Clock.currentTimeMillis
      return yield* signed(request, nowMs, Math.max(last, nowMs) + LAST_AHEAD)
    }),
    signHead: (head) => Effect.map(sign(headBytes(publicKey, head)), (signature) => ({ ...head, signature })),
    signProof: (nonce, serves) => {
      const proof = { device: publicKey, nonce, serves }
      return Effect.map(sign(DeviceProof.bytes(proof)), (signature) => ({ ...proof, signature }))
    },
    skipAhead: Effect.sync(() => {
      last += RESERVE
    }),
  }
  return made
})
