/**
 * Compares the ledger with the world outside: every movement that a rail lists with the postings on the rail's account. What
 * does not agree is listed item by item and raises an alarm. Nothing is ever changed: who repairs it, posts.
 *
 * Both sides are read page by page, and what agrees is forgotten at once. Memory grows with what differs, not with what there is.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Metric from "effect/Metric"
import * as Schema from "effect/Schema"
import { type Account, AccountId } from "./Account.ts"
import * as Drift from "./Drift.ts"
import type { Entry } from "./Entry.ts"
import { LedgerError, UnknownAccount } from "./LedgerError.ts"
import { LedgerStore } from "./LedgerStore.ts"
import type { Movement, RailError } from "./Movement.ts"
import { bookedName, listedNames } from "./internal/MovementGroups.ts"
import * as Seek from "./internal/Seek.ts"
import { Sieve } from "./internal/Sieve.ts"

/**
 * How a rail lists its movements: those after a cursor, at most so many; the `movements` of a `PaymentRail` or a `PayoutRail`.
 *
 * @category models
 * @since 0.1.0
 */
export type Movements = (after: string | null, limit: number) => Effect.Effect<ReadonlyArray<Movement>, RailError>

/**
 * A rail to compare with. `account` is the ledger's side of it, such as `external:card`. `incoming` are the movements of money
 * that comes in by it, `outgoing` of money that goes out; postings of a direction that is not given are left alone.
 *
 * A posting says by its link `movement` which movement it is, or else by its key: the movement's own, `top-up:<name>:<key>`,
 * a payout's without the number of its attempt, or one of `keys`. `graceMs` is how long a movement may be without a posting: one
 * that succeeded just now is posted in a moment.
 *
 * @category models
 * @since 0.1.0
 */
export interface Rail {
  readonly name: string
  readonly account: AccountId
  readonly incoming?: Movements | undefined
  readonly outgoing?: Movements | undefined
  readonly keys?: ((movement: Movement) => ReadonlyArray<string>) | undefined
  readonly graceMs?: number | undefined
}

/**
 * What came of it: how many postings and movements were compared, how many of them agree with each other, and what does not.
 *
 * @category models
 * @since 0.1.0
 */
export interface Report {
  readonly rail: string
  readonly postings: number
  readonly movements: number
  readonly matched: number
  readonly drift: ReadonlyArray<Drift.Drift>
}

/**
 * The two sides have so little in common that they are not the same thing: another rail's account, or another's movements.
 *
 * @category errors
 * @since 0.1.0
 */
export class TooFarApart extends Schema.TaggedError<TooFarApart>()("TooFarApart", {
  rail: Schema.String,
  account: AccountId,
  differences: Schema.Int,
}) {
  readonly isRetryable = false
  override get message(): string {
    return [
      `The rail ${this.rail} and the account ${this.account} differ in more than ${this.differences} items.`,
      "They are hardly two sides of one thing: look whether it is the right account, and whether the rail lists its movements from the first one on.",
    ].join("\n  ")
  }
}

/** How many entries or movements are read at a time. */
const PAGE = 1_000

/** More than so many differences are not listed one by one. */
const DIFFERENCES_MAX = 100_000

const drifts = Metric.gauge("guildhall_reconciliation_drift", {
  description: "What the ledger and a rail do not agree on, by rail and problem, as last compared.",
})

/**
 * What an entry says about the outside, as a rail counts it; undefined where it says nothing: it moved nothing on this account.
 *
 * @category constructors
 * @since 0.1.0
 */
export const bookedOf = ({ id, asset }: Pick<Account, "id" | "asset">, entry: Entry): Drift.Booked | undefined => {
  if (entry._tag === "Acted") return undefined
  const { idempotencyKey, legs, links } = entry.posting
  let amount = 0n
  for (const leg of legs) if (leg.account === id) amount += leg.amount
  if (amount === 0n) return undefined
  return {
    sequence: entry.sequence,
    // What came in is a debt of the outside, below zero.
    direction: amount < 0n ? "in" : "out",
    movement: links?.movement ?? null,
    idempotencyKey,
    asset: asset.code,
    amount: amount < 0n ? -amount : amount,
    reverses: links?.reverses === undefined ? null : BigInt(links.reverses),
  }
}

