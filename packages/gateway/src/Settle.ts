/**
 * Step 7. Posts the charge against the hold, shared as the market's split says, with the receipt attached; or gives the
 * hold back where nothing is owed. It runs to the end whatever happens to the request, and tries again while the store
 * is away, for as long as the hold may live.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import { chargeAssetOf } from "@guildhall/core/MarketDefinition"
import type { Instance } from "@guildhall/core/Instance"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type * as Split from "@guildhall/core/rules/Split"
import type { Usage } from "@guildhall/core/Usage"
import type { JournalEntry } from "@guildhall/journal/JournalEntry"
import { Ledger } from "@guildhall/ledger/Ledger"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import type { Attachment } from "@guildhall/ledger/Posting"
import { sourcesOf } from "@guildhall/ledger/PaymentScheme"
import * as ChargeTemplate from "@guildhall/ledger/templates/Charge"
import type { Admitted } from "./Admit.ts"
import * as AccountOpener from "./AccountOpener.ts"
import type { HoldGate } from "./HoldGate.ts"
import { HoldRenewal } from "./HoldRenewal.ts"
import { Market } from "./Market.ts"
import * as Receipt from "./Receipt.ts"

/**
 * What a request comes to: how much, what each party gets of it, what each of the payer's accounts gives
 * (`sources`) and to whom (`parts`).
 *
 * @category models
 * @since 0.1.0
 */
export interface Charge {
  readonly amount: bigint
  readonly split: ReadonlyArray<{ readonly party: Split.Party; readonly amount: bigint }>
  readonly parts: ReadonlyArray<ChargeTemplate.Part>
  readonly sources: ReadonlyArray<ChargeTemplate.Source>
}

/** Nothing is owed. @category constants @since 0.1.0 */
export const FREE: Charge = { amount: 0n, split: [], parts: [], sources: [] }

/**
 * What some usage costs at an instance's price, never more than was held. Nothing is owed where nobody served. Pure.
 *
 * @category rules
 * @since 0.1.0
 */
export const amount = (instance: Pick<Instance, "price"> | undefined, usage: Usage, held: bigint): bigint => {
  const cost = instance === undefined ? 0n : PriceSheet.cost(instance.price, usage)
  return cost < held ? cost : held
}

/**
 * The charge for some usage. `held` is what each of the payer's accounts has set aside, in the order in which they are
 * spent; what each pays is shared by itself, for money of one source may be paid out earlier than that of another. Pure.
 *
 * @category rules
 * @since 0.1.0
 */
export const charge = (
  split: Split.Split,
  instance: Pick<Instance, "price" | "memberId"> | undefined,
  usage: Usage,
  held: ReadonlyArray<ChargeTemplate.Source>,
): Charge => {
  const all = held.reduce((sum, source) => sum + source.amount, 0n)
  const due = amount(instance, usage, all)
  if (instance === undefined || due === 0n) return FREE
  let rest = due
  const sources = held.flatMap((source) => {
    const takes = source.amount < rest ? source.amount : rest
    rest -= takes
    return takes > 0n ? [{ ...source, amount: takes }] : []
  })
  return { amount: due, sources, ...ChargeTemplate.shared(split, instance.memberId, sources) }
}

/**
 * The kind of the attachment that carries the receipt's entry to the journal.
 *
 * @category constants
 * @since 0.1.0
 */
export const ATTACHMENT_KIND = "request.ended"

/**
 * What is settled: the request, its hold, who served it and how much.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settlement {
  readonly admitted: Admitted
  readonly gate: HoldGate
  readonly instance: Instance | undefined
  readonly usage: Usage
}

/**
 * What was settled: the journal's entry and the charge.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settled {
  readonly entry: Entry
  readonly charge: Charge
}

type Entry = Extract<JournalEntry, { readonly _tag: "RequestEnded" }>

/**
 * Makes the step. `write` gives the receipt of a charge, which is posted with it. The effect cannot fail: what cannot be
 * settled is logged, and its hold expires to the buyer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const { definition } = yield* Market
  const ledger = yield* Ledger
  const renewal = yield* HoldRenewal
  const open = yield* AccountOpener.make
  const again = {
    while: (error: LedgerError) => error.isRetryable,
    schedule: Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")]).pipe(
      // After twice its life, and a renewal for the sweeper, a hold that could not be renewed is gone.
      Schedule.upTo({ duration: definition.hold.lifeMs * 2 + definition.hold.renewMs }),
    ),
  }

  const post = Effect.fnUntraced(function* (
    { admitted, gate }: Settlement,
    instance: Instance,
    charge: Charge,
    attachment: Attachment,
  ) {
    const { payer, scheme } = admitted
    const posting = yield* Effect.fromResult(
      ChargeTemplate.postingUnchecked(
        { request: admitted.id, provider: instance.memberId, parts: charge.parts },
        { attachments: [attachment] },
      ),
    )
    yield* open(
      posting.legs.filter(({ amount }) => amount > 0n).map(({ account }) => account),
      chargeAssetOf(definition),
    )
    yield* ledger.settle(gate.id, posting)
    if (!scheme.capabilities.settlesPerRequest) return
    yield* Effect.catch(
      scheme.settle({ idempotencyKey: posting.idempotencyKey, payer, amount: charge.amount }),
      (error) => Effect.logError(`The payment scheme ${scheme.name} could not settle ${admitted.id}.`, error.message),
    )
  })

  /** What the hold keeps of each account, and of which source that is. */
  const heldOf = ({ admitted, gate }: Settlement): ReadonlyArray<ChargeTemplate.Source> => {
    const sources = sourcesOf(admitted.payer)
    return gate.parts.flatMap(({ account, amount, drawn }) => {
      const source = sources.find((one) => one.account === account)
      return source === undefined
        ? []
        : [{ payer: account, fundingSource: source.fundingSource, amount: amount - drawn }]
    })
  }

  /** A schedule is begun only once something failed: nearly nothing does. */
  const retried = (settled: Effect.Effect<void, LedgerError>) =>
    Effect.catch(settled, (error) =>
      error.isRetryable ? Effect.delay(Effect.retry(settled, again), "50 millis") : Effect.fail(error),
    )

  const missed = (settlement: Settlement) => (error: LedgerError) => {
    const { id } = settlement.admitted
    // An expired hold has its own receipt, and the provider its claim: nothing is left to do here.
    return error.reason._tag === "HoldNotAvailable"
      ? Effect.logWarning(`The hold of ${id} was gone before it could be settled.`)
      : Effect.logError(`${id} could not be settled. Its hold will expire to the buyer.`, error.message)
  }

  return Effect.fnUntraced(function* (settlement: Settlement, write: (charge: Charge) => Effect.Effect<Entry>) {
    const { gate, instance, usage } = settlement
    const due = charge(definition.split, instance, usage, heldOf(settlement))
    const entry = yield* write(due)
    const attachment = { kind: ATTACHMENT_KIND, body: Receipt.entryJson(entry) }
    const settled =
      due.amount === 0n || instance === undefined
        ? ledger.void(gate.id, [attachment])
        : post(settlement, instance, due, attachment)
    yield* Effect.catch(retried(settled), missed(settlement))
    renewal.untrack(gate)
    return { entry, charge: due } satisfies Settled
  })
})
