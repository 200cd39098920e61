/** Books to crash on: what is in them, what is asked, and what must be there when it was done once. */
import { assert } from "@effect/vitest"
import { AssetCode } from "@guildhall/core/Asset"
import { Effect, Result } from "effect"
import { AccountId, type AccountKind } from "../src/Account.ts"
import { keyOf } from "../src/Entry.ts"
import { HoldId, type HoldRequest } from "../src/Hold.ts"
import type { Ledger } from "../src/Ledger.ts"
import type { LedgerError } from "../src/LedgerError.ts"
import type { Command, LedgerStore, Linkable, Outcome } from "../src/LedgerStore.ts"
import type { Posting } from "../src/Posting.ts"

const USD = { code: AssetCode.make("USD"), scale: 12 }
const id = (text: string) => AccountId.make(text)
const [card, ann, eve, zed] = [id("external:card"), id("buyer:ann"), id("payable:bank:eve"), id("payable:bank:zed")]
const [loss, pot] = [id("platform:loss"), id("buyer:pot")]

const open = (account: AccountId, kind: AccountKind, floor: bigint | null = 0n): Linkable => ({
  _tag: "Open",
  id: account,
  kind,
  asset: USD,
  floor,
  ceiling: null,
})

const posting = (
  idempotencyKey: string,
  kind: Posting["kind"],
  from: AccountId,
  to: AccountId,
  amount: bigint,
): Posting => ({
  idempotencyKey,
  kind,
  legs: [
    { account: from, amount: -amount },
    { account: to, amount },
  ],
  attachments: [{ kind: "receipt", body: idempotencyKey }],
})

const hold = (name: string, lifeMs: number, values: Partial<HoldRequest> = {}): Linkable => ({
  _tag: "Hold",
  hold: {
    id: HoldId.make(name),
    account: ann,
    amount: 10n,
    owner: "gateway",
    lifeMs,
    definitionDigest: "d",
    context: { of: name },
    ...values,
  },
})

/** Holds that live, that expired, that are of two accounts, and whose time has passed; money that was earned, and a payout under way. */
const before: ReadonlyArray<ReadonlyArray<Command>> = [
  [
    open(card, "external", null),
    open(loss, "platform", null),
    open(ann, "buyer"),
    open(eve, "payable"),
    open(zed, "payable"),
    { _tag: "Post", posting: posting("top up", "topUp", card, ann, 100n) },
    { _tag: "Post", posting: posting("earned by eve", "adjustment", card, eve, 30n) },
    { _tag: "Post", posting: posting("earned by zed", "adjustment", card, zed, 20n) },
    { _tag: "BeginPayout", account: zed, rail: "bank", unit: 1n, minimum: 0n },
    { _tag: "ClosePeriod", endMs: 1 },
    hold("expired", 1),
  ],
  [{ _tag: "Expire", limit: 1 }],
  [
    open(pot, "buyer"),
    { _tag: "Post", posting: posting("pot", "topUp", card, pot, 15n) },
    hold("living", 600_000),
    hold("late", 1),
    hold("several", 600_000, { account: pot, further: [card], amount: 20n }),
    hold("late too", 1, { account: pot, further: [card] }),
  ],
]
const payout = HoldId.make("payout:payable:bank:zed:0-8")
const [living, expired, several] = [HoldId.make("living"), HoldId.make("expired"), HoldId.make("several")]

/** What takes of both accounts of a hold. */
const ofBoth = (key: string, amount: bigint): Posting => ({
  ...posting(key, "charge", pot, eve, amount),
  legs: [
    { account: pot, amount: -amount },
    { account: card, amount: -2n },
    { account: eve, amount: amount + 2n },
  ],
})

/** One of each command. */
export const commands: Readonly<Record<string, Command>> = {
  open: open(id("buyer:new"), "buyer"),
  terms: {
    _tag: "SetTerms",
    idempotencyKey: "terms",
    account: ann,
    terms: { floor: -5n, ceiling: 500n, state: "open" },
  },
  post: { _tag: "Post", posting: posting("post", "charge", ann, eve, 7n) },
  reverse: { _tag: "Reverse", sequence: 7n, attachments: [] },
  hold: hold("another", 600_000),
  "hold of several": hold("another", 600_000, { amount: 100n, further: [card] }),
  grow: { _tag: "Grow", hold: living, amount: 25n },
  "grow on": { _tag: "Grow", hold: living, amount: 120n, sources: [ann, card] },
  "grow several": { _tag: "Grow", hold: several, amount: 30n, sources: [ann, pot, card] },
  "draw several": { _tag: "Draw", hold: several, posting: ofBoth("draw both", 4n) },
  "settle several": { _tag: "Settle", hold: several, posting: ofBoth("settle both", 14n) },
  "void several": { _tag: "Void", hold: several, attachments: [{ kind: "voided", body: 2 }] },
  draw: { _tag: "Draw", hold: living, posting: posting("draw", "charge", ann, eve, 3n) },
  settle: { _tag: "Settle", hold: living, posting: posting("settle", "charge", ann, eve, 4n) },
  void: { _tag: "Void", hold: living, attachments: [{ kind: "voided", body: 1 }] },
  claim: { _tag: "Claim", hold: expired, posting: posting("claim", "claim", loss, eve, 6n) },
  expire: { _tag: "Expire", limit: 100 },
  renew: { _tag: "Renew", owner: "gateway", lifeMs: 600_000 },
  link: {
    _tag: "Link",
    commands: [{ _tag: "Post", posting: posting("linked", "charge", ann, eve, 2n) }, hold("linked", 600_000)],
  },
  "close period": { _tag: "ClosePeriod", endMs: 2 },
  "seal period": { _tag: "SealPeriod", endMs: 1, trialBalance: { root: "r".repeat(43), accounts: 5, totals: [] } },
  "begin payout": { _tag: "BeginPayout", account: eve, rail: "bank", unit: 4n, minimum: 0n },
  "post payout": { _tag: "Settle", hold: payout, posting: posting("payout", "payout", zed, card, 20n) },
  "void payout": { _tag: "Void", hold: payout, attachments: [] },
}

