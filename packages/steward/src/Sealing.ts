/**
 * Seals receipts: what waits becomes a batch under one signed root.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as SecureRandom from "effect/crypto/SecureRandom"
import { Journal, PAGE_MAX } from "@guildhall/journal/Journal"
import * as ReceiptSeal from "@guildhall/journal/ReceiptSeal"

const sealed = Metric.counter("guildhall_receipts_sealed", { description: "Receipts sealed in a signed batch." })

/**
 * Makes the effect that seals the receipts that wait, one batch; it answers how many there were. A batch that is cut off
 * before the journal has it leaves its receipts waiting, and they are sealed in the next one.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: { readonly market: string; readonly batchSize: number }) {
  const journal = yield* Journal
  const random = yield* SecureRandom.SecureRandom
  const size = Math.min(options.batchSize, PAGE_MAX)
  return Effect.gen(function* () {
    const receipts = yield* journal.receipts.unsealed(size)
    if (receipts.length === 0) return 0
    const nowMs = yield* Clock.currentTimeMillis
    const batchId = `bat_${(yield* random.ulid).toLowerCase()}`
    const made = yield* ReceiptSeal.seal(receipts, { market: options.market, batchId, nowMs })
    yield* journal.receipts.seal(made.batch, made.receipts)
    yield* Metric.update(sealed, receipts.length)
    return receipts.length
  }).pipe(Effect.withSpan("Sealing.seal"))
})
