/**
 * What money must do, in as few words as it can be said, with nothing of `Book` in it: no proof, no batches, no database.
 * Something is done first, and what is wrong with it is noted: `Acts`, which has all other commands, takes it back then.
 */
import type { Posting } from "../../src/Posting.ts"
import type { Account, Books, Hold, Part } from "./Shapes.ts"

const BEYOND = 10n ** 78n
const sum = (legs: Posting["legs"]) => legs.reduce((total, { amount }) => total + amount, 0n)
export const text = (value: unknown) =>
  JSON.stringify(value, (_, item) => (typeof item === "bigint" ? `${item}n` : item))
export const isBeyond = (amount: bigint) => amount >= BEYOND || amount <= -BEYOND
export const free = ({ balance, floor, held }: Account) => (floor === null ? BEYOND - 1n : balance - held - floor)
export const no = ({ why }: Books, is: boolean, reason = "InvalidCommand"): void => void (is && why.push(reason))

/** Does what a key asks for, once, and numbers it. */
export const once = (b: Books, done: string, key: string, asked: unknown, make: () => void, posting?: Posting) => {
  const known = b.keys.get(key)
  no(b, known !== undefined && known.asked !== text(asked), "Conflict")
  if (known !== undefined) return `${done} again ${known.sequence}`
  make()
  b.keys.set(key, { done, asked: text(asked), sequence: b.keys.size + 1, posting })
  return `${done} ${b.keys.size}`
}

/** Changes what an account has and what is held of it; whether it must be open, or a hold promised it. */
export const change = (b: Books, id: string, balance: bigint, held: bigint, isPromised: boolean): void => {
  const was = b.accounts.get(id)
  if (was === undefined) return no(b, true, "UnknownAccount")
  const is = { ...was, balance: was.balance + balance, held: was.held + held }
  b.accounts.set(id, is)
  no(b, is.state === "closed" || (is.state === "frozen" && !isPromised), "AccountNotOpen")
  no(b, isBeyond(is.balance) || isBeyond(is.held))
}

const least = (a: bigint, b: bigint) => (a < b ? a : b)
export const left = ({ amount, drawn }: Part) => amount - drawn

/** What is left where these accounts are open. */
export const freeOf = (b: Books, ids: ReadonlyArray<string>): bigint => {
  const open = ids.flatMap((id) => b.accounts.get(id) ?? []).filter(({ state }) => state === "open")
  return least(
    open.reduce((all, account) => all + free(account), 0n),
    BEYOND - 1n,
  )
}

/** Holds an amount, of each account what it has, one after the other. */
export const reserve = (b: Books, ids: ReadonlyArray<string>, amount: bigint): ReadonlyArray<Part> => {
  const there = ids.flatMap((id) => {
    const account = b.accounts.get(id)
    return account === undefined ? [] : [{ id, account }]
  })
  const usable = there.filter(({ account }) => account.state !== "closed")
  no(b, there.length === 0, "UnknownAccount")
  no(b, there.length > 0 && usable.length === 0, "AccountNotOpen")
  no(b, new Set(usable.map(({ account }) => account.asset.code)).size > 1)
  let rest = amount
  const parts = usable.map(({ account, id }) => {
    const takes = least(free(account), rest)
    change(b, id, 0n, takes, false)
    rest -= takes
    return { account: id, amount: takes, drawn: 0n }
  })
  no(b, usable.length > 0 && rest > 0n, "InsufficientFunds")
  const some = parts.filter((part) => part.amount > 0n)
  return some.length > 0 ? some : parts.slice(0, 1)
}

/** Frees what is said of each part of a hold, and says how it stands then. */
export const leave = (b: Books, id: string, hold: Hold, freed: ReadonlyArray<bigint>, next: Partial<Hold>): void => {
  for (const [at, part] of hold.parts.entries()) {
    const account = b.accounts.get(part.account)
    if (account !== undefined) b.accounts.set(part.account, { ...account, held: account.held - (freed[at] ?? 0n) })
  }
  b.holds.set(id, { ...hold, ...next })
  const [of, payout] = [...b.payouts].find(([, { hold }]) => hold === id) ?? []
  if (of !== undefined && payout !== undefined) b.payouts.set(of, { ...payout, isPending: false })
  if (of !== undefined && next.state === "voided") once(b, "PayoutVoided", `ledger:void:${id}`, "", () => undefined)
}

/** Takes money out of a hold; for a claim, out of what one had that expired. */
const spend = (b: Books, tag: string, { kind, legs }: Posting, id: string, hold: Hold): void => {
  const taken = hold.parts.map(({ account }) => -sum(legs.filter((leg) => leg.account === account)))
  const [all, kept] = [taken.reduce((a, one) => a + one, 0n), hold.parts.reduce((a, part) => a + left(part), 0n)]
  const lost = legs.filter((leg) => leg.amount < 0n)
  const isOwn = lost.some((leg) => hold.parts.some(({ account }) => account === leg.account))
  const [isPayout, isClaim] = [[...b.payouts.values()].some((payout) => payout.hold === id), tag === "Claim"]
  no(b, isPayout !== (kind === "payout") || (isPayout && all !== kept))
  no(b, tag === "Draw" && (all <= 0n || taken.some((amount) => amount < 0n)))
  no(b, isClaim ? -sum(lost) > kept || isOwn : hold.parts.some((part, at) => (taken[at] ?? 0n) > left(part)))
  const spent = taken.map((amount) => (isClaim || amount < 0n ? 0n : amount))
  const parts = hold.parts.map((part, at) => ({ ...part, drawn: part.drawn + (spent[at] ?? 0n) }))
  const state = tag === "Settle" ? "posted" : hold.state
  leave(b, id, hold, isClaim || tag === "Draw" ? spent : hold.parts.map(left), { parts, state, claimed: isClaim })
}

/** Posts: for nothing else, or a part of a hold, or the whole of it, or for one that expired. */
export const post = (b: Books, tag: string, posting: Posting, id = ""): string => {
  const { effectiveAtMs: at, idempotencyKey, kind, legs, links } = posting
  no(b, legs.some(({ amount }) => amount === 0n || isBeyond(amount)) || (kind === "payout" && tag !== "Settle"))
  const make = (): void => {
    const [hold, wanted] = [b.holds.get(id), tag === "Claim" ? "expired" : "pending"]
    if (tag !== "Post" && (hold?.state !== wanted || hold.claimed)) return no(b, true, "HoldNotAvailable")
    const isPromised = (account: string, amount: bigint) =>
      hold?.state === "pending" && (amount > 0n || hold.parts.some((part) => part.account === account))
    for (const { account, amount } of legs) change(b, account, amount, 0n, isPromised(account, amount))
    no(b, at !== undefined && at > b.nowMs)
    no(b, (at ?? b.nowMs) < (b.times.get("closed") ?? 0), "PeriodClosed")
    no(b, new Set(legs.map(({ account }) => b.accounts.get(account)?.asset.code)).size > 1 || sum(legs) !== 0n)
    if (hold !== undefined) spend(b, tag, posting, id, hold)
  }
  return once(b, "Posted", idempotencyKey, [tag, id, kind, legs, links, at], make, posting)
}
