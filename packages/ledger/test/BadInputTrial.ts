/** What nobody should ask for: each with its reason, the letter that says so, and nothing written. */
import { assert } from "@effect/vitest"
import { AssetCode } from "@guildhall/core/Asset"
import { Effect, Result } from "effect"
import { AccountId } from "../src/Account.ts"
import { HoldId, type HoldRequest } from "../src/Hold.ts"
import type { LedgerReason } from "../src/LedgerError.ts"
import type { Command, LedgerStore, Linkable } from "../src/LedgerStore.ts"
import { AMOUNT_MAX } from "../src/Limits.ts"
import type { Posting } from "../src/Posting.ts"
import * as CrashTrial from "./CrashTrial.ts"

type Store = LedgerStore["Service"]

const id = (text: string) => AccountId.make(text)
const [card, ann, eve, loss] = [id("external:card"), id("buyer:ann"), id("payable:bank:eve"), id("platform:loss")]
const [frozen, closed, full, euro] = [id("buyer:frozen"), id("buyer:closed"), id("buyer:full"), id("buyer:euro")]
const [vast, owing] = [id("external:vast"), id("payable:bank:owing")]
const USD = { code: AssetCode.make("USD"), scale: 12 }
const EUR = { code: AssetCode.make("EUR"), scale: 2 }
const [living, expired] = [HoldId.make("living"), HoldId.make("expired")]
const payout = HoldId.make("payout:payable:bank:zed:0-8")

const open = (account: AccountId, values: Partial<Extract<Linkable, { readonly _tag: "Open" }>> = {}): Linkable => ({
  _tag: "Open",
  id: account,
  kind: "buyer",
  asset: USD,
  floor: 0n,
  ceiling: null,
  ...values,
})

let keys = 0
const posting = (from: AccountId, to: AccountId, amount: bigint, values: Partial<Posting> = {}): Posting => ({
  idempotencyKey: `bad ${(keys += 1)}`,
  kind: "charge",
  legs: [
    { account: from, amount: -amount },
    { account: to, amount },
  ],
  attachments: [{ kind: "never", body: keys }],
  ...values,
})
const post = (from: AccountId, to: AccountId, amount: bigint, values: Partial<Posting> = {}): Linkable => ({
  _tag: "Post",
  posting: posting(from, to, amount, values),
})
const hold = (account: AccountId, amount: bigint, values: Partial<HoldRequest> = {}): Linkable => ({
  _tag: "Hold",
  hold: {
    id: HoldId.make(`bad ${(keys += 1)}`),
    account,
    amount,
    owner: "gateway",
    lifeMs: 600_000,
    definitionDigest: "d",
    context: null,
    ...values,
  },
})
const terms = (
  account: AccountId,
  values: Partial<Extract<Linkable, { readonly _tag: "SetTerms" }>["terms"]>,
  idempotencyKey = `bad ${(keys += 1)}`,
): Linkable => ({
  _tag: "SetTerms",
  idempotencyKey,
  account,
  terms: { floor: 0n, ceiling: null, state: "open", ...values },
})

/** On top of what crash trials begin with: accounts that take nothing, or nothing more. */
const before: ReadonlyArray<Command> = [
  open(frozen),
  open(closed),
  open(full, { ceiling: 10n }),
  open(id("external:euro"), { kind: "external", asset: EUR, floor: null }),
  open(euro, { asset: EUR }),
  open(vast, { kind: "external", floor: null }),
  open(owing, { kind: "payable", floor: -9n }),
  post(card, frozen, 5n, { kind: "topUp", attachments: [] }),
  post(card, full, 10n, { kind: "topUp", attachments: [] }),
  post(card, ann, 50n, { idempotencyKey: "used", kind: "topUp", attachments: [] }),
  terms(frozen, { state: "frozen" }),
  terms(closed, { state: "closed" }),
  { _tag: "ClosePeriod", endMs: 1_000 },
]

/** A case: what is asked, the reason for which it is refused, and what the letter says about it. */
export interface Case {
  readonly name: string
  readonly command: Command
  readonly reason: LedgerReason["_tag"]
  readonly says: string
}

const case_ = (name: string, command: Command, reason: Case["reason"], says: string): Case => ({
  name,
  command,
  reason,
  says,
})

const tooMuch = AMOUNT_MAX + 1n

