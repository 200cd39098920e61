/**
 * What becomes of a device's usage lines. Most were settled long ago and are only acknowledged; a line whose gateway died
 * in the middle is a claim, and is paid from `platform:loss`.
 *
 * @since 0.1.0
 */
import { createHash, createPublicKey, hash, verify as verifySignature } from "node:crypto"
import * as Clock from "effect/Clock"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import { chargeAssetOf } from "@guildhall/core/MarketDefinition"
import type { DeviceId, DevicePublicKey } from "@guildhall/core/Device"
import type { Instance, InstanceId } from "@guildhall/core/Instance"
import { KeyRing, type KeyRingError } from "@guildhall/core/KeyRing"
import * as Money from "@guildhall/core/Money"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { RequestId } from "@guildhall/core/Request"
import * as Split from "@guildhall/core/rules/Split"
import * as HoldContext from "@guildhall/journal/HoldContext"
import type { JournalEntry } from "@guildhall/journal/JournalEntry"
import { type Hold, HoldId } from "@guildhall/ledger/Hold"
import { Ledger } from "@guildhall/ledger/Ledger"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import * as Claim from "@guildhall/ledger/templates/Claim"
import * as Ticket from "@guildhall/protocol/provider/Ticket"
import { headBytes, lineBytes, type UsageLine, type UsageReport } from "@guildhall/protocol/provider/UsageLog"
import { Devices } from "@guildhall/registry/Devices"
import type { RegistryError } from "@guildhall/registry/RegistryError"
import * as AccountOpener from "./AccountOpener.ts"
import { Attestation, type Names } from "./Attestation.ts"
import { Market } from "./Market.ts"
import * as Receipt from "./Receipt.ts"
import * as Tickets from "./Tickets.ts"

/**
 * What came of a report: lines up to `acknowledged` may be forgotten; `refused` are those that are paid nothing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Verdict {
  readonly acknowledged: number
  readonly refused: ReadonlyArray<{ readonly requestId: RequestId; readonly code: ReasonCode }>
}

/**
 * The service.
 *
 * @category services
 * @since 0.1.0
 */
export class Claims extends Context.Service<
  Claims,
  {
    /** Goes through a report of a device that has signed the message it came in. */
    readonly process: (
      device: { readonly id: DeviceId; readonly publicKey: DevicePublicKey },
      report: UsageReport,
    ) => Effect.Effect<Verdict, KeyRingError | RegistryError>
  }
>()("@guildhall/gateway/Claims") {}

/**
 * The kind of the attachment that carries the receipt of a claim to the journal.
 *
 * @category constants
 * @since 0.1.0
 */
export const ATTACHMENT_KIND = "request.claimed"

/** What one line came to: done with, not decided yet, or refused. */
type Fate = "done" | "waiting" | "invalid_ticket" | "invalid_claim"

type OwnInstances = ReadonlyMap<InstanceId, Instance>

const NOTHING: Verdict = { acknowledged: 0, refused: [] }
/** Lines of one report that are decided at a time. */
const CONCURRENT_LINES = 16
/** A ticket is claimed for so long after it ended. */
const CLAIM_MS = 86_400_000
/** A hold is on its way to the store while the request is served; so long it may take. */
const HOLD_MS = 5_000

const isSignedBy = (publicKey: DevicePublicKey, bytes: Uint8Array, signature: string): boolean => {
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: publicKey }, format: "jwk" })
  const value = Buffer.from(signature, "base64url")
  return value.length === 64 && verifySignature(null, bytes, key, value)
}

const sha256 = (bytes: Uint8Array): Uint8Array => hash("sha256", bytes, "buffer")
const lineHash = (line: UsageLine): string => createHash("sha256").update(lineBytes(line)).digest("hex")

/** Whether the lines, if any, are an unbroken chain that ends in the head, and the device signed the head. */
const isIntact = (publicKey: DevicePublicKey, { lines, head }: UsageReport): boolean => {
  let previous: UsageLine | undefined
  for (const line of lines) {
    if (lineHash(line) !== line.hash) return false
    if (previous !== undefined && (line.number !== previous.number + 1 || line.previous !== previous.hash)) return false
    previous = line
  }
  if (previous !== undefined && (previous.number !== head.number || previous.hash !== head.hash)) return false
  return isSignedBy(publicKey, headBytes(publicKey, head), head.signature)
}

