import * as Result from "effect/Result"
import type { Applied, Pages } from "../Book.ts"
import { AccountNotOpen, Conflict, UnknownAccount } from "../LedgerError.ts"
import type { Command } from "../LedgerStore.ts"
import { idOf, type PayoutRange } from "../PayoutRange.ts"
import { acted } from "./AccountRules.ts"
import * as HoldRules from "./HoldRules.ts"
import { available, done, invalid, refuse } from "./PostingRules.ts"

type Of<Tag extends Command["_tag"]> = Extract<Command, { readonly _tag: Tag }>

/** What holds of payouts are owned by: nobody renews them, they end by evidence. */
const OWNER = "payouts"

/**
 * Takes the next range. All that the account has and was not carried over before came after the last range, so there is
 * nothing to add up: the range and what it carries are worth the balance.
 */
export const begin = (pages: Pages, command: Of<"BeginPayout">, nowMs: number): Applied => {
  const { account: id, rail, unit, minimum } = command
  const account = pages.account(id)
  if (account === undefined) return refuse(new UnknownAccount({ account: id }))
  if (account.kind !== "payable") return invalid(`${id} is no payable account, and only those are paid out.`)
  const last = pages.lastPayout(id)
  if (last?.state === "pending") {
    return last.rail === rail
      ? done({ _tag: "PayoutBegun", payout: last, replayed: true })
      : refuse(new Conflict({ idempotencyKey: last.hold }))
  }
  if (account.state !== "open") return refuse(new AccountNotOpen({ account: id, state: account.state }))
  const free = account.balance < available(account) ? account.balance : available(account)
  const amount = (free / unit) * unit
  if (amount <= 0n || amount < minimum) return done({ _tag: "PayoutBegun", payout: null, replayed: false })
  const fromSequence = last?.toSequence ?? 0n
  const toSequence = pages.lastSequence
  const hold = idOf(id, fromSequence, toSequence)
  const carriedIn = last?.carriedOut ?? 0n
  const carriedOut = account.balance - amount
  const range = { account: id, rail, fromSequence, toSequence, carriedIn, amount, carriedOut, hold }
  const request = { id: hold, account: id, amount, owner: OWNER, lifeMs: null, definitionDigest: "", context: null }
  const held = HoldRules.take(pages, { _tag: "Hold", hold: request }, nowMs)
  const payout: PayoutRange = { ...range, state: "pending" }
  return Result.map(held, ({ changes }) => ({
    outcome: { _tag: "PayoutBegun", payout, replayed: false },
    changes: [
      ...changes,
      { _tag: "PayoutSet", payout },
      acted(pages, `ledger:begin:${hold}`, { _tag: "PayoutBegun", ...range }, nowMs),
    ],
  }))
}