const amounts = [
  case_("an amount of zero", post(ann, eve, 0n), "InvalidCommand", "its leg on buyer:ann moves nothing"),
  case_("an amount of 79 digits", post(ann, eve, tooMuch), "InvalidCommand", "is no amount of at most 78 digits"),
  case_("a negative amount of 79 digits", post(ann, eve, -tooMuch), "InvalidCommand", "at most 78 digits"),
  case_("a negative hold", hold(ann, -1n), "InvalidCommand", "a hold is of an amount of zero or more"),
  case_("a hold of 79 digits", hold(ann, tooMuch), "InvalidCommand", "a hold is of an amount of zero or more"),
  case_(
    "a charge turned round",
    post(ann, eve, -31n),
    "InsufficientFunds",
    "payable:bank:eve has 30 available and needs 31",
  ),
  case_("more than there is", post(ann, eve, 150n), "InsufficientFunds", "buyer:ann has 130 available and needs 150"),
  case_("more than is not held", hold(ann, 140n), "InsufficientFunds", "buyer:ann has 130 available and needs 140"),
  case_(
    "more than an account may have",
    post(ann, full, 1n),
    "CeilingExceeded",
    "buyer:full may hold 10 at most and would have 11",
  ),
  case_(
    "holds beyond 78 digits",
    hold(card, AMOUNT_MAX),
    "InvalidCommand",
    "what is held of external:card beyond 78 digits",
  ),
  case_(
    "a balance beyond 78 digits",
    post(vast, card, AMOUNT_MAX),
    "InvalidCommand",
    "it takes external:vast beyond 78 digits",
  ),
]

const sources = [
  case_(
    "more than several accounts have",
    hold(ann, 145n, { further: [full, id("buyer:nobody")] }),
    "InsufficientFunds",
    "buyer:ann has 140 available and needs 145",
  ),
  case_(
    "a hold of a frozen account too",
    hold(ann, 1n, { further: [frozen] }),
    "AccountNotOpen",
    "buyer:frozen is frozen",
  ),
  case_("a hold of one account twice", hold(closed, 1n, { further: [closed] }), "InvalidCommand", "stands twice"),
  case_(
    "a hold of nobody's accounts",
    hold(id("buyer:nobody"), 1n, { further: [id("buyer:none")] }),
    "UnknownAccount",
    "no account buyer:nobody",
  ),
  case_(
    "a hold in two assets",
    hold(ann, 1n, { further: [euro] }),
    "InvalidCommand",
    "buyer:ann is in USD and buyer:euro in EUR. A hold is in one asset",
  ),
  case_(
    "a hold of seventeen accounts",
    hold(ann, 1n, { further: Array.from({ length: 16 }, (_, at) => id(`buyer:n${at}`)) }),
    "InvalidCommand",
    "a hold is of 1 to 16 accounts",
  ),
  case_(
    "growth beyond what there is",
    { _tag: "Grow", hold: living, amount: 145n },
    "InsufficientFunds",
    "buyer:ann has 130 available and needs 135",
  ),
  case_(
    "growth to less than nothing",
    { _tag: "Grow", hold: living, amount: -1n },
    "InvalidCommand",
    "a hold grows to an amount of zero or more",
  ),
  case_(
    "growth of a hold that expired",
    { _tag: "Grow", hold: expired, amount: 1n },
    "HoldNotAvailable",
    "is expired, and this needs one that is pending",
  ),
  case_(
    "growth in another asset",
    { _tag: "Grow", hold: living, amount: 11n, sources: [id("external:euro")] },
    "InvalidCommand",
    "buyer:ann is in USD and external:euro in EUR",
  ),
  case_(
    "growth of a payout",
    { _tag: "Grow", hold: payout, amount: 21n },
    "InvalidCommand",
    "a payout's hold does not grow",
  ),
]

