/**
 * What money must do, in as few words as it can be said, with nothing of `Book` in it: no proof, no batches, no database.
 * Something is done first, and what is wrong with it is noted: `Acts`, which has all other commands, takes it back then.
 */
import type { Posting } from "../../src/Posting.ts"
import type { Account, Books, Hold } from "./Shapes.ts"

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

/** Frees an amount of a hold, and says how it stands then. */
export const leave = (b: Books, id: string, hold: Hold, freed: bigint, next: Partial<Hold>): void => {
  const [payout, account] = [b.payouts.get(hold.account), b.accounts.get(hold.account)]
  if (account !== undefined) b.accounts.set(hold.account, { ...account, held: account.held - freed })
  b.holds.set(id, { ...hold, ...next })
  if (payout?.hold === id) b.payouts.set(hold.account, { ...payout, isPending: false })
  if (payout?.hold === id && next.state === "voided") once(b, "PayoutVoided", `ledger:void:${id}`, "", () => undefined)
}

/** Takes money out of a hold; for a claim, out of what one had that expired. */
const spend = (b: Books, tag: string, { kind, legs }: Posting, id: string, hold: Hold): void => {
  const [own, lost] = [legs.filter((leg) => leg.account === hold.account), legs.filter((leg) => leg.amount < 0n)]
  const [left, taken, paid] = [hold.amount - hold.drawn, -sum(own), -sum(lost)]
  const [isPayout, isClaim] = [b.payouts.get(hold.account)?.hold === id, tag === "Claim"]
  no(b, isPayout !== (kind === "payout") || (isPayout && taken !== left) || (tag === "Draw" && taken <= 0n))
  no(b, isClaim ? paid > left || own.some((leg) => leg.amount < 0n) : taken > left)
  const spent = isClaim || taken < 0n ? 0n : taken
  const state = tag === "Settle" ? "posted" : hold.state
  leave(b, id, hold, isClaim || tag === "Draw" ? spent : left, { drawn: hold.drawn + spent, state, claimed: isClaim })
}

/** Posts: for nothing else, or a part of a hold, or the whole of it, or for one that expired. */
export const post = (b: Books, tag: string, posting: Posting, id = ""): string => {
  const { effectiveAtMs: at, idempotencyKey, kind, legs, links } = posting
  no(b, legs.some(({ amount }) => amount === 0n || isBeyond(amount)) || (kind === "payout" && tag !== "Settle"))
  const make = (): void => {
    const [hold, wanted] = [b.holds.get(id), tag === "Claim" ? "expired" : "pending"]
    if (tag !== "Post" && (hold?.state !== wanted || hold.claimed)) return no(b, true, "HoldNotAvailable")
    const isPromised = (account: string, amount: bigint) =>
      hold?.state === "pending" && (amount > 0n || account === hold.account)
    for (const { account, amount } of legs) change(b, account, amount, 0n, isPromised(account, amount))
    no(b, at !== undefined && at > b.nowMs)
    no(b, (at ?? b.nowMs) < (b.times.get("closed") ?? 0), "PeriodClosed")
    no(b, new Set(legs.map(({ account }) => b.accounts.get(account)?.asset.code)).size > 1 || sum(legs) !== 0n)
    if (hold !== undefined) spend(b, tag, posting, id, hold)
  }
  return once(b, "Posted", idempotencyKey, [tag, id, kind, legs, links, at], make, posting)
}
