/**
 * What becomes of a device's usage lines. Most were settled long ago and are only acknowledged; a line whose gateway died
 * in the middle is a claim, and is paid from `platform:loss`.
 *
 * @since 0.1.0
 */
import { createHash, createPublicKey, verify as verifySignature } from "node:crypto"
import * as Context from "effect/Context"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import type { DeviceId, DevicePublicKey } from "@guildhall/core/Device"
import type { Instance } from "@guildhall/core/Instance"
import { KeyRing, type KeyRingError } from "@guildhall/core/KeyRing"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { ReasonCode } from "@guildhall/core/Reason"
import type { RequestId } from "@guildhall/core/Request"
import * as Split from "@guildhall/core/rules/Split"
import { type JournalEntry, JournalEntryJson } from "@guildhall/journal/JournalEntry"
import * as Account from "@guildhall/ledger/Account"
import { type Hold, HoldId } from "@guildhall/ledger/Hold"
import { Ledger } from "@guildhall/ledger/Ledger"
import { HoldNotAvailable, type LedgerError } from "@guildhall/ledger/LedgerError"
import * as Ticket from "@guildhall/protocol/provider/Ticket"
import { headBytes, lineBytes, type UsageLine, type UsageReport } from "@guildhall/protocol/provider/UsageLog"
import { Devices } from "@guildhall/registry/Devices"
import type { RegistryError } from "@guildhall/registry/RegistryError"
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
    ) => Effect.Effect<Verdict, LedgerError | KeyRingError | RegistryError>
  }
>()("@guildhall/gateway/Claims") {}

/** What one line came to: done with, not decided yet, or refused. */
type Fate = "done" | "waiting" | ReasonCode

const isSignedBy = (publicKey: DevicePublicKey, bytes: Uint8Array, signature: string): boolean => {
  const key = createPublicKey({ key: { kty: "OKP", crv: "Ed25519", x: publicKey }, format: "jwk" })
  const value = Buffer.from(signature, "base64url")
  return value.length === 64 && verifySignature(null, bytes, key, value)
}

const lineHash = (line: UsageLine): string => createHash("sha256").update(lineBytes(line)).digest("hex")

/** Whether the lines are an unbroken chain up to the head, and the device signed the head. */
const isIntact = (publicKey: DevicePublicKey, { lines, head }: UsageReport): boolean => {
  let previous: UsageLine | undefined
  for (const line of lines) {
    if (lineHash(line) !== line.hash) return false
    if (previous !== undefined && (line.number !== previous.number + 1 || line.previous !== previous.hash)) return false
    previous = line
  }
  // A report that is cut at its limit ends before the head: what follows comes with the next beat.
  if (
    previous !== undefined &&
    (previous.number > head.number || (previous.number === head.number && previous.hash !== head.hash))
  ) {
    return false
  }
  return isSignedBy(publicKey, headBytes(publicKey, head), head.signature)
}

/**
 * The most that a claim is paid: the provider's share of what the usage costs, and never more than the ticket's cap.
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

const decodeEntry = Schema.decodeUnknownEffect(JournalEntryJson)

/** The receipt's next revision: who served, what was counted, and what the platform paid for its own crash. */
const claimed = (
  first: Extract<JournalEntry, { readonly _tag: "RequestEnded" }>,
  instance: Instance,
  line: UsageLine,
  paid: bigint,
) =>
  Receipt.entry(
    {
      ...first.receipt,
      revision: 1,
      provider: instance.memberId,
      device: instance.deviceId,
      instance: instance.id,
      usage: line.usage,
      usageSource: "claimed",
      price: line.price,
      paidFromLoss: paid,
      attempts: line.ticket.ticket.attempt,
      endedAtMs: line.endedAtMs,
    },
    first.salts,
    first.decision,
  )

const make = Effect.gen(function* () {
  const { definition } = yield* Market
  const ledger = yield* Ledger
  const ring = yield* KeyRing
  const devices = yield* Devices
  const asset = definition.chargeAsset

  const pay = Effect.fnUntraced(function* (hold: Hold, instance: Instance, line: UsageLine) {
    const paid = worth(definition.split, line)
    // Served nothing, or priced at nothing: there is nothing to pay, and nothing more to come.
    if (paid === 0n) return "done" as const
    const first = yield* Effect.orElseSucceed(decodeEntry(hold.context), () => undefined)
    if (first?._tag !== "RequestEnded") return "invalid_claim" as const
    const provider = Account.ids.accrual("platform", instance.memberId)
    yield* ledger.open({ id: Account.ids.platformLoss, kind: "platform", asset, floor: null })
    yield* ledger.open({ id: provider, kind: "accrual", asset, floor: 0n })
    yield* ledger.claim(hold.id, {
      idempotencyKey: `request:${line.ticket.ticket.requestId}`,
      kind: "claim",
      legs: [
        { account: Account.ids.platformLoss, amount: -paid },
        { account: provider, amount: paid },
      ],
      attachments: [{ kind: "request.claimed", body: Receipt.entryJson(claimed(first, instance, line, paid)) }],
    })
    return "done" as const
  })

  /** Decides one line. The chain and the device's signature are already checked. */
  const decide = Effect.fnUntraced(function* (own: ReadonlyMap<string, Instance>, line: UsageLine) {
    const { ticket, signature } = line.ticket
    const isOurs = yield* ring.verify("ticket", Ticket.bytes(ticket), signature)
    const instance = own.get(ticket.instanceId)
    if (!isOurs) return "invalid_ticket" as const
    if (instance === undefined || Tickets.priceDigest(line.price) !== ticket.priceDigest)
      return "invalid_claim" as const
    const hold = yield* ledger.findHold(HoldId.make(ticket.requestId))
    // The ticket went out while the hold was being taken, and the hold was refused: the gateway cancelled at once.
    if (hold === undefined) return "invalid_claim" as const
    if (hold.state === "pending") return "waiting" as const
    if (hold.state !== "expired" || hold.claimed) return "done" as const
    return yield* pay(hold, instance, line).pipe(
      Effect.catchTag("LedgerError", (error) =>
        // Another try of the same request claimed first, between the look and the posting.
        error.reason instanceof HoldNotAvailable ? Effect.succeed("done" as const) : Effect.fail(error),
      ),
    )
  })

  return Claims.of({
    process: Effect.fn("Claims.process")(function* (device, report) {
      const { lines } = report
      const [first] = lines
      if (first === undefined) return { acknowledged: report.head.number, refused: [] }
      const before = first.number - 1
      if (!isIntact(device.publicKey, report)) {
        const refused = lines.map((line) => ({
          requestId: line.ticket.ticket.requestId,
          code: "invalid_claim" as const,
        }))
        return { acknowledged: before, refused }
      }
      const listed = yield* devices.instances
      const own = new Map(
        listed
          .filter(({ instance }) => instance.deviceId === device.id)
          .map(({ instance }) => [instance.id as string, instance]),
      )
      const fates = yield* Effect.forEach(
        lines,
        (line): Effect.Effect<Fate, LedgerError | KeyRingError> => decide(own, line),
        {
          concurrency: 16,
        },
      )
      const waiting = fates.indexOf("waiting")
      return {
        acknowledged: waiting === -1 ? before + lines.length : before + waiting,
        refused: lines.flatMap((line, index) => {
          const fate = fates[index]
          return fate === undefined || fate === "done" || fate === "waiting"
            ? []
            : [{ requestId: line.ticket.ticket.requestId, code: fate }]
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
