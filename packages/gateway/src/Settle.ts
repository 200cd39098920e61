/**
 * Step 7. Posts the charge against the hold, shared as the market's split says, with the receipt attached; or gives the
 * hold back where nothing is owed. It runs to the end whatever happens to the request, and tries again while the store
 * is away, for as long as the hold may live.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schedule from "effect/Schedule"
import type { Instance } from "@guildhall/core/Instance"
import * as PriceSheet from "@guildhall/core/PriceSheet"
import type { RequestId } from "@guildhall/core/Request"
import * as Split from "@guildhall/core/rules/Split"
import type { Usage } from "@guildhall/core/Usage"
import { Ledger } from "@guildhall/ledger/Ledger"
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import type { Payer, PaymentScheme } from "@guildhall/ledger/PaymentScheme"
import type { Attachment, Leg } from "@guildhall/ledger/Posting"
import * as ChargeAccounts from "./ChargeAccounts.ts"
import type { HoldGate } from "./HoldGate.ts"
import { HoldRenewal } from "./HoldRenewal.ts"
import { Market } from "./Market.ts"

/**
 * What a request comes to.
 *
 * @category models
 * @since 0.1.0
 */
export interface Charge {
  readonly amount: bigint
  readonly split: ReadonlyArray<{ readonly party: Split.Party; readonly amount: bigint }>
}

/** Nothing is owed. */
export const FREE: Charge = { amount: 0n, split: [] }

/**
 * The charge for some usage at an instance's price, never more than was held. Pure.
 *
 * @category rules
 * @since 0.1.0
 */
export const charge = (split: Split.Split, price: PriceSheet.PriceSheet, usage: Usage, held: bigint): Charge => {
  const cost = PriceSheet.cost(price, usage)
  const amount = cost < held ? cost : held
  return amount === 0n ? FREE : { amount, split: Split.share(split, amount) }
}

/**
 * The idempotency key under which a request is paid for: by its settlement or by a claim, never by both.
 *
 * @category constructors
 * @since 0.1.0
 */
export const idempotencyKey = (id: RequestId): string => `request:${id}`

/**
 * The kind of the attachment that carries the receipt's entry to the journal.
 *
 * @category constants
 * @since 0.1.0
 */
export const ATTACHMENT_KIND = "request.ended"

/**
 * What is settled: the gate of the hold, who pays through which scheme, who served, and the entry for the journal.
 *
 * @category models
 * @since 0.1.0
 */
export interface Settlement {
  readonly requestId: RequestId
  readonly gate: HoldGate
  readonly payer: Payer
  readonly scheme: PaymentScheme
  readonly instance: Instance | undefined
  readonly charge: Charge
  readonly entry: Attachment["body"]
}

/**
 * Makes the step. Its effect cannot fail: what cannot be settled is logged, and its hold expires to the buyer.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const { definition } = yield* Market
  const ledger = yield* Ledger
  const renewal = yield* HoldRenewal
  const open = yield* ChargeAccounts.make
  const again = {
    while: (error: LedgerError) => error.isRetryable,
    schedule: Schedule.min([Schedule.exponential("50 millis"), Schedule.spaced("2 seconds")]).pipe(
      // After twice its life, and a renewal for the sweeper, a hold that could not be renewed is gone.
      Schedule.upTo({ duration: definition.hold.lifeMs * 2 + definition.hold.renewMs }),
    ),
  }

  const post = Effect.fnUntraced(function* (settlement: Settlement, instance: Instance) {
    const { payer, charge, gate } = settlement
    const shares = charge.split
      .filter((share) => share.amount !== 0n)
      .map(({ party, amount }) => ({
        account: ChargeAccounts.of(party, payer.fundingSource, instance.memberId),
        amount,
      }))
    yield* open(
      shares.map((share) => share.account),
      definition.chargeAsset,
    )
    const legs: ReadonlyArray<Leg> = [
      { account: payer.account, amount: -charge.amount },
      ...shares.map(({ account, amount }) => ({ account: account.id, amount })),
    ]
    yield* ledger.settle(gate.id, {
      idempotencyKey: idempotencyKey(settlement.requestId),
      kind: "charge",
      legs,
      attachments: [{ kind: ATTACHMENT_KIND, body: settlement.entry }],
    })
    if (!settlement.scheme.capabilities.settlesPerRequest) return
    yield* Effect.catch(
      settlement.scheme.settle({ idempotencyKey: idempotencyKey(settlement.requestId), payer, amount: charge.amount }),
      (error) => Effect.logError(`The payment scheme ${settlement.scheme.name} could not settle.`, error.message),
    )
  })

  const giveBack = (settlement: Settlement) =>
    ledger.void(settlement.gate.id, [{ kind: ATTACHMENT_KIND, body: settlement.entry }])

  return (settlement: Settlement): Effect.Effect<void> => {
    const { gate, charge, instance } = settlement
    return Effect.callback<void>((resume) => gate.whenDecided(() => resume(Effect.void))).pipe(
      Effect.andThen(
        Effect.suspend(() => {
          if (gate.state === "refused") return Effect.void
          const settled =
            charge.amount === 0n || instance === undefined ? giveBack(settlement) : post(settlement, instance)
          return Effect.retry(settled, again)
        }),
      ),
      Effect.catch((error: LedgerError) =>
        // An expired hold has its own receipt, and the provider its claim: nothing is left to do here.
        error.reason._tag === "HoldNotAvailable"
          ? Effect.logWarning(`The hold of ${settlement.requestId} was gone before it could be settled.`)
          : Effect.logError(
              `${settlement.requestId} could not be settled. Its hold will expire to the buyer.`,
              error.message,
            ),
      ),
      Effect.ensuring(Effect.sync(() => renewal.untrack(gate))),
    )
  }
})