const accounts = [
  case_("an unknown account", post(ann, id("buyer:nobody"), 1n), "UnknownAccount", "There is no account buyer:nobody"),
  case_("a hold on an unknown account", hold(id("buyer:nobody"), 1n), "UnknownAccount", "no account buyer:nobody"),
  case_("terms of an unknown account", terms(id("buyer:nobody"), {}), "UnknownAccount", "no account buyer:nobody"),
  case_("a frozen account", post(frozen, eve, 1n), "AccountNotOpen", "buyer:frozen is frozen and takes no postings"),
  case_("a gift to a frozen account", post(ann, frozen, 1n), "AccountNotOpen", "buyer:frozen is frozen"),
  case_("a hold on a frozen account", hold(frozen, 1n), "AccountNotOpen", "buyer:frozen is frozen"),
  case_("a closed account", post(ann, closed, 1n), "AccountNotOpen", "buyer:closed is closed and takes no postings"),
  case_("a hold on a closed account", hold(closed, 0n), "AccountNotOpen", "buyer:closed is closed"),
  case_(
    "a closed account to be opened again",
    terms(closed, {}),
    "InvalidCommand",
    "buyer:closed is closed and stays so",
  ),
  case_(
    "an account to be closed that has money",
    terms(full, { state: "closed" }),
    "InvalidCommand",
    "buyer:full has 10, of which 0 is held, and only an empty account can be closed",
  ),
  case_(
    "a floor above what is there",
    terms(ann, { floor: 140n }),
    "InvalidCommand",
    "buyer:ann has 130 available, which is below the floor of 140",
  ),
  case_(
    "a ceiling below what is there",
    terms(full, { ceiling: 9n }),
    "InvalidCommand",
    "buyer:full has 10, which is above the ceiling of 9",
  ),
  case_(
    "a floor above the ceiling",
    terms(ann, { floor: 2n, ceiling: 1n }),
    "InvalidCommand",
    "a floor is not above the ceiling",
  ),
  case_("an account opened otherwise", open(ann, { floor: -1n }), "Conflict", "buyer:ann was used before"),
  case_(
    "an asset with other decimals",
    open(id("buyer:odd"), { asset: { ...USD, scale: 2 } }),
    "InvalidCommand",
    "USD has 12 decimals in these books, and buyer:odd would have 2",
  ),
]

const legs = [
  case_("mixed assets", post(ann, euro, 1n), "InvalidCommand", "its legs in USD sum to -1"),
  case_(
    "two assets, each of which sums to zero",
    {
      _tag: "Post",
      posting: {
        ...posting(ann, eve, 1n),
        legs: [...posting(ann, eve, 1n).legs, ...posting(id("external:euro"), euro, 1n).legs],
      },
    },
    "InvalidCommand",
    "it is in USD and EUR. Only an exchange with a rate may be",
  ),
  case_(
    "legs that do not sum to zero",
    {
      _tag: "Post",
      posting: posting(ann, eve, 1n, {
        legs: [
          { account: ann, amount: -2n },
          { account: eve, amount: 3n },
        ],
      }),
    },
    "InvalidCommand",
    "its legs in USD sum to 1. They must sum to zero",
  ),
  case_(
    "a single leg",
    { _tag: "Post", posting: posting(ann, eve, 1n, { legs: [{ account: ann, amount: -2n }] }) },
    "InvalidCommand",
    "a posting has 2 to 100 legs, and this has 1",
  ),
]

const holds = [
  case_(
    "more posted than held",
    { _tag: "Settle", hold: living, posting: posting(ann, eve, 11n) },
    "InvalidCommand",
    "it takes 11 from buyer:ann, and only 10 is held",
  ),
  case_(
    "more drawn than held",
    { _tag: "Draw", hold: living, posting: posting(ann, eve, 11n) },
    "InvalidCommand",
    "it takes 11 from buyer:ann, and only 10 is held",
  ),
  case_(
    "nothing drawn",
    { _tag: "Draw", hold: living, posting: posting(card, eve, 1n) },
    "InvalidCommand",
    "it takes nothing from buyer:ann, whose hold it draws on",
  ),
  case_(
    "an expired hold posted",
    { _tag: "Settle", hold: expired, posting: posting(ann, eve, 1n) },
    "HoldNotAvailable",
    "The hold expired is expired, and this needs one that is pending",
  ),
  case_(
    "an expired hold drawn on",
    { _tag: "Draw", hold: expired, posting: posting(ann, eve, 1n) },
    "HoldNotAvailable",
    "is expired, and this needs one that is pending",
  ),
  case_(
    "an expired hold voided",
    { _tag: "Void", hold: expired, attachments: [] },
    "HoldNotAvailable",
    "is expired, and this needs one that is pending",
  ),
  case_(
    "a claim of a hold that lives",
    { _tag: "Claim", hold: living, posting: posting(loss, eve, 1n) },
    "HoldNotAvailable",
    "The hold living is pending, and this needs one that is expired",
  ),
  case_(
    "a claim of more than was held",
    { _tag: "Claim", hold: expired, posting: posting(loss, eve, 11n) },
    "InvalidCommand",
    "it pays 11, and the hold kept 10",
  ),
  case_(
    "a claim paid by who held",
    { _tag: "Claim", hold: expired, posting: posting(ann, eve, 1n) },
    "InvalidCommand",
    "a claim is not paid by buyer:ann: its hold expired",
  ),
  case_(
    "an unknown hold",
    { _tag: "Settle", hold: HoldId.make("none"), posting: posting(ann, eve, 1n) },
    "HoldNotAvailable",
    "There is no hold none",
  ),
  case_(
    "a hold that lives for no time",
    hold(ann, 1n, { lifeMs: 0 }),
    "InvalidCommand",
    "a life is a whole number of milliseconds from 1",
  ),
]