/**
 * The most that a claim is paid: the provider's share of what the usage costs, and never more than the ticket's cap. What the
 * hold kept is a limit beside it.
 *
 * @category rules
 * @since 0.1.0
 */
export const worth = (split: Split.Split, line: Pick<UsageLine, "price" | "usage" | "ticket">): bigint => {
  const cost = PriceSheet.cost(line.price, line.usage)
  const share = Split.share(split, cost).find(({ party }) => party === "provider")?.amount ?? 0n
  const { cap } = line.ticket.ticket
  return share < cap ? share : cap
}

/** The receipt's next revision: who served, what was counted, and what the platform paid for its own crash. */
const claimed = (
  first: Extract<JournalEntry, { readonly _tag: "RequestEnded" }>,
  instance: Instance,
  line: UsageLine,
  claim: { readonly paid: bigint; readonly nowMs: number; readonly attested: Names | undefined },
) => {
  const { receipt } = first
  return Receipt.entry(
    {
      ...receipt,
      ...claim.attested,
      revision: receipt.revision + 1,
      provider: instance.memberId,
      device: instance.deviceId,
      instance: instance.id,
      usage: line.usage,
      usageSource: "claimed",
      price: line.price,
      paidFromLoss: claim.paid,
      attempts: line.ticket.ticket.attempt,
      // The device's own clock, within what is possible.
      endedAtMs: Math.min(Math.max(line.endedAtMs, receipt.startedAtMs), claim.nowMs),
    },
    first.salts,
    first.decision,
  )
}

const makePay = Effect.gen(function* () {
  const { definition } = yield* Market
  const ledger = yield* Ledger
  const asset = chargeAssetOf(definition)

  const open = yield* AccountOpener.make

  return Effect.fnUntraced(function* (hold: Hold, instance: Instance, line: UsageLine, attested: Names | undefined) {
    // The ticket of a stream promises what its hold may grow to; what was served beyond what it had grown to, nobody delivered.
    const most = worth(definition.split, line)
    const kept = hold.amount - hold.drawn
    const paid = most < kept ? most : kept
    // Served nothing, or priced at nothing: there is nothing to pay. Another try of the request may still have a claim.
    if (paid === 0n) return "done" as const
    const first = Result.getOrUndefined(HoldContext.entryOf(hold.context))
    if (first?._tag !== "RequestEnded") {
      yield* Effect.logError(`The hold of ${hold.id} does not say what it was for. Its claim cannot be paid.`)
      return "invalid_claim" as const
    }
    const nowMs = yield* Clock.currentTimeMillis
    const body = Receipt.entryJson(claimed(first, instance, line, { paid, nowMs, attested }))
    const posting = yield* Effect.fromResult(
      Claim.posting(
        { request: first.receipt.id, provider: instance.memberId, amount: paid },
        { attachments: [{ kind: ATTACHMENT_KIND, body }] },
      ),
    )
    yield* open(
      posting.legs.map(({ account }) => account),
      asset,
    )
    yield* ledger.claim(hold.id, posting)
    const text = Money.format(paid, asset)
    yield* Effect.logWarning(`${instance.memberId} was paid ${text} ${asset.code} from platform:loss for ${hold.id}.`)
    return "done" as const
  })
})

/** What an error of the ledger means for the line it came up at; the other lines go on. */
const fateOf = (id: RequestId, { reason }: LedgerError): Effect.Effect<Fate> => {
  switch (reason._tag) {
    case "Unavailable":
      return Effect.succeed("waiting")
    // Another try of the same request was paid between the look and the posting.
    case "HoldNotAvailable":
    case "Conflict":
      return Effect.succeed("done")
    default:
      return Effect.as(Effect.logError(`The claim for ${id} cannot be paid: ${reason.message}`), "invalid_claim")
  }
}

