/**
 * A shop that takes nothing of Guildhall but its ledger. Buyers top up and pay; makers earn, and are paid out.
 */
import * as Effect from "effect/Effect"
import * as Result from "effect/Result"
import { USD } from "@guildhall/core/Asset"
import type { MemberId } from "@guildhall/core/Member"
import { ids } from "@guildhall/ledger/Account"
import { HoldId } from "@guildhall/ledger/Hold"
import { Ledger } from "@guildhall/ledger/Ledger"
import * as Opening from "@guildhall/ledger/Opening"
import { Charge, TopUp } from "@guildhall/ledger/templates"

/** The shop's own rule: a tenth of every price is its fee. */
const feeOf = (price: bigint): bigint => price / 10n

/** Lets a member buy, and earn by card. */
export const join = Effect.fnUntraced(function* (member: MemberId) {
  const ledger = yield* Ledger
  const accounts = [ids.external("card"), ids.buyer(member), ids.payable("bank", member), ids.platformFees]
  yield* Effect.forEach(accounts, (id) => ledger.open(Opening.of(id, USD)), { discard: true })
})

/** Money that came in by card; once for each of the card company's ids. */
export const topUp = Effect.fnUntraced(function* (member: MemberId, amount: bigint, payment: string) {
  const ledger = yield* Ledger
  const template = {
    rail: "card",
    key: payment,
    movement: payment,
    fundingSource: "card",
    to: ids.buyer(member),
    amount,
  }
  yield* ledger.post(yield* Effect.fromResult(TopUp.posting(template)))
})

/** Sets the price aside while the order is made, and pays the maker when it is; gives it back if it fails. */
export const order = Effect.fnUntraced(function* <E, R>(
  sale: { readonly id: string; readonly buyer: MemberId; readonly maker: MemberId; readonly price: bigint },
  make: Effect.Effect<void, E, R>,
) {
  const ledger = yield* Ledger
  const [hold, payer] = [HoldId.make(sale.id), ids.buyer(sale.buyer)]
  const { price: amount } = sale
  const owner = "shop-1"
  yield* ledger.hold({ id: hold, account: payer, amount, owner, lifeMs: 60_000, definitionDigest: "", context: null })
  const made = yield* Effect.result(make)
  if (Result.isFailure(made)) return yield* Effect.andThen(ledger.void(hold, []), Effect.fail(made.failure))
  const fee = feeOf(amount)
  const shares = [
    { account: ids.payable("bank", sale.maker), amount: amount - fee },
    { account: ids.platformFees, amount: fee },
  ]
  const template = { request: sale.id, provider: sale.maker, parts: [{ payer, amount, shares }] }
  const attachments = [{ kind: "order.paid", body: { order: sale.id } }]
  yield* ledger.settle(hold, yield* Effect.fromResult(Charge.posting(template, { attachments })))
})
