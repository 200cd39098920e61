/**
 * The ledger's history in PostgreSQL. One transaction for each batch; the lock on the book's row puts the batches of all
 * processes in order, so the numbers of postings have no gaps and no balance is read stale.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlError from "effect/sql/SqlError"
import * as Book from "./Book.ts"
import { LedgerError, Unavailable } from "./LedgerError.ts"
import { type Command, LedgerStore, type Outcome, type View } from "./LedgerStore.ts"
import * as LedgerPages from "./internal/LedgerPages.ts"
import * as Rows from "./internal/LedgerRows.ts"
import * as Statements from "./internal/LedgerStatements.ts"
import * as LedgerTables from "./internal/LedgerTables.ts"

/**
 * `renewMs` is the pause between two renewals of a living owner, a definition's `hold.renewMs`. While the store is away
 * no owner can renew, so holds do not expire before owners had time to: nothing committed for one and a half such pauses
 * counts as an outage, and after one no hold expires for as long again. Shorter outages must fit into a hold's life,
 * which should be four such pauses or more; and holds should be swept at least once in each.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly renewMs: number
}

const unavailable = (cause: unknown) => new LedgerError({ reason: new Unavailable({ cause }) })

/**
 * Whatever became of the database is the same to a caller: no answer. A connection that was lost fails twice: its
 * statement with an error, and then the rollback, which `withTransaction` takes for a defect.
 */
const orUnavailable = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, LedgerError, R> =>
  Effect.catchCause(effect, (cause) => {
    const error = Cause.findError(cause)
    if (Result.isSuccess(error)) return Effect.fail(unavailable(error.success))
    const defect = Cause.findDefect(cause)
    const isLost = Result.isSuccess(defect) && SqlError.isSqlError(defect.success)
    return isLost ? Effect.fail(unavailable(defect.success)) : Effect.failCause(error.failure)
  })

/** A batch that takes longer than this waits for something that does not come, such as a lock of a process that hangs. */
const PATIENCE = "15 seconds"

const isTransient = (error: unknown): boolean =>
  SqlError.isSqlError(error) && (error.reason._tag === "DeadlockError" || error.reason._tag === "SerializationError")

/** Two batches that met in the wrong order: the database undid one of them, so it can simply be made again. */
const again = {
  while: isTransient,
  schedule: Schedule.exponential("5 millis").pipe(Schedule.jittered),
  times: 5,
}

const makeCommit = (sql: SqlClient.SqlClient, options: Options) => {
  const awayMs = 1.5 * options.renewMs

  /** Where the book stands, and whether holds may expire yet. */
  const openBook = Effect.gen(function* () {
    const [row] = yield* Statements.lock(sql)
    if (row === undefined) return yield* Effect.die("the ledger's book has no row")
    const nowMs = Number(row.now_ms)
    const committedAtMs = Number(row.committed_at_ms)
    const lastResumedAtMs = Number(row.resumed_at_ms)
    // A single batch between two silences is the sweep of a market in which nobody else lives: the second silence is
    // no outage, or nothing would ever expire there. A clock that was set back starts anew.
    const wasAway = nowMs - committedAtMs > awayMs && committedAtMs !== lastResumedAtMs
    const resumedAtMs = wasAway || nowMs < lastResumedAtMs ? nowMs : lastResumedAtMs
    const { sequence, attachment } = row
    return { sequence, attachment, nowMs, resumedAtMs, isWaiting: nowMs - resumedAtMs < awayMs }
  })

  const commit = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
    const book = yield* openBook
    const pages = yield* LedgerPages.load(sql, commands, book)
    const outcomes = commands.map((command): Result.Result<Outcome, LedgerError> => {
      if (command._tag === "Expire" && book.isWaiting) return Result.succeed({ _tag: "Expired", holds: [] })
      return Result.map(Book.decide(pages, command, book.nowMs), ({ outcome, changes }) => {
        pages.write(changes)
        return outcome
      })
    })
    yield* Statements.write(sql, pages.dirty, book)
    if (commands.some((command) => command._tag === "Expire")) yield* Statements.forgetOwners(sql, book.nowMs)
    return outcomes
  })

  return Effect.fn("LedgerStore.commit")(function* (commands: ReadonlyArray<Command>) {
    const refusals = commands.map(Book.refusal)
    const sound = commands.filter((_, index) => refusals[index] === undefined)
    if (sound.length === 0) return refusals.flatMap((refused) => (refused === undefined ? [] : Result.fail(refused)))
    const outcomes = yield* sql.withTransaction(commit(sound)).pipe(
      // Each statement must see what the batch before it left, whatever the database's default is.
      Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL READ COMMITTED"),
      Effect.retry(again),
      Effect.timeout(PATIENCE),
      orUnavailable,
    )
    let next = 0
    return refusals.flatMap((refused) => (refused === undefined ? (outcomes[next++] ?? []) : Result.fail(refused)))
  })
}

