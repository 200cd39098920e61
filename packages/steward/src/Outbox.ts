/**
 * From the ledger to the journal: what was attached to postings, holds and claims is copied in order, each exactly
 * once, and the receipts among it are sealed in signed batches.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Metric from "effect/Metric"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import * as Money from "@guildhall/core/Money"
import * as HoldContext from "@guildhall/journal/HoldContext"
import { Journal } from "@guildhall/journal/Journal"
import { type JournalEntry, JournalEntryJson } from "@guildhall/journal/JournalEntry"
import * as Account from "@guildhall/ledger/Account"
import { Ledger } from "@guildhall/ledger/Ledger"
import type { Attached } from "@guildhall/ledger/LedgerStore"
import * as Loop from "./Loop.ts"
import * as Sealing from "./Sealing.ts"

/** Counts what was copied, by kind. @category metrics @since 0.1.0 */
export const copied = Metric.counter("guildhall_outbox_copied", {
  description: "Attachments copied from the ledger to the journal, by kind.",
})
const poisoned = Metric.counter("guildhall_outbox_unreadable", {
  description: "Attachments that could not be read and were passed over. Anything but zero needs a person.",
})
const recovered = Metric.counter("guildhall_platform_loss_claims", {
  description: "Claims paid from platform:loss, because a gateway died in the middle of a request.",
})

/** The kinds of attachments that carry an entry of the journal. The others are an embedder's own. */
const KINDS: ReadonlySet<string> = new Set([
  "request.ended",
  "request.claimed",
  "request.recounted",
  "hold.expired",
  "operator.acted",
])

/** How long copying and sealing may take when the gateway stops. */
const LAST_ROUND_MS = 2_000
/** How many attachments one step copies. @category constants @since 0.1.0 */
export const STEP_MAX = 1_000

const decode = Schema.decodeUnknownResult(JournalEntryJson)

/**
 * The journal entry that an attachment carries, or why it cannot be read. The entry of an expired hold was written when
 * the hold was taken, so its end is the time of the expiry.
 *
 * @category rules
 * @since 0.1.0
 */
export const entryOf = ({ attachment, attachedAtMs }: Attached): Result.Result<JournalEntry, Schema.SchemaError> =>
  attachment.kind === "hold.expired"
    ? Result.map(HoldContext.entryOf(attachment.body), (entry) =>
        entry._tag === "RequestEnded" ? { ...entry, receipt: { ...entry.receipt, endedAtMs: attachedAtMs } } : entry,
      )
    : decode(attachment.body)

/** What a claim was paid; nothing, for any other entry. */
const paidBy = (entry: JournalEntry): bigint => (entry._tag === "RequestEnded" ? entry.receipt.paidFromLoss : 0n)

/** Tells once of all claims of a step: each is in the books, and was told by whoever paid it. */
const tellClaims = Effect.fnUntraced(function* (claims: ReadonlyArray<JournalEntry>) {
  if (claims.length === 0) return
  yield* Metric.update(recovered, claims.length)
  const ledger = yield* Ledger
  const found = yield* Effect.orElseSucceed(ledger.accounts([Account.ids.platformLoss]), () => [])
  const sum = claims.reduce((paid, entry) => paid + paidBy(entry), 0n)
  const amounts = found.map(({ asset }) => `, ${Money.format(sum, asset)} ${asset.code} in all,`)
  const paid =
    claims.length === 1 ? `1 claim${amounts.join("")} was` : `${claims.length} claims${amounts.join("")} were`
  yield* Effect.logWarning(
    `${paid} paid from platform:loss, because a gateway died in the middle of requests. Look at why it died; \`guildhall ledger statement platform:loss\` has each of them.`,
  )
})

/** Raises the alarms and counts, once the attachments are in the journal. */
const report = Effect.fnUntraced(function* (
  carried: ReadonlyArray<Attached>,
  entries: ReadonlyArray<JournalEntry>,
  unreadable: ReadonlyArray<Attached>,
) {
  for (const { attachment } of carried) {
    yield* Metric.update(Metric.withAttributes(copied, { kind: attachment.kind }), 1)
  }
  yield* tellClaims(entries.filter((_, at) => carried[at]?.attachment.kind === "request.claimed"))
  for (const { attachment, sequence } of unreadable) {
    yield* Metric.update(poisoned, 1)
    yield* Effect.logError(
      `Attachment ${sequence} (${attachment.kind}) of the ledger cannot be read and was passed over. It stays there.`,
    )
  }
})

/**
 * Takes attachments into the journal, the last of which has this sequence, and raises the alarms that belong to them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const carry = Effect.fnUntraced(function* (attached: ReadonlyArray<Attached>, last: bigint) {
  const journal = yield* Journal
  const carried: Array<Attached> = []
  const unreadable: Array<Attached> = []
  const entries: Array<JournalEntry> = []
  for (const one of attached) {
    if (!KINDS.has(one.attachment.kind)) continue
    const entry = entryOf(one)
    if (Result.isSuccess(entry)) {
      carried.push(one)
      entries.push(entry.success)
    } else unreadable.push(one)
  }
  yield* journal.append(entries, last)
  yield* report(carried, entries, unreadable)
})

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
  yield* carry(attached, last.sequence)
  return attached.length
}).pipe(Effect.withSpan("Outbox.copy"))

/**
 * Copies and seals every `receipts.batchMs` for as long as the layer lives, and once more when it ends, so that a
 * stopped market has a signed receipt for everything it charged.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: { readonly definition: Pick<MarketDefinition, "name" | "receipts"> }) =>
  layerWith({ ...options, copy })

/**
 * {@link layer} with another way to copy a step, such as `OutboxSql.copy` for ledger and journal in one database.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerWith = <E, R>(options: Copying<E, R>) =>
  Layer.effectDiscard(
    Effect.gen(function* () {
      const round = yield* makeRound(options)
      yield* Loop.run("Outbox", options.definition.receipts.batchMs, round)
    }),
  )

/**
 * Only the round at the end of {@link layerWith}: for a process beside others, of which one copies and seals all the time.
 *
 * @category layers
 * @since 0.1.0
 */
export const layerAtEnd = <E, R>(options: Copying<E, R>) => Layer.effectDiscard(makeRound(options))

interface Copying<E, R> {
  readonly definition: Pick<MarketDefinition, "name" | "receipts">
  readonly copy: Effect.Effect<number, E, R>
}

/** Copies and seals until nothing is left; and does so once when the scope ends. */
const makeRound = Effect.fnUntraced(function* <E, R>({ copy, definition }: Copying<E, R>) {
  const { name, receipts } = definition
  const drain = Effect.repeat(copy, { until: (count) => count < STEP_MAX })
  const seal = yield* Sealing.make({ market: name, batchSize: receipts.batchSize })
  const round = Effect.andThen(drain, Effect.repeat(seal, { until: (count) => count === 0 }))
  yield* Loop.atEnd(round, {
    limitMs: LAST_ROUND_MS,
    otherwise: "The last receipts are not sealed; the next start does it.",
  })
  return round
})
