import type { Account, AccountId } from "../Account.ts"
import type { Applied, Change, Pages } from "../Book.ts"
import type { Hold, HoldId } from "../Hold.ts"
import { AccountNotOpen, Conflict, HoldNotAvailable, InsufficientFunds, UnknownAccount } from "../LedgerError.ts"
import type { Command } from "../LedgerStore.ts"
import { AMOUNT_MAX } from "../Limits.ts"
import type { PayoutRange } from "../PayoutRange.ts"
import type { Posting } from "../Posting.ts"
import { acted } from "./AccountRules.ts"
import { attached, available, done, fingerprint, invalid, record, refuse, replay } from "./PostingRules.ts"

type Of<Tag extends Command["_tag"]> = Extract<Command, { readonly _tag: Tag }>

/** What a pending hold still keeps. */
const kept = ({ amount, drawn }: Hold): bigint => amount - drawn

/** A hold lives until its own expiry or its owner's last renewal, whichever is later; one without a life for ever. */
const withLease = (pages: Pages, hold: Hold): Hold =>
  hold.expiresAtMs === null
    ? hold
    : { ...hold, expiresAtMs: Math.max(hold.expiresAtMs, pages.leaseOf(hold.owner) ?? 0) }

export const take = (pages: Pages, { hold: request }: Of<"Hold">, nowMs: number): Applied => {
  const { id, account: accountId, amount } = request
  const account = pages.account(accountId)
  const known = pages.hold(id)
  if (known !== undefined) {
    // The context says when it was written: a second try may carry another time.
    const isSame =
      known.account === accountId &&
      known.amount === amount &&
      known.owner === request.owner &&
      known.definitionDigest === request.definitionDigest
    if (!isSame || account === undefined) return refuse(new Conflict({ idempotencyKey: id }))
    return done({ _tag: "Held", hold: withLease(pages, known), available: available(account), replayed: true })
  }
  if (account === undefined) return refuse(new UnknownAccount({ account: accountId }))
  if (account.state !== "open") return refuse(new AccountNotOpen({ account: accountId, state: account.state }))
  const left = available(account)
  if (left < amount) return refuse(new InsufficientFunds({ account: accountId, available: left, needed: amount }))
  const after: Account = { ...account, held: account.held + amount }
  if (after.held > AMOUNT_MAX) return invalid(`it takes what is held of ${accountId} beyond 78 digits.`)
  const expiresAtMs = request.lifeMs === null ? null : nowMs + request.lifeMs
  const hold: Hold = { ...request, state: "pending", drawn: 0n, claimed: false, expiresAtMs }
  return done({ _tag: "Held", hold: withLease(pages, hold), available: available(after), replayed: false }, [
    { _tag: "AccountSet", account: after },
    { _tag: "HoldSet", hold },
  ])
}

const notAvailable = (id: HoldId, hold: Hold | undefined, wanted: Hold["state"]) =>
  refuse(new HoldNotAvailable({ hold: id, state: hold?.state ?? null, wanted }))

/** What a posting takes from a hold's account. */
const takenBy = ({ legs }: Posting, { account }: Hold): bigint =>
  legs.reduce((sum, leg) => (leg.account === account ? sum - leg.amount : sum), 0n)

/** The payout that a hold is for. */
const payoutOf = (pages: Pages, { account, id }: Hold): PayoutRange | undefined => {
  const payout = pages.lastPayout(account)
  return payout?.hold === id ? payout : undefined
}

/** What is wrong with posting a hold by this posting; undefined where nothing is. */
const misfit = (hold: Hold, taken: bigint, posting: Posting, payout: PayoutRange | undefined): string | undefined => {
  if (taken > kept(hold)) return `it takes ${taken} from ${hold.account}, and only ${kept(hold)} is held.`
  if ((payout !== undefined) !== (posting.kind === "payout")) {
    return "a payout's hold is posted by a payout, and nothing else is."
  }
  if (payout !== undefined && taken !== payout.amount) return `it pays ${taken}, and the payout is of ${payout.amount}.`
  return undefined
}

export const draw = (pages: Pages, { hold: id, posting }: Of<"Draw">, nowMs: number): Applied => {
  const print = fingerprint("Draw", id, posting)
  const known = replay(pages, posting.idempotencyKey, print)
  if (known !== undefined) return known
  const hold = pages.hold(id)
  if (hold?.state !== "pending") return notAvailable(id, hold, "pending")
  const taken = takenBy(posting, hold)
  if (taken <= 0n) return invalid(`it takes nothing from ${hold.account}, whose hold it draws on.`)
  if (payoutOf(pages, hold) !== undefined) return invalid("a payout is posted whole. Settle its hold.")
  const problem = misfit(hold, taken, posting, undefined)
  if (problem !== undefined) return invalid(problem)
  return record(pages, posting, {
    fingerprint: print,
    hold: id,
    release: { account: hold.account, amount: taken },
    nowMs,
    changes: [{ _tag: "HoldSet", hold: { ...hold, drawn: hold.drawn + taken } }],
  })
}