/** Under which keys a movement may be posted. All attempts of a payout are one posting: two that succeeded are one too many. */
const keysOf = ({ keys, name }: Rail, movement: Movement): ReadonlyArray<string> => {
  const { idempotencyKey } = movement
  const payout = /^(payout:.+)#\d+$/.exec(idempotencyKey)?.[1]
  return [`top-up:${name}:${idempotencyKey}`, ...(payout === undefined ? [] : [payout]), ...(keys?.(movement) ?? [])]
}

type Failure = LedgerError | RailError

/** Reads one side page by page: each call reads one, hands over what is in it, and says whether there may be more. */
interface Pages {
  readonly next: Effect.Effect<boolean, Failure>
}

const movementPages = (rail: Rail, direction: Drift.Direction, take: (listed: Drift.Listed) => void): Pages => {
  const movements = direction === "in" ? rail.incoming : rail.outgoing
  if (movements === undefined) return { next: Effect.succeed(false) }
  let cursor: string | null = null
  return {
    next: Effect.suspend(() =>
      Effect.map(movements(cursor, PAGE), (page) => {
        for (const movement of page) take({ direction, movement, keys: keysOf(rail, movement) })
        const last = page.at(-1)?.cursor
        // A rail that stands still would be read for ever.
        const isMore = last !== undefined && last !== cursor
        cursor = last ?? cursor
        return isMore
      }),
    ),
  }
}

const bookedPages = (
  store: LedgerStore["Service"],
  account: Account,
  range: { readonly after: bigint; readonly upTo: bigint },
  take: (booked: Drift.Booked) => void,
): Pages => {
  let { after } = range
  return {
    next: Effect.suspend(() =>
      Effect.map(store.history("entries", { after, limit: PAGE, account: account.id }), (page) => {
        for (const entry of page) {
          const booked = entry.sequence > range.upTo ? undefined : bookedOf(account, entry)
          if (booked !== undefined) take(booked)
        }
        const last = page.at(-1)?.sequence
        after = last ?? after
        return last !== undefined && last < range.upTo
      }),
    ),
  }
}

/** Reads all sides to their ends, in turn, so that what agrees meets early. */
const inTurn = Effect.fnUntraced(function* (
  sides: ReadonlyArray<Pages>,
  look: Effect.Effect<void, TooFarApart> = Effect.void,
): Effect.fn.Return<void, Failure | TooFarApart> {
  let left = sides
  while (left.length > 0) {
    const more: Array<Pages> = []
    for (const side of left) if (yield* side.next) more.push(side)
    left = more
    yield* look
  }
})

/** Whether postings of a direction are compared at all. */
const covers = (rail: Rail, direction: Drift.Direction): boolean =>
  (direction === "in" ? rail.incoming : rail.outgoing) !== undefined

interface Compared {
  readonly postings: number
  readonly movements: number
  readonly sieve: Sieve
  readonly upTo: bigint
}

/**
 * The first reading. The ledger is read up to where it is now, the rail to its end: what is posted by now, the rail has listed as
 * moved before. What the rail moved since may be posted a little later.
 */
const compare = Effect.fnUntraced(function* (
  store: LedgerStore["Service"],
  account: Account,
  rail: Rail,
): Effect.fn.Return<Compared, Failure | TooFarApart> {
  const sieve = new Sieve()
  let postings = 0
  let movements = 0
  const list = (listed: Drift.Listed) => {
    movements += 1
    sieve.list(listed)
  }
  const look = Effect.suspend(() =>
    sieve.size <= DIFFERENCES_MAX
      ? Effect.void
      : Effect.fail(new TooFarApart({ rail: rail.name, account: account.id, differences: DIFFERENCES_MAX })),
  )
  const upTo = yield* Seek.last(store)
  const ledger = bookedPages(store, account, { after: 0n, upTo }, (booked) => {
    postings += 1
    if (booked.reverses !== null || covers(rail, booked.direction)) sieve.book(booked)
  })
  yield* inTurn([ledger, movementPages(rail, "in", list), movementPages(rail, "out", list)], look)
  if (sieve.listed.length === 0) return { postings, movements, sieve, upTo }
  yield* Effect.sleep(rail.graceMs ?? 0)
  const now = yield* Seek.last(store)
  const late = (booked: Drift.Booked) => void (booked.reverses === null && sieve.settle(booked))
  // What was posted since and has no movement here is for the next time: its movement may be newer than what was listed.
  yield* inTurn([bookedPages(store, account, { after: upTo, upTo: now }, late)])
  return { postings, movements, sieve, upTo: now }
})

