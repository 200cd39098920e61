/**
 * What happened on an account in a period: what it had, each line, what it has.
 *
 * A statement is by the time at which an entry *counts*: it has every entry that counts from `fromMs` on and before `toMs`,
 * whenever it was posted. A back-dated entry is in the statement of the time for which it was made, so a statement of a
 * period stays as it is once the period is closed. Lines stand in the order in which the books took them, and a line's
 * balance is the opening plus all lines up to it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Schema from "effect/Schema"
import * as Stream from "effect/Stream"
import { Amount } from "@guildhall/core/Money"
import { type Account, AccountId } from "./Account.ts"
import type { Entry, Posted } from "./Entry.ts"
import type { HoldId } from "./Hold.ts"
import { InvalidCommand, LedgerError, UnknownAccount } from "./LedgerError.ts"
import { LedgerStore, type View } from "./LedgerStore.ts"
import type { Links, Posting, PostingKind } from "./Posting.ts"
import * as Seek from "./internal/Seek.ts"
import { iso } from "./internal/TimeText.ts"

/**
 * Of which account, and of which period: from a time on and before another, in Unix milliseconds. `null` means from the
 * beginning, or up to now.
 *
 * @category models
 * @since 0.1.0
 */
export interface Query {
  readonly account: AccountId
  readonly fromMs: number | null
  readonly toMs: number | null
}

/**
 * A line: one entry, and what it did to the account. `amount` and `balance` are in the asset's smallest unit. `reason` says
 * in words what the entry was for; `hold` is the hold that it was posted from.
 *
 * @category models
 * @since 0.1.0
 */
export interface Line {
  readonly sequence: bigint
  readonly postedAtMs: number
  readonly countsAtMs: number
  readonly kind: PostingKind
  readonly reason: string
  readonly amount: bigint
  readonly balance: bigint
  readonly idempotencyKey: string
  readonly links: Links
  readonly hold: HoldId | null
}

/**
 * The lines and the two balances do not add up: the history was changed from outside.
 *
 * @category errors
 * @since 0.1.0
 */
export class StatementMismatch extends Schema.TaggedError<StatementMismatch>()("StatementMismatch", {
  account: AccountId,
  expected: Amount,
  found: Amount,
}) {
  readonly isRetryable = false
  override get message(): string {
    return [
      `The statement of ${this.account} does not add up: its lines lead to ${this.found}, and its closing balance is ${this.expected}.`,
      "The history was changed from outside, or a page of the database is damaged. Do not use what was written so far.",
      'Run "guildhall ledger verify" to find the first figure that differs.',
    ].join("\n  ")
  }
}

/**
 * A statement. `lines` reads page by page, inside the snapshot only; it ends with a `StatementMismatch` where the opening
 * balance and all lines are not the closing balance.
 *
 * @category models
 * @since 0.1.0
 */
export interface Statement extends Query {
  readonly of: Account
  readonly opening: bigint
  readonly closing: bigint
  readonly lines: Stream.Stream<Line, StatementMismatch | LedgerError>
}

const words: Readonly<Record<PostingKind, string>> = {
  topUp: "Top-up",
  charge: "Charge",
  claim: "Claim after the hold expired",
  adjustment: "Adjustment",
  refund: "Refund",
  maturity: "Earnings that can be paid out now",
  payout: "Payout",
  fund: "Money for a pool",
  boost: "Boost",
  bounty: "Bounty",
  grant: "Grant",
  hedge: "Prompt read by a slower instance",
  slash: "Slash",
  compensation: "Compensation",
  booking: "Money kept for a booking",
  release: "Release",
  exchange: "Exchange",
  crossing: "Crossing between books",
  mirror: "Seen on a chain",
  reversal: "Reversal",
}

const about = ["request", "booking", "case", "payout", "epoch", "movement"] as const

/** What the other side of an exchange is, and where money that enters or leaves goes through. */
const route = ({ kind, legs, rate }: Posting): string => {
  if (rate !== undefined) return ` of ${rate.from} for ${rate.to}`
  const outside =
    kind === "topUp" || kind === "payout" ? legs.find(({ account }) => account.startsWith("external:")) : undefined
  return outside === undefined ? "" : ` by ${outside.account.slice("external:".length)}`
}

/**
 * A posting's links in the order of their names, whatever order they came in: the same statement from every store.
 *
 * @category getters
 * @since 0.1.0
 */
export const linksOf = ({ links = {} }: Posting): Links =>
  Object.fromEntries(Object.entries(links).sort(([a], [b]) => (a < b ? -1 : 1)))

/**
 * Says in words what a posting was for, as far as its kind and links tell.
 *
 * @category getters
 * @since 0.1.0
 */
export const reasonOf = (posting: Posting): string => {
  const links = posting.links ?? {}
  const what = words[posting.kind] + route(posting)
  if (links.reverses !== undefined) return `${what} of entry ${links.reverses}`
  for (const name of about) if (links[name] !== undefined) return `${what}, ${name} ${links[name]}`
  return what
}

