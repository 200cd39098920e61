/**
 * Lowers a charge to what an exact count costs: an adjustment in the ledger, linked to the request and made once, with
 * the receipt's next revision attached.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { chargeAssetOf } from "@guildhall/core/MarketDefinition"
import type { Usage } from "@guildhall/core/Usage"
import type { JournalEntry } from "@guildhall/journal/JournalEntry"
import { HoldId } from "@guildhall/ledger/Hold"
import { Ledger } from "@guildhall/ledger/Ledger"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import * as AccountOpener from "./AccountOpener.ts"
import * as Adjustment from "./Adjustment.ts"
import { Market } from "./Market.ts"
import * as Receipt from "./Receipt.ts"

/**
 * The kind of the attachment that carries the lowered receipt to the journal.
 *
 * @category constants
 * @since 0.1.0
 */
export const ATTACHMENT_KIND = "request.recounted"

/**
 * A charge as it was made, with its entry in the journal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Charged {
  readonly entry: Extract<JournalEntry, { readonly _tag: "RequestEnded" }>
  readonly charged: Omit<Adjustment.Charged, "receipt">
}

/** The store may be away for so long; then the charge stays. */
const AGAIN = Schedule.min([Schedule.exponential("100 millis"), Schedule.spaced("2 seconds")]).pipe(
  Schedule.upTo({ duration: "1 minute" }),
)

/** The receipt's next revision. */
const revised = ({ entry }: Charged, usage: Usage, { charge, split }: Adjustment.Lowered) => {
  const { receipt } = entry
  return Receipt.entry(
    {
      ...receipt,
      revision: receipt.revision + 1,
      usage,
      usageSource: "counted",
      charge,
      split,
    },
    entry.salts,
    entry.decision,
  )
}

/**
 * Makes the function that lowers a charge to what `usage` costs. It cannot fail: a charge that cannot be lowered stays,
 * and is logged. `agreed` means that it costs no less than was charged.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const { definition } = yield* Market
  const ledger = yield* Ledger
  const open = yield* AccountOpener.make
  const asset = chargeAssetOf(definition)

  const post = Effect.fnUntraced(function* (one: Charged, usage: Usage) {
    const { charged, entry } = one
    const lowered = Adjustment.lower({ receipt: entry.receipt, ...charged }, usage)
    if (lowered === undefined) return "agreed" as const
    const made = yield* Effect.fromResult(lowered)
    const { posting } = made
    // Only what was charged can be given back: a settlement that was missed left nothing with the provider.
    const hold = yield* ledger.findHold(HoldId.make(entry.receipt.id))
    if (hold?.state !== "posted") return "unsettled" as const
    const body = Receipt.entryJson(revised(one, usage, made))
    yield* open(
      posting.legs.map(({ account }) => account),
      asset,
    )
    yield* ledger.post({ ...posting, attachments: [...posting.attachments, { kind: ATTACHMENT_KIND, body }] })
    return "lowered" as const
  })

  const again = { while: (error: LedgerError) => error.isRetryable, schedule: AGAIN }
  return (one: Charged, usage: Usage): Effect.Effect<"agreed" | "lowered" | "unsettled" | "failed"> =>
    Effect.catch(Effect.retry(post(one, usage), again), (error) =>
      Effect.as(
        Effect.logError(`The charge of ${one.entry.receipt.id} could not be lowered, and stays: ${error.message}`),
        "failed" as const,
      ),
    )
})
