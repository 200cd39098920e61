/** A buyer with money, a provider, and a request between them, on a ledger that is given. */
import { assert } from "@effect/vitest"
import { USD } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { RequestId } from "@guildhall/core/Request"
import * as Split from "@guildhall/core/rules/Split"
import { Effect, type Result } from "effect"
import { type AccountId, ids } from "../src/Account.ts"
import { HoldId, type HoldRequest } from "../src/Hold.ts"
import * as Ledger from "../src/Ledger.ts"
import type { LedgerError, LedgerReason } from "../src/LedgerError.ts"
import * as Opening from "../src/Opening.ts"
import type { Posting } from "../src/Posting.ts"
import * as Charge from "../src/templates/Charge.ts"
import * as Claim from "../src/templates/Claim.ts"
import type * as Template from "../src/templates/Template.ts"
import * as TopUp from "../src/templates/TopUp.ts"
import * as Sample from "../src/testing/SampleCommand.ts"
import { split } from "./templates/Sample.ts"

export const CARD = "card"
export const BANK = "Bank"

/** A request that no test has made. */
export const newRequest = (): RequestId => RequestId.make(`req_${Sample.text()}${Sample.text()}`)

type Answer = Result.Result<Posting, LedgerError>

/** What a template made, with all its accounts open. */
export const ready = Effect.fnUntraced(function* (answer: Answer) {
  const ledger = yield* Ledger.Ledger
  const posting = yield* Effect.fromResult(answer)
  for (const { account } of posting.legs) yield* ledger.open(Opening.of(account, USD))
  return posting
})

/** Makes what a template made. */
export const make = Effect.fnUntraced(function* (answer: Answer) {
  const ledger = yield* Ledger.Ledger
  return yield* ledger.post(yield* ready(answer))
})

/** A buyer who paid in `funds`, a provider, and a request of one to the other. */
export const meet = Effect.fnUntraced(function* (funds: bigint) {
  const ledger = yield* Ledger.Ledger
  const payer = ids.buyer(MemberId.make(`mem_${Sample.text()}`))
  const provider = MemberId.make(`mem_${Sample.text()}`)
  const request = newRequest()
  yield* make(TopUp.posting({ rail: BANK, key: Sample.text(), fundingSource: CARD, to: payer, amount: funds }))
  return { ledger, payer, provider, request, id: HoldId.make(request), accrual: ids.accrual(CARD, provider) }
})

export type Meeting = Effect.Success<ReturnType<typeof meet>>

/** Takes the hold of the request. */
export const hold = ({ id, ledger, payer }: Meeting, amount: bigint, values: Partial<HoldRequest> = {}) =>
  ledger.hold({ ...Sample.holdRequest(payer, amount, values), id })

export const sharesOf = (provider: MemberId, amount: bigint) =>
  Charge.sharesOf(Split.share(split, amount), { provider, fundingSource: CARD })

/** What the request costs, shared as the market says. */
export const charge = (
  { payer, provider, request }: Meeting,
  amount: bigint,
  extras: Template.Extras & { readonly owed?: bigint } = {},
) => {
  const shares = sharesOf(provider, amount)
  const { owed = 0n, ...rest } = extras
  return ready(Charge.posting({ request, provider, parts: [{ payer, amount, shares }], owed }, rest))
}

/** What the platform pays for the request where its gateway is gone. */
export const claim = ({ provider, request }: Meeting, amount: bigint) =>
  ready(Claim.posting({ request, provider, amount }))

/** Asserts that it is refused, and why. */
export const refused = Effect.fnUntraced(function* <R>(
  effect: Effect.Effect<unknown, LedgerError, R>,
  reason: LedgerReason["_tag"],
) {
  const error = yield* Effect.flip(effect)
  assert.strictEqual(error.reason._tag, reason, error.message)
  return error.reason
})

export const balanceOf = (id: AccountId) =>
  Effect.flatMap(Ledger.Ledger, (ledger) =>
    Effect.map(ledger.accounts([id]), ([account]): bigint => account?.balance ?? 0n),
  )