/** How many entries are read at a time. */
const PAGE = 1_000

const amountOn = (account: AccountId, { posting }: Posted): bigint => {
  let amount = 0n
  for (const leg of posting.legs) if (leg.account === account) amount += leg.amount
  return amount
}

const lineOf = (account: AccountId, posted: Posted, before: bigint): Line => {
  const amount = amountOn(account, posted)
  const { sequence, posting, hold, postedAtMs, effectiveAtMs } = posted
  return {
    sequence,
    postedAtMs,
    countsAtMs: effectiveAtMs,
    kind: posting.kind,
    reason: reasonOf(posting),
    amount,
    balance: before + amount,
    idempotencyKey: posting.idempotencyKey,
    links: linksOf(posting),
    hold,
  }
}

/**
 * The entries that can count in a period, page by page: those after the last one posted before it, up to the one that
 * closed it. The caller still looks at when each of them counts.
 *
 * @category reading
 * @since 0.1.0
 */
export const entries = (
  view: View,
  period: Pick<Query, "fromMs" | "toMs"> & { readonly account?: AccountId },
): Stream.Stream<Entry, LedgerError> =>
  Stream.unwrap(
    Effect.gen(function* () {
      const first = period.fromMs === null ? 0n : yield* Seek.lastPostedBefore(view, period.fromMs)
      const end = period.toMs === null ? undefined : yield* Seek.closing(view, period.toMs)
      const { account } = period
      return Stream.paginate(first, (after) =>
        Effect.map(view.history("entries", { after, limit: PAGE, account }), (page) => {
          const found = end === undefined ? page : page.filter(({ sequence }) => sequence < end)
          const last = page.at(-1)
          const isMore = last !== undefined && (end === undefined || last.sequence < end)
          return [found, isMore ? Option.some(last.sequence) : Option.none()] as const
        }),
      )
    }),
  )

/**
 * Whether a posting counts in a period.
 *
 * @category getters
 * @since 0.1.0
 */
export const counts = ({ effectiveAtMs }: Posted, { fromMs, toMs }: Pick<Query, "fromMs" | "toMs">): boolean =>
  (fromMs === null || effectiveAtMs >= fromMs) && (toMs === null || effectiveAtMs < toMs)

/** The lines of a statement, which end with a failure where they do not lead from its opening to its closing balance. */
const linesOf = (view: View, query: Query, opening: bigint, closing: bigint): Statement["lines"] =>
  Stream.suspend(() => {
    let balance = opening
    const lines = entries(view, query).pipe(
      Stream.filter((entry): entry is Posted => entry._tag === "Posted" && counts(entry, query)),
      Stream.map((posted) => {
        const line = lineOf(query.account, posted, balance)
        balance = line.balance
        return line
      }),
    )
    const check = Effect.suspend(() =>
      balance === closing
        ? Effect.void
        : Effect.fail(new StatementMismatch({ account: query.account, expected: closing, found: balance })),
    )
    return Stream.concat(lines, Stream.fromEffectDrain(check))
  })

/**
 * Fails with `InvalidCommand` where a period ends before it begins.
 *
 * @category rules
 * @since 0.1.0
 */
export const checkPeriod = ({ fromMs, toMs }: Pick<Query, "fromMs" | "toMs">): Effect.Effect<void, LedgerError> => {
  if (fromMs === null || toMs === null || fromMs <= toMs) return Effect.void
  const detail = `the period would end at ${iso(toMs)}, before it begins at ${iso(fromMs)}.`
  return Effect.fail(new LedgerError({ reason: new InvalidCommand({ detail }) }))
}

/**
 * The statement of an account, as a view shows it. Fails with `UnknownAccount`, and with `InvalidCommand` where the period ends
 * before it begins.
 *
 * @category reading
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (view: View, query: Query): Effect.fn.Return<Statement, LedgerError> {
  const { account, fromMs, toMs } = query
  yield* checkPeriod(query)
  const [of] = yield* view.accounts([account])
  if (of === undefined) return yield* new LedgerError({ reason: new UnknownAccount({ account }) })
  const before = (ms: number) =>
    Effect.map(view.balances({ beforeMs: ms }, [account]), (balances) => balances.get(account) ?? 0n)
  const opening = fromMs === null ? 0n : yield* before(fromMs)
  const closing = toMs === null ? of.balance : yield* before(toMs)
  return { ...query, of, opening, closing, lines: linesOf(view, query, opening, closing) }
})

/**
 * Reads a statement in one moment of the books, while the market runs on; `use` gets it and reads its lines to their end.
 * Memory does not grow with the lines.
 *
 * @category reading
 * @since 0.1.0
 */
export const read = Effect.fn("Statement.read")(function* <A, E, R>(
  query: Query,
  use: (statement: Statement) => Effect.Effect<A, E, R>,
): Effect.fn.Return<A, E | LedgerError, R | LedgerStore> {
  const store = yield* LedgerStore
  return yield* store.snapshot((view) => Effect.flatMap(make(view, query), use))
})