/**
 * The second reading, only where something stayed in the sieve: everything that has a name in common with it, or is reversed
 * by it. What is found may have more names, so it goes on until there are no new ones.
 */
const gather = Effect.fnUntraced(function* (
  store: LedgerStore["Service"],
  account: Account,
  rail: Rail,
  { sieve, upTo }: Compared,
) {
  const names = new Set([...sieve.booked.map(bookedName), ...sieve.listed.flatMap(listedNames)])
  const sequences = new Set(sieve.booked.map(({ reverses, sequence }) => reverses ?? sequence))
  for (;;) {
    const known = names.size
    const booked: Array<Drift.Booked> = []
    const listed: Array<Drift.Listed> = []
    const list = (each: Drift.Listed) => {
      const own = listedNames(each)
      if (!own.some((name) => names.has(name))) return
      listed.push(each)
      for (const name of own) names.add(name)
    }
    const book = (each: Drift.Booked) => {
      const isReversal = each.reverses !== null && sequences.has(each.reverses)
      const isCovered = covers(rail, each.direction) && names.has(bookedName(each))
      if (!isReversal && !isCovered && !sequences.has(each.sequence)) return
      booked.push(each)
      sequences.add(each.sequence)
      if (each.reverses === null) names.add(bookedName(each))
    }
    yield* inTurn([movementPages(rail, "in", list)])
    yield* inTurn([movementPages(rail, "out", list)])
    yield* inTurn([bookedPages(store, account, { after: 0n, upTo }, book)])
    if (names.size === known) return { booked, listed }
  }
})

const ALARMED = 20

const alarm = Effect.fnUntraced(function* (report: Report) {
  for (const problem of Drift.Problem.literals) {
    const count = report.drift.filter((each) => each.problem === problem).length
    yield* Metric.update(Metric.withAttributes(drifts, { rail: report.rail, problem }), count)
  }
  if (report.drift.length === 0) return
  const lines = report.drift.slice(0, ALARMED).map((each) => `  ${Drift.describe(each)}`)
  const rest = report.drift.length - lines.length
  const more = rest > 0 ? [`  … and ${rest} more`] : []
  yield* Effect.logError(
    [`The ledger and the rail ${report.rail} differ in ${report.drift.length} items.`, ...lines, ...more].join("\n"),
  )
})

/**
 * Compares a rail with its account, from the first movement to the last, and raises the alarm if they differ: one log entry at
 * the level Error, and the gauge `guildhall_reconciliation_drift` by rail and problem, which is 0 again once they agree. Run it
 * as often as a difference should be found, from one place.
 *
 * A movement that is posted while this runs is no difference. Fails with `UnknownAccount`, and with `TooFarApart` where the
 * sides have hardly anything in common.
 *
 * @category commands
 * @since 0.1.0
 */
export const reconcile = Effect.fn("Reconciliation.reconcile")(function* (
  rail: Rail,
): Effect.fn.Return<Report, Failure | TooFarApart, LedgerStore> {
  const store = yield* LedgerStore
  const [account] = yield* store.accounts([rail.account])
  if (account === undefined) {
    return yield* new LedgerError({ reason: new UnknownAccount({ account: rail.account }) })
  }
  const compared = yield* compare(store, account, rail)
  const { movements, postings, sieve } = compared
  let drift: ReadonlyArray<Drift.Drift> = []
  if (sieve.size > 0) {
    const { booked, listed } = yield* gather(store, account, rail, compared)
    drift = Drift.between(booked, listed)
  }
  const report: Report = { rail: rail.name, postings, movements, matched: sieve.matched, drift }
  yield* alarm(report)
  return report
})