const make = Effect.gen(function* () {
  const { definition } = yield* Market
  const ledger = yield* Ledger
  const ring = yield* KeyRing
  const devices = yield* Devices
  const attestation = Option.getOrUndefined(yield* Effect.serviceOption(Attestation))
  const pay = yield* makePay

  /** What the receipt of a claim names: the head that came with its line. */
  const namesOf = (instance: Instance, { head: { hash, number } }: UsageReport): Names | undefined =>
    attestation === undefined ? undefined : { ...attestation.of(instance), usageHead: { number, hash } }

  /** Decides one line. The chain and the device's signature are already checked. */
  const decide = Effect.fnUntraced(function* (
    own: Effect.Effect<OwnInstances, RegistryError>,
    report: UsageReport,
    line: UsageLine,
  ) {
    const { ticket, signature } = line.ticket
    const payload = Ticket.signedBytes(sha256, line.ticket)
    if (payload === undefined || !(yield* ring.verify("ticket", payload, signature))) return "invalid_ticket"
    const hold = yield* ledger.findHold(HoldId.make(ticket.requestId))
    const nowMs = yield* Clock.currentTimeMillis
    // Refused, most likely: then the gateway cancelled at once, and nothing is owed.
    if (hold === undefined) return nowMs - ticket.issuedAtMs < HOLD_MS ? "waiting" : "invalid_claim"
    if (hold.state === "pending") return "waiting"
    if (hold.state !== "expired" || hold.claimed) return "done"
    if (nowMs > ticket.expiresAtMs + CLAIM_MS) return "invalid_ticket"
    const instance = (yield* own).get(ticket.instanceId)
    const fits =
      Tickets.priceDigest(line.price) === ticket.priceDigest &&
      hold.definitionDigest === ticket.definitionDigest &&
      definition.chargeAsset === ticket.asset
    return instance === undefined || !fits
      ? "invalid_claim"
      : yield* pay(hold, instance, line, namesOf(instance, report))
  })

  return Claims.of({
    process: Effect.fn("Claims.process")(function* (device, report) {
      const { lines } = report
      const [first] = lines
      const last = lines.at(-1)
      const refuse = (line: UsageLine, code: Verdict["refused"][number]["code"]) => ({
        requestId: line.ticket.ticket.requestId,
        code,
      })
      if (!isIntact(device.publicKey, report)) {
        yield* Effect.logWarning(
          `${device.id} sent a usage log that is not whole. Its ${lines.length} lines are refused.`,
        )
        return { acknowledged: last?.number ?? 0, refused: lines.map((line) => refuse(line, "invalid_claim")) }
      }
      const standing = attestation === undefined ? "taken" : yield* attestation.report(device, report)
      if (first === undefined || last === undefined) return NOTHING
      // The device hears which head is held and sends its lines again, as they follow that one.
      if (standing === "behind") return { acknowledged: first.number - 1, refused: [] }
      if (standing === "forked") {
        return { acknowledged: last.number, refused: lines.map((line) => refuse(line, "usage_log_forked")) }
      }
      // Read once, and only where a line really is a claim.
      const own = yield* Effect.cached(
        Effect.map(
          devices.instances,
          (listed): OwnInstances =>
            new Map(
              listed.flatMap(({ instance }) => (instance.deviceId === device.id ? [[instance.id, instance]] : [])),
            ),
        ),
      )
      const fates = yield* Effect.forEach(
        lines,
        (line): Effect.Effect<Fate, KeyRingError | RegistryError> =>
          Effect.catchTag(decide(own, report, line), "LedgerError", (error) =>
            fateOf(line.ticket.ticket.requestId, error),
          ),
        { concurrency: CONCURRENT_LINES },
      )
      const waiting = fates.indexOf("waiting")
      return {
        acknowledged: waiting === -1 ? last.number : first.number - 1 + waiting,
        refused: lines.flatMap((line, at) => {
          const fate = fates[at]
          return fate === "invalid_ticket" || fate === "invalid_claim" ? [refuse(line, fate)] : []
        }),
      }
    }),
  })
})

/**
 * Claims against the ledger in context.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Claims, never, Market | Ledger | KeyRing | Devices> = Layer.effect(Claims, make)