export const settle = (pages: Pages, { hold: id, posting }: Of<"Settle">, nowMs: number): Applied => {
  const print = fingerprint("Settle", id, posting)
  const known = replay(pages, posting.idempotencyKey, print)
  if (known !== undefined) return known
  const hold = pages.hold(id)
  if (hold?.state !== "pending") return notAvailable(id, hold, "pending")
  const taken = takenBy(posting, hold)
  const payout = payoutOf(pages, hold)
  const problem = misfit(hold, taken, posting, payout)
  if (problem !== undefined) return invalid(problem)
  // Who is paid more than it pays draws nothing of its own hold.
  const drawn = hold.drawn + (taken > 0n ? taken : 0n)
  const changes: Array<Change> = [{ _tag: "HoldSet", hold: { ...hold, drawn, state: "posted" } }]
  if (payout !== undefined) changes.push({ _tag: "PayoutSet", payout: { ...payout, state: "posted" } })
  return record(pages, posting, {
    fingerprint: print,
    hold: id,
    release: { account: hold.account, amount: kept(hold) },
    nowMs,
    changes,
  })
}

/** A voided payout was not made: the next one carries what it would have paid. */
const voidPayout = (pages: Pages, payout: PayoutRange, nowMs: number): ReadonlyArray<Change> => [
  { _tag: "PayoutSet", payout: { ...payout, carriedOut: payout.carriedOut + payout.amount, state: "voided" } },
  acted(pages, `ledger:void:${payout.hold}`, { _tag: "PayoutVoided", hold: payout.hold }, nowMs),
]

export const giveBack = (pages: Pages, { hold: id, attachments }: Of<"Void">, nowMs: number): Applied => {
  const hold = pages.hold(id)
  if (hold?.state === "voided") return done({ _tag: "Voided", replayed: true })
  if (hold?.state !== "pending") return notAvailable(id, hold, "pending")
  const changes: Array<Change> = [{ _tag: "HoldSet", hold: { ...hold, state: "voided" } }]
  const account = pages.account(hold.account)
  if (account !== undefined) {
    changes.push({ _tag: "AccountSet", account: { ...account, held: account.held - kept(hold) } })
  }
  const payout = payoutOf(pages, hold)
  if (payout !== undefined) changes.push(...voidPayout(pages, payout, nowMs))
  return done({ _tag: "Voided", replayed: false }, [...changes, ...attached(attachments)])
}

/** What a posting pays in all, by asset the most: what its legs take from whoever they take it from. */
const paid = ({ legs }: Posting): bigint => legs.reduce((sum, { amount }) => (amount < 0n ? sum - amount : sum), 0n)

export const claim = (pages: Pages, { hold: id, posting }: Of<"Claim">, nowMs: number): Applied => {
  const print = fingerprint("Claim", id, posting)
  const known = replay(pages, posting.idempotencyKey, print)
  if (known !== undefined) return known
  const hold = pages.hold(id)
  if (hold?.state !== "expired" || hold.claimed) return notAvailable(id, hold, "expired")
  if (posting.legs.some((leg) => leg.account === hold.account && leg.amount < 0n)) {
    return invalid(`a claim is not paid by ${hold.account}: its hold expired, and the money is its own again.`)
  }
  if (paid(posting) > kept(hold)) return invalid(`it pays ${paid(posting)}, and the hold kept ${kept(hold)}.`)
  return record(pages, posting, {
    fingerprint: print,
    hold: id,
    release: null,
    nowMs,
    changes: [{ _tag: "HoldSet", hold: { ...hold, claimed: true } }],
  })
}

export const renew = (pages: Pages, { owner, lifeMs }: Of<"Renew">, nowMs: number): Applied =>
  done({ _tag: "Renewed", count: pages.pendingOf(owner) }, [
    { _tag: "LeaseSet", owner, untilMs: Math.max(nowMs + lifeMs, pages.leaseOf(owner) ?? 0) },
  ])

export const expire = (pages: Pages, { limit }: Of<"Expire">, nowMs: number): Applied => {
  const accounts = new Map<AccountId, Account>()
  const changes: Array<Change> = []
  const holds: Array<HoldId> = []
  for (const hold of pages.due(nowMs, limit)) {
    const account = accounts.get(hold.account) ?? pages.account(hold.account)
    if (account !== undefined) accounts.set(account.id, { ...account, held: account.held - kept(hold) })
    changes.push({ _tag: "HoldSet", hold: { ...hold, state: "expired" } })
    changes.push({ _tag: "Attached", attachment: { kind: "hold.expired", body: hold.context } })
    holds.push(hold.id)
  }
  const released = [...accounts.values()].map((account): Change => ({ _tag: "AccountSet", account }))
  return done({ _tag: "Expired", holds }, [...released, ...changes])
}
