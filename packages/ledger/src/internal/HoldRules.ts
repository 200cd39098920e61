import * as Result from "effect/Result"
import type { Account, AccountId } from "../Account.ts"
import type { Applied, Change, Pages } from "../Book.ts"
import { type Hold, type HoldId, type HoldRequest, type Part, partsOf } from "../Hold.ts"
import { Conflict, HoldNotAvailable } from "../LedgerError.ts"
import type { Command } from "../LedgerStore.ts"
import { SOURCES_MAX } from "../Limits.ts"
import type { PayoutRange } from "../PayoutRange.ts"
import type { Posting } from "../Posting.ts"
import { acted } from "./AccountRules.ts"
import { availableOf, type Covered, cover, joined, type Sources } from "./HoldSources.ts"
import { attached, done, fingerprint, invalid, record, refuse, replay } from "./PostingRules.ts"

type Of<Tag extends Command["_tag"]> = Extract<Command, { readonly _tag: Tag }>

/** What a pending hold still keeps. */
const kept = ({ amount, drawn }: Hold): bigint => amount - drawn

/** A hold lives until its own expiry or its owner's last renewal, whichever is later; one without a life for ever. */
const withLease = (pages: Pages, hold: Hold): Hold =>
  hold.expiresAtMs === null
    ? hold
    : { ...hold, expiresAtMs: Math.max(hold.expiresAtMs, pages.leaseOf(hold.owner) ?? 0) }

/** A hold of these parts, which has at least one. */
const onParts = (hold: Omit<Hold, "account" | "parts">, parts: Covered["parts"]): Hold => {
  const { account } = parts[0]
  return parts.length === 1 ? { ...hold, account } : { ...hold, account, parts }
}

/** A hold that is asked for again, under its id. */
const takenBefore = (pages: Pages, request: HoldRequest, sources: Sources, known: Hold): Applied => {
  const left = availableOf(pages, sources)
  // The context says when it was written: a second try may carry another time. Of the accounts those count that gave.
  const isSame =
    (known.asked ?? known.amount) === request.amount &&
    known.owner === request.owner &&
    known.definitionDigest === request.definitionDigest &&
    partsOf(known).every(({ account }) => sources.includes(account))
  if (!isSame || left === undefined) return refuse(new Conflict({ idempotencyKey: request.id }))
  return done({ _tag: "Held", hold: withLease(pages, known), available: left, replayed: true })
}

const setAccounts = (accounts: ReadonlyArray<Account>): ReadonlyArray<Change> =>
  accounts.map((account) => ({ _tag: "AccountSet", account }))

export const take = (pages: Pages, { hold: request }: Of<"Hold">, nowMs: number): Applied => {
  const { account, amount, context, definitionDigest, further, id, lifeMs, owner } = request
  const sources: Sources = further === undefined ? [account] : [account, ...further]
  const known = pages.hold(id)
  if (known !== undefined) return takenBefore(pages, request, sources, known)
  const covered = cover(pages, sources, amount)
  if (Result.isFailure(covered)) return Result.fail(covered.failure)
  const { accounts, available: left, parts } = covered.success
  const expiresAtMs = lifeMs === null ? null : nowMs + lifeMs
  const single: Hold = {
    id,
    account: parts[0].account,
    amount,
    owner,
    lifeMs,
    definitionDigest,
    context,
    state: "pending",
    drawn: 0n,
    claimed: false,
    expiresAtMs,
  }
  const hold = parts.length === 1 ? single : { ...single, parts }
  return done({ _tag: "Held", hold: withLease(pages, hold), available: left, replayed: false }, [
    ...setAccounts(accounts),
    { _tag: "HoldSet", hold },
  ])
}

export const grow = (pages: Pages, { hold: id, amount, sources: asked }: Of<"Grow">): Applied => {
  const hold = pages.hold(id)
  if (hold?.state !== "pending") return notAvailable(id, hold, "pending")
  const before = partsOf(hold)
  const [first = hold.account, ...further] = asked ?? before.map(({ account }) => account)
  const sources: Sources = [first, ...further]
  if (amount <= hold.amount) {
    const left = availableOf(pages, sources) ?? 0n
    return done({ _tag: "Grown", amount: hold.amount, parts: before, available: left, replayed: true })
  }
  return Result.flatMap(cover(pages, sources, amount - hold.amount), ({ accounts, available: left, parts: grown }) => {
    const parts = joined(sources, before, grown)
    if (parts.length > SOURCES_MAX)
      return invalid(`it would be of ${parts.length} accounts, and ${SOURCES_MAX} is the most.`)
    const [mine, other] = [pages.account(hold.account), accounts[0]]
    if (mine !== undefined && other !== undefined && mine.asset.code !== other.asset.code) {
      return invalid(
        `${mine.id} is in ${mine.asset.code} and ${other.id} in ${other.asset.code}. A hold is in one asset.`,
      )
    }
    const after = onParts({ ...hold, amount, asked: hold.asked ?? hold.amount }, parts)
    return done({ _tag: "Grown", amount, parts, available: left, replayed: false }, [
      ...setAccounts(accounts),
      { _tag: "HoldSet", hold: after },
    ])
  })
}

const notAvailable = (id: HoldId, hold: Hold | undefined, wanted: Hold["state"]) =>
  refuse(new HoldNotAvailable({ hold: id, state: hold?.state ?? null, wanted }))

/** What a posting takes from an account. */
const takenFrom = ({ legs }: Posting, id: AccountId): bigint =>
  legs.reduce((sum, leg) => (leg.account === id ? sum - leg.amount : sum), 0n)