const payouts = [
  case_(
    "a payout's hold posted by a charge",
    { _tag: "Settle", hold: payout, posting: posting(id("payable:bank:zed"), card, 20n) },
    "InvalidCommand",
    "a payout's hold is posted by a payout, and nothing else is",
  ),
  case_(
    "a hold posted by a payout",
    { _tag: "Settle", hold: living, posting: posting(ann, card, 1n, { kind: "payout" }) },
    "InvalidCommand",
    "a payout's hold is posted by a payout, and nothing else is",
  ),
  case_(
    "a part of a payout posted",
    { _tag: "Settle", hold: payout, posting: posting(id("payable:bank:zed"), card, 19n, { kind: "payout" }) },
    "InvalidCommand",
    "it pays 19, and the payout is of 20",
  ),
  case_(
    "a payout drawn on",
    { _tag: "Draw", hold: payout, posting: posting(id("payable:bank:zed"), card, 1n) },
    "InvalidCommand",
    "a payout is posted whole. Settle its hold",
  ),
  case_("a payout without its hold", post(ann, card, 1n, { kind: "payout" }), "InvalidCommand", "Begin it first"),
  case_(
    "a payout from a buyer",
    { _tag: "BeginPayout", account: ann, rail: "bank", unit: 1n, minimum: 0n },
    "InvalidCommand",
    "buyer:ann is no payable account, and only those are paid out",
  ),
  case_(
    "a payout from nobody",
    { _tag: "BeginPayout", account: id("payable:bank:none"), rail: "bank", unit: 1n, minimum: 0n },
    "UnknownAccount",
    "There is no account payable:bank:none",
  ),
  case_(
    "a second payout by another rail",
    { _tag: "BeginPayout", account: id("payable:bank:zed"), rail: "card", unit: 1n, minimum: 0n },
    "Conflict",
    payout,
  ),
]

const others = [
  case_(
    "a key used with another amount",
    post(card, ann, 51n, { idempotencyKey: "used", kind: "topUp" }),
    "Conflict",
    "The key used was used before for something else",
  ),
  case_("a key used for another kind of thing", terms(ann, {}, "used"), "Conflict", "The key used was used before"),
  case_("a hold's id used for more", hold(ann, 11n, { id: living }), "Conflict", "The key living was used before"),
  case_(
    "a time that has not come",
    post(ann, eve, 1n, { effectiveAtMs: 9_000_000_000_000 }),
    "InvalidCommand",
    "a posting cannot count at a time that has not come yet",
  ),
  case_(
    "a time in a closed period",
    post(ann, eve, 1n, { effectiveAtMs: 999 }),
    "PeriodClosed",
    "the books are closed until 1970-01-01T00:00:01.000Z",
  ),
  case_(
    "a period that has not ended",
    { _tag: "ClosePeriod", endMs: 9_000_000_000_000 },
    "InvalidCommand",
    "a period that has not ended yet cannot be closed",
  ),
  case_(
    "a period that is closed",
    { _tag: "ClosePeriod", endMs: 999 },
    "InvalidCommand",
    "that time is closed already, with a later end",
  ),
  case_(
    "a period that is open, sealed",
    { _tag: "SealPeriod", endMs: 999, trialBalance: { root: "r".repeat(43), accounts: 1, totals: [] } },
    "InvalidCommand",
    "only a closed period can be sealed",
  ),
  case_(
    "nothing taken back",
    { _tag: "Reverse", sequence: 999n, attachments: [] },
    "InvalidCommand",
    "there is no posting 999",
  ),
  case_(
    "an act taken back",
    { _tag: "Reverse", sequence: 1n, attachments: [] },
    "InvalidCommand",
    "there is no posting 1",
  ),
  case_(
    "one of several",
    { _tag: "Link", commands: [post(ann, eve, 1n), post(ann, closed, 1n)] },
    "LinkRefused",
    "Command 1 of the linked ones was refused, so none was made. buyer:closed is closed",
  ),
  case_(
    "a form among several",
    { _tag: "Link", commands: [post(ann, eve, 1n), post(ann, eve, 0n)] },
    "InvalidCommand",
    "in command 1 of the linked ones, its leg on buyer:ann moves nothing",
  ),
]