const makeView = (sql: SqlClient.SqlClient): View => ({
  accounts: Effect.fn("LedgerStore.accounts")(function* (ids) {
    const rows = sql`SELECT ${sql.literal(Rows.accountColumns)} FROM ledger_accounts a
      WHERE ${ids === undefined ? sql`true` : sql`a.id = ANY(${Rows.list(ids)}::text[])`} ORDER BY a.id`
    return yield* Effect.flatMap(rows, Rows.decodeAccounts).pipe(Effect.mapError(unavailable))
  }),
  holds: Effect.fn("LedgerStore.holds")(function* (query) {
    const rows = sql`SELECT ${sql.literal(Rows.holdColumns)}, h.context::text AS context
      FROM ledger_holds h LEFT JOIN ledger_owners o ON o.owner = h.owner
      WHERE ${"ids" in query ? sql`h.id = ANY(${Rows.list(query.ids)}::text[])` : sql`h.state = 'pending'`}`
    const decoded = yield* Effect.flatMap(rows, Rows.decodeHolds).pipe(Effect.mapError(unavailable))
    return decoded.map(Rows.holdOf)
  }),
  postings: Effect.fn("LedgerStore.postings")(function* (after, limit) {
    const rows = sql`
      SELECT p.sequence::text AS sequence, p.key, p.kind, p.hold, p.posted_at_ms::float8 AS "postedAtMs",
        COALESCE((SELECT json_agg(json_build_object('account', l.account, 'amount', l.amount::text,
            'balance', l.balance::text) ORDER BY l.number)
          FROM ledger_legs l WHERE l.sequence = p.sequence), '[]') AS legs
      FROM ledger_postings p WHERE p.sequence > ${String(after)}::text::bigint ORDER BY p.sequence LIMIT ${limit}`
    const decoded = yield* Effect.flatMap(rows, Rows.decodePostings).pipe(Effect.mapError(unavailable))
    return decoded.map(({ sequence, key, kind, hold, postedAtMs, legs }) => ({
      sequence,
      posting: {
        idempotencyKey: key,
        kind,
        legs: legs.map(({ account, amount }) => ({ account, amount })),
        attachments: [],
      },
      hold,
      balances: legs.map((leg) => leg.balance),
      postedAtMs,
    }))
  }),
  attachments: Effect.fn("LedgerStore.attachments")(function* (after, limit) {
    const rows = sql`
      SELECT sequence::text AS sequence, kind, body::text AS body, at_ms::float8 AS "attachedAtMs"
      FROM ledger_attachments a WHERE a.sequence > ${String(after)}::text::bigint ORDER BY a.sequence LIMIT ${limit}`
    const decoded = yield* Effect.flatMap(rows, Rows.decodeAttachments).pipe(Effect.mapError(unavailable))
    return decoded.map(({ sequence, kind, body, attachedAtMs }) => ({
      sequence,
      attachment: { kind, body: Rows.parseJson(body) },
      attachedAtMs,
    }))
  }),
})

/**
 * Makes the store, creating its tables on first use.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.mapError(LedgerTables.migrate, unavailable)
  const view = makeView(sql)
  return LedgerStore.of({
    ...view,
    commit: makeCommit(sql, options),
    snapshot: (read) =>
      // What `read` fails with is its own: only what happens around it is the store's.
      sql
        .withTransaction(Effect.exit(read(view)))
        .pipe(
          Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY"),
          Effect.mapError(unavailable),
          Effect.flatten,
        ),
  })
})

/**
 * The store on the given database.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<LedgerStore, LedgerError, SqlClient.SqlClient> =>
  Layer.effect(LedgerStore, make(options))