/** The payout that a hold is for. */
const payoutOf = (pages: Pages, { account, id }: Hold): PayoutRange | undefined => {
  const payout = pages.lastPayout(account)
  return payout?.hold === id ? payout : undefined
}

/** A part of a hold, and what a posting takes of its account. */
interface Taken {
  readonly part: Part
  readonly amount: bigint
}

const takenOf = (hold: Hold, posting: Posting): ReadonlyArray<Taken> =>
  partsOf(hold).map((part) => ({ part, amount: takenFrom(posting, part.account) }))

const total = (taken: ReadonlyArray<Taken>): bigint => taken.reduce((sum, { amount }) => sum + amount, 0n)

/** What is wrong with posting a hold by this posting; undefined where nothing is. */
const misfit = (taken: ReadonlyArray<Taken>, posting: Posting, payout: PayoutRange | undefined): string | undefined => {
  const over = taken.find(({ amount, part }) => amount > part.amount - part.drawn)
  if (over !== undefined) {
    const { account, amount, drawn } = over.part
    return `it takes ${over.amount} from ${account}, and only ${amount - drawn} is held.`
  }
  if ((payout !== undefined) !== (posting.kind === "payout")) {
    return "a payout's hold is posted by a payout, and nothing else is."
  }
  if (payout !== undefined && total(taken) !== payout.amount) {
    return `it pays ${total(taken)}, and the payout is of ${payout.amount}.`
  }
  return undefined
}

/** A hold that a posting drew on. Who is paid more than it pays draws nothing of its own part. */
const drawnBy = (hold: Hold, taken: ReadonlyArray<Taken>, state: Hold["state"]): Hold => {
  let { drawn } = hold
  for (const { amount } of taken) if (amount > 0n) drawn += amount
  if (hold.parts === undefined) return { ...hold, drawn, state }
  const [first = hold.parts[0], ...others] = taken.map(({ amount, part }) =>
    amount > 0n ? { ...part, drawn: part.drawn + amount } : part,
  )
  return { ...hold, drawn, parts: [first, ...others], state }
}

export const draw = (pages: Pages, { hold: id, posting }: Of<"Draw">, nowMs: number): Applied => {
  const print = fingerprint("Draw", id, posting)
  const known = replay(pages, posting.idempotencyKey, print)
  if (known !== undefined) return known
  const hold = pages.hold(id)
  if (hold?.state !== "pending") return notAvailable(id, hold, "pending")
  const taken = takenOf(hold, posting)
  if (total(taken) <= 0n) return invalid(`it takes nothing from ${hold.account}, whose hold it draws on.`)
  const paid = taken.find(({ amount }) => amount < 0n)
  if (paid !== undefined) return invalid(`it pays into ${paid.part.account}, whose hold it draws on.`)
  if (payoutOf(pages, hold) !== undefined) return invalid("a payout is posted whole. Settle its hold.")
  const problem = misfit(taken, posting, undefined)
  if (problem !== undefined) return invalid(problem)
  return record(pages, posting, {
    fingerprint: print,
    hold: id,
    release: taken.map(({ amount, part }) => ({ account: part.account, amount })),
    nowMs,
    changes: [{ _tag: "HoldSet", hold: drawnBy(hold, taken, "pending") }],
  })
}

export const settle = (pages: Pages, { hold: id, posting }: Of<"Settle">, nowMs: number): Applied => {
  const print = fingerprint("Settle", id, posting)
  const known = replay(pages, posting.idempotencyKey, print)
  if (known !== undefined) return known
  const hold = pages.hold(id)
  if (hold?.state !== "pending") return notAvailable(id, hold, "pending")
  const taken = takenOf(hold, posting)
  const payout = payoutOf(pages, hold)
  const problem = misfit(taken, posting, payout)
  if (problem !== undefined) return invalid(problem)
  const changes: Array<Change> = [{ _tag: "HoldSet", hold: drawnBy(hold, taken, "posted") }]
  if (payout !== undefined) changes.push({ _tag: "PayoutSet", payout: { ...payout, state: "posted" } })
  return record(pages, posting, {
    fingerprint: print,
    hold: id,
    release: taken.map(({ part }) => ({ account: part.account, amount: part.amount - part.drawn })),
    nowMs,
    changes,
  })
}

/** An account that a part of a hold is given back to. */
const freed = (account: Account, { amount, drawn }: Part): Account => ({
  ...account,
  held: account.held - amount + drawn,
})

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
  for (const part of partsOf(hold)) {
    const account = pages.account(part.account)
    if (account !== undefined) changes.push({ _tag: "AccountSet", account: freed(account, part) })
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
  const own = partsOf(hold).find(({ account }) =>
    posting.legs.some((leg) => leg.account === account && leg.amount < 0n),
  )
  if (own !== undefined) {
    return invalid(`a claim is not paid by ${own.account}: its hold expired, and the money is its own again.`)
  }
  if (paid(posting) > kept(hold)) return invalid(`it pays ${paid(posting)}, and the hold kept ${kept(hold)}.`)
  return record(pages, posting, {
    fingerprint: print,
    hold: id,
    release: [],
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
    for (const part of partsOf(hold)) {
      const account = accounts.get(part.account) ?? pages.account(part.account)
      if (account !== undefined) accounts.set(account.id, freed(account, part))
    }
    changes.push({ _tag: "HoldSet", hold: { ...hold, state: "expired" } })
    changes.push({ _tag: "Attached", attachment: { kind: "hold.expired", body: hold.context } })
    holds.push(hold.id)
  }
  return done({ _tag: "Expired", holds }, [...setAccounts([...accounts.values()]), ...changes])
}
