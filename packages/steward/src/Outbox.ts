/**
 * From the ledger to the journal: what was attached to postings, holds and claims is copied in order, each exactly
 * once, and the receipts among it are sealed in signed batches.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as SecureRandom from "effect/crypto/SecureRandom"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import { Journal } from "@guildhall/journal/Journal"
import { type JournalEntry, JournalEntryJson } from "@guildhall/journal/JournalEntry"
import * as ReceiptSeal from "@guildhall/journal/ReceiptSeal"
import { Ledger } from "@guildhall/ledger/Ledger"
import type { Attached } from "@guildhall/ledger/LedgerStore"
import * as Loop from "./Loop.ts"

const copied = Metric.counter("guildhall_outbox_copied", {
  description: "Attachments copied from the ledger to the journal, by kind.",
})
const poisoned = Metric.counter("guildhall_outbox_unreadable", {
  description: "Attachments that could not be read and were passed over. Anything but zero needs a person.",
})
const recovered = Metric.counter("guildhall_platform_loss_claims", {
  description: "Claims paid from platform:loss, because a gateway died in the middle of a request.",
})

/** How many attachments one step copies. */
const STEP_MAX = 500

const decode = Schema.decodeUnknownResult(JournalEntryJson)

/**
 * The journal entry that an attachment carries, or `undefined` where it carries none. The entry of an expired hold was
 * written when the hold was taken, so its end is the time of the expiry.
 *
 * @category rules
 * @since 0.1.0
 */
export const entryOf = ({ attachment, attachedAtMs }: Attached): Result.Result<JournalEntry, Schema.SchemaError> =>
  Result.map(decode(attachment.body), (entry) =>
    attachment.kind === "hold.expired" && entry._tag === "RequestEnded"
      ? { ...entry, receipt: { ...entry.receipt, endedAtMs: attachedAtMs } }
      : entry,
  )

/**
 * Copies one step from the ledger; answers how many attachments it took. The journal keeps the position with the
 * entries, and knows entries by their ids: a crash between two steps repeats nothing and loses nothing.
 *
 * @category constructors
 * @since 0.1.0
 */
export const copy = Effect.gen(function* () {
  const ledger = yield* Ledger
  const journal = yield* Journal
  const attached = yield* ledger.attachments(yield* journal.position, STEP_MAX)
  const last = attached.at(-1)
  if (last === undefined) return 0
  const entries: Array<JournalEntry> = []
  for (const one of attached) {
    const entry = entryOf(one)
    if (Result.isFailure(entry)) {
      yield* Metric.update(poisoned, 1)
      yield* Effect.logError(
        `Attachment ${one.sequence} (${one.attachment.kind}) of the ledger cannot be read and was passed over.`,
      )
      continue
    }
    entries.push(entry.success)
    yield* Metric.update(Metric.withAttributes(copied, { kind: one.attachment.kind }), 1)
    if (one.attachment.kind === "request.claimed") {
      yield* Metric.update(recovered, 1)
      yield* Effect.logWarning("A claim was paid from platform:loss: a gateway had died in the middle of its request.")
    }
  }
  yield* journal.append(entries, last.sequence)
  return attached.length
}).pipe(Effect.withSpan("Outbox.copy"))

/** Copies until nothing is left. */
const drain = Effect.repeat(copy, { until: (count) => count < STEP_MAX })

/**
 * Seals the receipts that wait, one batch; answers how many there were.
 *
 * @category constructors
 * @since 0.1.0
 */
export const makeSeal = Effect.fnUntraced(function* (options: { readonly market: string; readonly batchSize: number }) {
  const journal = yield* Journal
  const random = yield* SecureRandom.SecureRandom
  return Effect.gen(function* () {
    const receipts = yield* journal.receipts.unsealed(options.batchSize)
    if (receipts.length === 0) return 0
    const nowMs = yield* Clock.currentTimeMillis
    const batchId = `bat_${(yield* random.ulid).toLowerCase()}`
    const sealed = yield* ReceiptSeal.seal(receipts, { market: options.market, batchId, nowMs })
    yield* journal.receipts.seal(sealed.batch, sealed.receipts)
    return receipts.length
  }).pipe(Effect.withSpan("Outbox.seal"))
})

/**
 * Copies and seals every `receipts.batchMs` for as long as the layer lives, and once more when it ends, so that a
 * stopped market has a signed receipt for everything it charged.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: { readonly definition: MarketDefinition }) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const { name, receipts } = options.definition
      const seal = yield* makeSeal({ market: name, batchSize: receipts.batchSize })
      const round = Effect.andThen(drain, Effect.repeat(seal, { until: (count) => count < receipts.batchSize }))
      yield* Effect.acquireRelease(Effect.void, () =>
        round.pipe(
          Effect.timeout("2 seconds"),
          Effect.catchCause((cause) =>
            Effect.logWarning("The last receipts are not sealed; the next start does it.", cause),
          ),
        ),
      )
      yield* Loop.run("Outbox", receipts.batchMs, round)
    }),
  )
