/**
 * When what a provider earned may be paid out: it accrues by the source of the money and moves on to `payable` once nobody can
 * take that money back.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { MemberId } from "@guildhall/core/Member"
import { NonNegativeAmount } from "@guildhall/core/Money"
import { type Account, ids } from "../Account.ts"
import type { Entry } from "../Entry.ts"
import * as Draft from "./internal/Draft.ts"
import type { Template } from "./Template.ts"

const DAY_MS = 86_400_000

/**
 * When the money of a source is safe: `AfterDays` for cards, whose payments can be disputed so long; `AtFinality` for what
 * moved on a chain; `Never` for grants, which are spent but not paid out.
 *
 * @category models
 * @since 0.1.0
 */
export const Rule = Schema.TaggedUnion({
  AfterDays: { days: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 3_650 }))) },
  AtFinality: {},
  Never: {},
})
/** @since 0.1.0 */
export type Rule = typeof Rule.Type

/**
 * The rules of a market by funding source. A source that is not named never matures; among those to name are `platform`, of
 * claims, and `slash`, of what finders get.
 *
 * @category models
 * @since 0.1.0
 */
export const Rules = Schema.Record(Schema.String, Rule)
/** @since 0.1.0 */
export type Rules = typeof Rules.Type

/**
 * What was earned before this time, in Unix milliseconds, is safe; `null` where nothing ever is. `finalMs` is until when the
 * chain is final.
 *
 * **Example** (Cards after two days, grants never)
 *
 * ```ts
 * import { Maturity } from "@guildhall/ledger/templates"
 *
 * const rules: Maturity.Rules = { card: { _tag: "AfterDays", days: 2 }, grant: { _tag: "Never" } }
 * const nowMs = 10 * 86_400_000
 * Maturity.safeUntilMs(rules, "card", { nowMs, finalMs: 0 }) // => 8 * 86_400_000
 * Maturity.safeUntilMs(rules, "grant", { nowMs, finalMs: 0 }) // => null
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const safeUntilMs = (
  rules: Rules,
  fundingSource: string,
  clock: { readonly nowMs: number; readonly finalMs: number },
): number | null => {
  const rule = rules[fundingSource]
  switch (rule?._tag) {
    case "AfterDays":
      return clock.nowMs - rule.days * DAY_MS
    case "AtFinality":
      return Math.min(clock.finalMs, clock.nowMs)
    case "Never":
    case undefined:
      return null
  }
}

/**
 * What of an accrual's balance is safe: all but what came in at or after `untilMs`. Whatever was taken meanwhile was taken
 * from the oldest. `entries` are those of the account from that time on, in any order; older ones may be among them.
 *
 * @category rules
 * @since 0.1.0
 */
export const safe = (
  account: Pick<Account, "id" | "balance" | "held">,
  entries: Iterable<Entry>,
  untilMs: number,
): bigint => {
  let left = account.balance - account.held
  for (const entry of entries) {
    if (entry._tag === "Acted" || entry.postedAtMs < untilMs) continue
    for (const leg of entry.posting.legs) if (leg.account === account.id && leg.amount > 0n) left -= leg.amount
  }
  return left > 0n ? left : 0n
}

/**
 * What matures of a provider's earnings from one source in an epoch. `owed` is what the provider owes the market, minus the
 * balance of its `receivable`, which is served first.
 *
 * @category models
 * @since 0.1.0
 */
export const Maturity = Schema.Struct({
  provider: MemberId,
  fundingSource: Draft.Name,
  rail: Draft.Name,
  epoch: Draft.Name,
  amount: Draft.PositiveAmount,
  owed: NonNegativeAmount,
})
/** @since 0.1.0 */
export type Maturity = typeof Maturity.Type

/**
 * Moves the amount from the provider's accrual to its `receivable` and to `payable:<rail>`, once for each source and epoch.
 *
 * **Example** (A provider that owes something)
 *
 * ```ts
 * import { Maturity } from "@guildhall/ledger/templates"
 * import { Member } from "@guildhall/core"
 * import { Result } from "effect"
 *
 * const provider = Member.MemberId.make("mem_2")
 * const epoch = { provider, fundingSource: "card", rail: "Stripe", epoch: "7" }
 * const posting = Maturity.posting({ ...epoch, amount: 10n, owed: 3n })
 * Result.getOrThrow(posting).legs.map(({ account, amount }) => `${account} ${amount}`)
 * // => ["accrual:card:mem_2 -10", "receivable:mem_2 3", "payable:Stripe:mem_2 7"]
 * ```
 *
 * @category templates
 * @since 0.1.0
 */
export const posting: Template<Maturity> = Draft.template("maturity", Maturity, (maturity) => {
  const { amount, epoch, fundingSource, owed, provider, rail } = maturity
  const accrual = ids.accrual(fundingSource, provider)
  return {
    key: `maturity:${accrual}:${epoch}`,
    moves: [[accrual, -amount], ...Draft.served(ids.payable(rail, provider), provider, amount, owed)],
    links: { epoch },
  }
})
