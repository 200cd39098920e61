/**
 * Makes the ticket that goes with each dispatch: the promise that this request, served, is paid up to a cap.
 *
 * @since 0.1.0
 */
import { createHash, hash } from "node:crypto"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Canonical from "@guildhall/core/Canonical"
import type { Instance } from "@guildhall/core/Instance"
import { KeyRing, type KeyRingError, type KeySignature } from "@guildhall/core/KeyRing"
import * as Merkle from "@guildhall/core/Merkle"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { RequestId } from "@guildhall/core/Request"
import * as Split from "@guildhall/core/rules/Split"
import * as Ticket from "@guildhall/protocol/provider/Ticket"
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

/** So many tickets are signed together at most: each more hash of a path makes the header 60 characters longer. */
const TOGETHER_MAX = 64

/** A ticket, as text in its canonical form, that waits for its signature. */
interface Waiting {
  readonly text: string
  readonly resume: (header: Effect.Effect<string, KeyRingError>) => void
}

const sha256 = (bytes: Uint8Array): Uint8Array => hash("sha256", bytes, "buffer")
const base64Url = (bytes: Uint8Array): string => Buffer.from(bytes).toString("base64url")

/** The value of the header: a `SignedTicket` as base64url of its JSON. */
const header = (text: string, signature: KeySignature, together: Ticket.Together | undefined): string => {
  const proof = together === undefined ? "" : `,"together":${JSON.stringify(together)}`
  return Buffer.from(`{"ticket":${text},"signature":${JSON.stringify(signature)}${proof}}`).toString("base64url")
}

/**
 * Signs what is asked for in one turn of the event loop with one signature, which costs more than all the rest of a
 * request's routing: over the one ticket, or over the root of a Merkle tree of them all.
 */
const makeSign = Effect.gen(function* () {
  const keyRing = yield* KeyRing
  const fork = Effect.runForkWith(yield* Effect.context<never>())
  let waiting: Array<Waiting> = []

  const signAll = (batch: ReadonlyArray<Waiting>): void => {
    const leaves = batch.map(({ text }) => Buffer.from(text))
    const [only] = leaves
    if (only === undefined) return
    const tree = leaves.length === 1 ? undefined : Merkle.tree(sha256, leaves)
    const payload = tree === undefined ? only : Ticket.rootBytes(tree.root, leaves.length)
    fork(keyRing.sign("ticket", payload)).addObserver((exit) => {
      for (const [index, { resume, text }] of batch.entries()) {
        if (Exit.isFailure(exit)) {
          resume(Effect.failCause(exit.cause))
          continue
        }
        const path = tree?.paths[index]?.map(base64Url)
        const together = path === undefined ? undefined : { index, size: leaves.length, path }
        resume(Effect.succeed(header(text, exit.value, together)))
      }
    })
  }

  const flush = (): void => {
    const batch = waiting
    waiting = []
    for (let at = 0; at < batch.length; at += TOGETHER_MAX) signAll(batch.slice(at, at + TOGETHER_MAX))
  }

  return (text: string): Effect.Effect<string, KeyRingError> =>
    Effect.callback<string, KeyRingError>((resume) => {
      waiting.push({ text, resume })
      // After everything that the sockets brought in this turn, and before anything else is waited for.
      // oxlint-disable-next-line guildhall/no-ambient -- a turn of the event loop is no time that a clock could tell
      if (waiting.length === 1) setImmediate(flush)
    })
})

/**
 * Makes the function that answers the value of the ticket's header.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const { definition, digest } = yield* Market
  const sign = yield* makeSign

  /** What all tickets of an instance have in common. */
  const facts = new WeakMap<Instance, { readonly head: string; readonly middle: string; readonly tail: string }>()
  const factsOf = (instance: Instance) => {
    const known = facts.get(instance)
    if (known !== undefined) return known
    const made = {
      head: `{"asset":${JSON.stringify(definition.chargeAsset)},"attempt":`,
      middle: `","definitionDigest":${JSON.stringify(digest)},"expiresAtMs":`,
      tail: `,"priceDigest":${JSON.stringify(priceDigest(instance.price))},"requestId":"`,
    }
    facts.set(instance, made)
    return made
  }

  return ({ attempt, hold, instance, nowMs, requestId }: TicketRequest): Effect.Effect<string, KeyRingError> => {
    const cap = Split.share(definition.split, hold).find((part) => part.party === "provider")?.amount ?? 0n
    const { head, middle, tail } = factsOf(instance)
    const expiresAtMs = nowMs + definition.timeouts.totalMs + GRACE_MS
    // A ticket's JSON with its members in the order of the alphabet: the text that is signed, and that travels.
    return sign(
      `${head}${attempt},"cap":"${cap}${middle}${expiresAtMs},"instanceId":${JSON.stringify(instance.id)},"issuedAtMs":${nowMs}${tail}${requestId}"}`,
    )
  }
})
