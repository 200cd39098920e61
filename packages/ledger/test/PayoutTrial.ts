/** A member with earnings that are due, and what is needed to pay them out. */
import { AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { assert } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { KeyValueStore } from "effect/persistence"
import { TestClock } from "effect/testing"
import { WorkflowEngine } from "effect/workflow"
import * as Account from "../src/Account.ts"
import type { HoldId } from "../src/Hold.ts"
import * as Ledger from "../src/Ledger.ts"
import { LedgerStore } from "../src/LedgerStore.ts"
import type { PayoutRail } from "../src/PayoutRail.ts"
import type { PayoutRange } from "../src/PayoutRange.ts"
import * as PayoutRun from "../src/PayoutRun.ts"
import * as Sample from "../src/testing/SampleCommand.ts"

export const bank = "Bank"
export const usd = { code: AssetCode.make("USD"), scale: 12 }
export const cent = 10n ** 10n
export const outside = Account.ids.external(bank)
export const earned = Account.AccountId.make("platform:earnings")

/** A member that is new in each test. */
export const newMember = (): MemberId => MemberId.make(`mem_${Sample.text()}`)
export const payableOf = (member: MemberId): Account.AccountId => Account.ids.payable(bank, member)

/** Lets the member earn what may be paid out. */
export const earn = Effect.fnUntraced(function* (member: MemberId, amount: bigint) {
  const ledger = yield* Ledger.Ledger
  const payable = payableOf(member)
  yield* ledger.open({ id: earned, kind: "platform", asset: usd, floor: null })
  yield* ledger.open({ id: payable, kind: "payable", asset: usd, floor: 0n })
  yield* ledger.post(Sample.posting(earned, payable, amount, { kind: "maturity" }))
})

/** The ranges of a member, oldest first. */
export const ranges = Effect.fnUntraced(function* (member: MemberId) {
  const store = yield* LedgerStore
  return yield* store.history("payouts", { after: 0n, limit: 1_000, account: payableOf(member) })
})

export const holdState = (id: HoldId) =>
  Effect.flatMap(Ledger.Ledger, (ledger) => Effect.map(ledger.findHold(id), (hold) => hold?.state))

export const balanceOf = (id: Account.AccountId) =>
  Effect.flatMap(Ledger.Ledger, (ledger) => Effect.map(ledger.account(id), ({ balance }) => balance))

/** Asserts that what the rail moved is what the books say went out, and that the ranges have no gaps. */
export const agrees = Effect.fnUntraced(function* (member: MemberId, moved: bigint, whole: bigint) {
  const all = yield* ranges(member)
  const posted = all.reduce((sum, { state, amount }) => (state === "posted" ? sum + amount : sum), 0n)
  assert.strictEqual(posted, moved, "the books and the rail differ")
  assert.strictEqual(yield* balanceOf(payableOf(member)), whole - posted)
  let [from, carried] = [0n, 0n]
  for (const { fromSequence, toSequence, carriedIn, carriedOut, amount } of all) {
    assert.strictEqual(fromSequence, from)
    assert.isTrue(toSequence >= fromSequence)
    assert.strictEqual(carriedIn, carried)
    from = toSequence
    carried = carriedOut
    assert.strictEqual(amount % cent, 0n)
  }
})

/** Runs payouts in this process's memory, over a ledger that is given. */
export const runs = (rail: PayoutRail, policy: Partial<PayoutRun.Policy> = {}) =>
  PayoutRun.layer({ rails: [rail], policy }).pipe(
    Layer.provideMerge(WorkflowEngine.layerMemory),
    Layer.provideMerge(KeyValueStore.layerMemory),
  )

/** Lets what runs in this process come to rest. */
export const rest = Effect.forEach(Array.from({ length: 50 }), () => Effect.yieldNow, { discard: true })

/** Lets virtual time pass, a minute at a time, until the payout has ended or an hour is over; answers whether it has. */
export const ends = Effect.fnUntraced(function* ({ hold }: PayoutRange, minutes = 60) {
  for (let minute = 0; minute < minutes; minute++) {
    yield* rest
    if ((yield* holdState(hold)) !== "pending") return true
    yield* TestClock.adjust("1 minute")
  }
  yield* rest
  return (yield* holdState(hold)) !== "pending"
})

/** Starts a payout that must begin. */
export const begun = Effect.fnUntraced(function* (member: MemberId, minimum = 0n) {
  const payouts = yield* PayoutRun.PayoutRun
  const range = yield* payouts.start({ rail: bank, member, minimum })
  return range ?? assert.fail("there was nothing to pay out")
})

export const statusOf = (member: MemberId) =>
  Effect.flatMap(PayoutRun.PayoutRun, (payouts) => payouts.status(bank, member))
