/**
 * What an account has in one book and goes to the same account in another: it leaves the one through its clearing account and
 * arrives in the other through that one's, netted per epoch, as two postings that belong together.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { AssetCode } from "@guildhall/core/Asset"
import { Amount } from "@guildhall/core/Money"
import { AccountId, ids } from "../Account.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

const Book = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))

/**
 * A crossing at the end of an epoch, from the book with one number to another. The amount is below zero where a debt crosses.
 *
 * @category models
 * @since 0.1.0
 */
export const Crossing = Schema.Struct({
  epoch: Draft.Name,
  account: AccountId,
  asset: AssetCode,
  from: Book,
  to: Book,
  amount: Amount,
}).pipe(
  Schema.check(
    Schema.makeFilter(({ account, amount, from, to }) => {
      if (from === to) return `book ${from} has no crossing to itself.`
      if (account.startsWith("clearing:")) return `${account} is what crossings go through.`
      return amount === 0n ? `nothing of ${account} crosses.` : undefined
    }),
  ),
)
/** @since 0.1.0 */
export type Crossing = typeof Crossing.Type

/**
 * The idempotency key of one of the two postings: `out` in the book that the amount leaves, `in` in the other.
 *
 * @category constructors
 * @since 0.1.0
 */
export const keyOf = (
  { account, epoch, from, to }: Pick<Crossing, "account" | "epoch" | "from" | "to">,
  side: "out" | "in",
): string => `crossing:${epoch}:${from}-${to}:${side}:${account}`

/**
 * The posting in the book that the amount leaves. Make it first: what arrives has left before.
 *
 * @category templates
 * @since 0.1.0
 */
export const leaving: Template<Crossing> = Draft.template("crossing", Crossing, (crossing) => ({
  key: keyOf(crossing, "out"),
  moves: [
    [crossing.account, -crossing.amount],
    [ids.clearing(crossing.to, crossing.asset), crossing.amount],
  ],
  links: { epoch: crossing.epoch },
}))

/**
 * The posting in the book that the amount arrives in. After both, what the two books' clearing accounts have for each other sums
 * to zero.
 *
 * @category templates
 * @since 0.1.0
 */
export const arriving: Template<Crossing> = Draft.template("crossing", Crossing, (crossing) => ({
  key: keyOf(crossing, "in"),
  moves: [
    [crossing.account, crossing.amount],
    [ids.clearing(crossing.from, crossing.asset), -crossing.amount],
  ],
  links: { epoch: crossing.epoch },
}))