export const cases: ReadonlyArray<Case> = [
  ...amounts,
  ...sources,
  ...accounts,
  ...legs,
  ...holds,
  ...payouts,
  ...others,
]

/** Brings fresh books to where every case can be asked. */
export const prepare = Effect.fnUntraced(function* (store: Store) {
  yield* CrashTrial.prepare(store)
  for (const answer of yield* store.commit(before)) assert.isTrue(Result.isSuccess(answer), String(answer))
  // As much as can be, so that one more is too much.
  for (const command of [post(vast, card, AMOUNT_MAX - 200n, { attachments: [] }), hold(card, 1n)]) {
    yield* CrashTrial.done(store, command)
  }
})

const isLinkable = (command: Command): command is Linkable =>
  !["Link", "Renew", "Expire", "ClosePeriod", "SealPeriod", "BeginPayout", "Preview"].includes(command._tag)

/** Asks for it alone, and between others that are made; it is refused both times, and nothing of it is in the books. */
export const check = Effect.fnUntraced(function* (store: Store, { command, reason, says }: Case) {
  const was = yield* CrashTrial.contents(store)
  const [alone] = yield* store.commit([command])
  if (alone === undefined || Result.isSuccess(alone)) return assert.fail("it was not refused")
  assert.strictEqual(alone.failure.reason._tag, reason, alone.failure.message)
  assert.include(alone.failure.message, says)
  assert.isFalse(alone.failure.isRetryable)
  assert.deepStrictEqual(yield* CrashTrial.contents(store), was)
  const [first, second] = [post(card, ann, 1n, { kind: "topUp" }), post(ann, card, 1n, { kind: "refund" })]
  const [, among, dry, last] = yield* store.commit([
    first,
    command,
    isLinkable(command) ? { _tag: "Preview", command } : command,
    second,
  ])
  for (const answer of [among, dry]) assert.isTrue(answer !== undefined && Result.isFailure(answer))
  assert.isTrue(last !== undefined && Result.isSuccess(last))
  const is = yield* CrashTrial.contents(store)
  assert.deepStrictEqual(is.accounts, was.accounts)
  assert.lengthOf(is.entries, was.entries.length + 2)
  assert.lengthOf(is.attachments, was.attachments.length + 2)
})

/** Sets the clock back between commands: what is posted later never has an earlier time, and nothing expires twice. */
export const backwards = Effect.fnUntraced(function* <E>(
  store: Store,
  setClock: (ms: number) => Effect.Effect<unknown, E>,
) {
  yield* setClock(1_800_000_000_000)
  yield* store.commit([
    open(card, { kind: "external", floor: null }),
    open(ann),
    post(card, ann, 100n, { kind: "topUp" }),
  ])
  yield* CrashTrial.done(store, hold(ann, 10n, { id: living, lifeMs: 1_000 }))
  yield* setClock(1_700_000_000_000)
  yield* CrashTrial.done(store, post(card, ann, 1n, { kind: "topUp" }))
  const late = hold(ann, 10n, { id: expired, lifeMs: 2_000 })
  yield* CrashTrial.done(store, late)
  assert.deepStrictEqual(yield* CrashTrial.done(store, { _tag: "Expire", limit: 9 }), { _tag: "Expired", holds: [] })
  yield* setClock(1_800_000_001_000)
  assert.deepStrictEqual(yield* CrashTrial.done(store, { _tag: "Expire", limit: 9 }), {
    _tag: "Expired",
    holds: [living],
  })
  yield* setClock(0)
  assert.deepStrictEqual(yield* CrashTrial.done(store, { _tag: "Expire", limit: 9 }), { _tag: "Expired", holds: [] })
  yield* CrashTrial.done(store, post(card, ann, 1n, { kind: "topUp" }))
  const times = (yield* store.history("entries", { after: 0n, limit: 100 })).map(({ postedAtMs }) => postedAtMs)
  assert.deepStrictEqual(
    times,
    times.toSorted((a, b) => a - b),
  )
  assert.strictEqual(times.at(-1), 1_800_000_001_000)
})
