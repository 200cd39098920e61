import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import { Amount, NonNegativeAmount } from "@guildhall/core/Money"
import type { MemberId } from "@guildhall/core/Member"
import type { Party } from "@guildhall/core/rules/Split"
import { AccountId, ids } from "../../Account.ts"
import { InvalidCommand, LedgerError } from "../../LedgerError.ts"
import type { Leg, Links, Posting, PostingKind, Rate } from "../../Posting.ts"
import type { Template } from "../Template.ts"

const LEGS_MAX = 100
const KEY_MAX = 200
const LINK_MAX = 100

/** A word without a colon: keys and account ids are such words joined by colons, so that no two things share one. */
export const Name = Schema.String.pipe(Schema.check(Schema.isPattern(/^[A-Za-z0-9_.-]{1,80}$/)))

export const PositiveAmount = Amount.pipe(Schema.check(Schema.isGreaterThanBigInt(0n)))

/** An account and what it gives or gets. */
export const Part = Schema.Struct({ account: AccountId, amount: PositiveAmount })

/** Who has which share in something: each account once. */
export const Shares = Schema.Array(Schema.Struct({ account: AccountId, amount: NonNegativeAmount })).pipe(
  Schema.check(
    Schema.makeFilter((shares) =>
      // They are few, and one list is checked for every charge: cheaper than a set.
      shares.every(({ account }, at) => shares.findIndex((share) => share.account === account) === at)
        ? undefined
        : "an account stands twice. Give each account one share.",
    ),
  ),
)
export type Shares = typeof Shares.Type

export const sumOf = (parts: ReadonlyArray<{ readonly amount: bigint }>): bigint =>
  parts.reduce((sum, { amount }) => sum + amount, 0n)

/** What moves on an account; several moves on one become one leg, and what comes to zero is left out. */
export type Move = readonly [account: AccountId, amount: bigint]

/** A posting before it is put together. */
export interface Draft {
  readonly key: string
  readonly moves: ReadonlyArray<Move>
  readonly links: Links
  readonly rate?: Rate
}

const legsOf = (moves: ReadonlyArray<Move>): ReadonlyArray<Leg> => {
  const sums = new Map<AccountId, bigint>()
  for (const [account, amount] of moves) sums.set(account, (sums.get(account) ?? 0n) + amount)
  const legs: Array<Leg> = []
  for (const [account, amount] of sums) if (amount !== 0n) legs.push({ account, amount })
  return legs
}

/** The links of a posting. An id that has no room is left out: whoever needs it finds it in the key or an attachment. */
const linksOf = (links: Links, definition: string | undefined): Pick<Posting, "links"> => {
  const linked = Object.entries({ ...links, definition }).filter(
    ([, id]) => id !== undefined && id !== "" && id.length <= LINK_MAX,
  )
  return linked.length === 0 ? {} : { links: Object.fromEntries(linked) }
}

export const invalid = (detail: string): Result.Result<never, LedgerError> =>
  Result.fail(new LedgerError({ reason: new InvalidCommand({ detail }) }))

/** A template whose caller answers for what is given: the ledger's own rules are all that looks at it. */
export const unchecked =
  <Given>(kind: PostingKind, draft: (given: Given) => Draft): Template<Given> =>
  (given, { attachments = [], definition, effectiveAtMs } = {}) => {
    const { key, links, moves, rate } = draft(given)
    const legs = legsOf(moves)
    if (legs.length < 2) return invalid(`the ${kind} ${key} moves nothing.`)
    if (legs.length > LEGS_MAX)
      return invalid(`the ${kind} ${key} has ${legs.length} legs, and ${LEGS_MAX} is the most.`)
    if (key.length > KEY_MAX)
      return invalid(`the ${kind} ${key} has a key of more than ${KEY_MAX} characters. Use shorter names.`)
    const posting: Posting = {
      idempotencyKey: key,
      kind,
      legs,
      attachments,
      ...linksOf(links, definition),
      ...(rate === undefined ? {} : { rate }),
      ...(effectiveAtMs === undefined ? {} : { effectiveAtMs }),
    }
    return Result.succeed(posting)
  }

/** A template of its schema and of what it drafts. */
export const template = <S extends Schema.ConstraintDecoder<unknown>>(
  kind: PostingKind,
  schema: S,
  draft: (given: S["Type"]) => Draft,
): Template<S["Type"]> => {
  const check = Schema.decodeUnknownResult(Schema.toType(schema))
  const make = unchecked(kind, draft)
  return (given, extras) => {
    const checked = check(given)
    return Result.isFailure(checked)
      ? invalid(`this cannot be the ${kind} of anything. ${checked.failure.message}`)
      : make(given, extras)
  }
}

/** Whose earnings, and of which money. */
export interface Earner {
  readonly provider: MemberId
  readonly fundingSource: string
}

/** The account of a party in a charge. */
export const accountOf = (party: Party, { fundingSource, provider }: Earner): AccountId => {
  switch (party) {
    case "provider":
      return ids.accrual(fundingSource, provider)
    case "platform":
      return ids.platformFees
    case "validators":
    case "insurance":
      return ids.pool(party)
  }
}

/** What a provider receives on an account: what it owes the market is served first. */
export const served = (to: AccountId, provider: MemberId, amount: bigint, owed: bigint): ReadonlyArray<Move> => {
  const back = owed < amount ? owed : amount
  return back === 0n
    ? [[to, amount]]
    : [
        [ids.receivable(provider), back],
        [to, amount - back],
      ]
}

/** The shares of parties, by their accounts. */
export const sharesOf = (
  parts: ReadonlyArray<{ readonly party: Party; readonly amount: bigint }>,
  earner: Earner,
): Shares => parts.map(({ party, amount }) => ({ account: accountOf(party, earner), amount }))

/** Whether it is an account of what a provider earned. */
export const isEarning = (account: AccountId, provider: MemberId): boolean =>
  /^(accrual|payable):/.test(account) && account.endsWith(`:${provider}`)

/** What each account receives; the provider's serves what it owes first. */
export const shared = (shares: Shares, provider: MemberId, owed: bigint): ReadonlyArray<Move> => {
  let left = owed
  return shares.flatMap(({ account, amount }): ReadonlyArray<Move> => {
    if (!isEarning(account, provider)) return [[account, amount]]
    const moves = served(account, provider, amount, left)
    left -= left < amount ? left : amount
    return moves
  })
}