type Store = LedgerStore["Service"]

/** Commits one command; it must be answered, and not be refused. */
export const done = Effect.fnUntraced(function* (store: Store, command: Command) {
  const [answer] = yield* store.commit([command])
  return yield* Effect.fromResult(answer ?? assert.fail("no answer"))
})

/** Brings fresh books to where a crash may come. */
export const prepare = Effect.fnUntraced(function* (store: Store) {
  for (const batch of before) {
    for (const answer of yield* store.commit(batch)) assert.isTrue(Result.isSuccess(answer), String(answer))
    yield* Effect.sleep(2)
  }
})

const holds = [
  "living",
  "expired",
  "late",
  "several",
  "late too",
  "another",
  "linked",
  payout,
  "payout:payable:bank:eve:0-12",
]

/** All that is in the books, without times. */
export const contents = Effect.fnUntraced(function* (store: Store) {
  const accounts = yield* store.accounts()
  const found = yield* store.holds({ ids: holds.map((name) => HoldId.make(name)) })
  const entries = yield* store.history("entries", { after: 0n, limit: 1_000 })
  const attachments = yield* store.history("attachments", { after: 0n, limit: 1_000 })
  const payouts = yield* store.history("payouts", { after: 0n, limit: 1_000 })
  return {
    accounts: accounts.toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    holds: found.map((each) => ({ ...each, expiresAtMs: 0 })).toSorted((a, b) => (a.id < b.id ? -1 : 1)),
    entries: entries.map((entry) => [entry.sequence, keyOf(entry), entry._tag === "Posted" ? entry.posting.legs : ""]),
    attachments: attachments.map(({ attachment, sequence }) => ({ attachment, sequence })),
    payouts,
  }
})

/** An outcome as it is when it is heard again. */
export const timeless = (outcome: Outcome): unknown => {
  const first = { ...outcome, ...("replayed" in outcome ? { replayed: true } : {}) }
  switch (outcome._tag) {
    case "Held":
      return { ...first, hold: { ...outcome.hold, expiresAtMs: 0 } }
    case "Linked":
      return outcome.outcomes.map(timeless)
    case "Expired":
      return "Expired"
    default:
      return first
  }
}

/** Whether an outcome says that it was done before. */
export const isReplayed = (outcome: Outcome): boolean | undefined => {
  if (outcome._tag === "Linked") return outcome.outcomes.every((each) => isReplayed(each) === true)
  if (outcome._tag === "Expired") return outcome.holds.length === 0
  return "replayed" in outcome ? outcome.replayed : undefined
}

/** The same, as a caller of the ledger asks for it. */
export const call = (ledger: Ledger["Service"], command: Command): Effect.Effect<unknown, LedgerError> => {
  switch (command._tag) {
    case "Open":
      return ledger.open(command)
    case "SetTerms":
      return ledger.setTerms(command)
    case "Post":
      return ledger.post(command.posting)
    case "Reverse":
      return ledger.reverse(command.sequence, command.attachments)
    case "Hold":
      return ledger.hold(command.hold)
    case "Grow":
      return ledger.grow(command.hold, command)
    case "Draw":
      return ledger.draw(command.hold, command.posting)
    case "Settle":
      return ledger.settle(command.hold, command.posting)
    case "Void":
      return ledger.void(command.hold, command.attachments)
    case "Claim":
      return ledger.claim(command.hold, command.posting)
    case "Link":
      return ledger.link(command.commands)
    case "Renew":
      return ledger.renew(command.owner, command.lifeMs)
    case "Expire":
      return ledger.expire(command.limit)
    case "ClosePeriod":
      return ledger.closePeriod(command.endMs)
    case "SealPeriod":
      return ledger.sealPeriod(command.endMs, command.trialBalance)
    case "BeginPayout":
      return ledger.beginPayout(command)
    case "Preview":
      return ledger.dryRun(command.command)
  }
}
