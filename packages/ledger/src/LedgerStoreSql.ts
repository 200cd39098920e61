/**
 * The ledger's history in PostgreSQL. One transaction for each batch; the lock on the book's row puts the batches of all
 * processes in order, so the numbers of postings have no gaps and no balance is read stale.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlError from "effect/sql/SqlError"
import { Account } from "./Account.ts"
import * as Book from "./Book.ts"
import { LedgerError, Unavailable } from "./LedgerError.ts"
import { type Command, LedgerStore, type Outcome } from "./LedgerStore.ts"
import { Posting } from "./Posting.ts"
import * as LedgerPages from "./internal/LedgerPages.ts"
import * as LedgerTables from "./internal/LedgerTables.ts"
import * as Rows from "./internal/LedgerRows.ts"

/**
 * `renewMs` is the longest pause between two renewals of a living owner, a definition's `hold.renewMs`. After an outage
 * (nothing was committed for two such pauses) no hold expires for one more, so that living owners can renew first.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly renewMs: number
}

const unavailable = (cause: unknown) => new LedgerError({ reason: new Unavailable({ cause }) })

const isTransient = (error: SqlError.SqlError): boolean =>
  error.reason._tag === "DeadlockError" || error.reason._tag === "SerializationError"

const patience = Schedule.exponential("5 millis").pipe(Schedule.jittered)

/** Two batches that met in the wrong order: the database undid one of them, so it can simply be made again. */
const retryTransient = <A, E, R>(batch: Effect.Effect<A, E | SqlError.SqlError, R>) =>
  Effect.retry(batch, {
    while: (error) => SqlError.isSqlError(error) && isTransient(error),
    schedule: patience,
    times: 5,
  })

const Postings = Schema.Array(
  Schema.Struct({
    sequence: Schema.BigInt,
    key: Posting.fields.idempotencyKey,
    kind: Posting.fields.kind,
    hold: Schema.NullOr(Rows.StoredHoldRow.fields.id),
    posted_at_ms: Schema.BigInt,
    legs: Schema.Array(
      Schema.Struct({
        account: Account.fields.id,
        amount: Schema.BigIntFromString,
        balance: Schema.BigIntFromString,
      }),
    ),
  }),
)
const decodePostings = Schema.decodeUnknownEffect(Postings)
const decodeAttachments = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({ sequence: Schema.BigInt, kind: Schema.String, body: Schema.String, at_ms: Schema.BigInt }),
  ),
)

const makeCommit = (sql: SqlClient.SqlClient, options: Options) => {
  /** Locks the book: what is read after this is what every batch before has left behind. */
  const lock = Effect.gen(function* () {
    const rows = yield* sql<{
      sequence: bigint
      attachment: bigint
      now_ms: bigint
      committed_at_ms: bigint
      resumed_at_ms: bigint
    }>`
      SELECT last_sequence AS sequence, last_attachment AS attachment, committed_at_ms, resumed_at_ms,
        (extract(epoch FROM clock_timestamp()) * 1000)::bigint AS now_ms
      FROM ledger_book WHERE id = 1 FOR UPDATE`
    const row = rows[0]
    if (row === undefined) return yield* Effect.die("the ledger's book has no row")
    const nowMs = Number(row.now_ms)
    const wasAway = nowMs - Number(row.committed_at_ms) > 2 * options.renewMs
    const resumedAtMs = wasAway ? nowMs : Number(row.resumed_at_ms)
    return { sequence: row.sequence, attachment: row.attachment, nowMs, resumedAtMs }
  })

  return (commands: ReadonlyArray<Command>) =>
    sql.withTransaction(
      Effect.gen(function* () {
        const book = yield* lock
        const isWaiting = book.nowMs - book.resumedAtMs < options.renewMs
        const pages = yield* LedgerPages.load(sql, commands, book.sequence, book.nowMs)
        const answers = commands.map((command): Result.Result<Outcome, LedgerError> => {
          if (command._tag === "Expire" && isWaiting) return Result.succeed({ _tag: "Expired", holds: [] })
          return Result.map(Book.apply(pages, command, book.nowMs), ({ outcome, changes }) => {
            pages.write(changes)
            return outcome
          })
        })
        yield* LedgerPages.save(sql, pages, book)
        return answers
      }),
    )
}

/**
 * Makes the store, creating its tables on first use.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.mapError(LedgerTables.migrate, unavailable)
  const commit = makeCommit(sql, options)
  return LedgerStore.of({
    commit: Effect.fn("LedgerStore.commit")(function* (commands) {
      return yield* retryTransient(commit(commands)).pipe(Effect.mapError(unavailable))
    }),
    accounts: Effect.fn("LedgerStore.accounts")(function* (ids) {
      const rows = sql`SELECT ${sql.literal(Rows.accountColumns("a"))} FROM ledger_accounts a
        WHERE ${ids === undefined ? sql`true` : sql`a.id = ANY(${Rows.list(ids)}::text[])`} ORDER BY a.id`
      return yield* Effect.flatMap(rows, Rows.decodeAccounts).pipe(Effect.mapError(unavailable))
    }),
    holds: Effect.fn("LedgerStore.holds")(function* (query) {
      const rows = sql`SELECT ${sql.literal(Rows.holdColumns("h", "o"))}
        FROM ledger_holds h LEFT JOIN ledger_owners o ON o.owner = h.owner
        WHERE ${"ids" in query ? sql`h.id = ANY(${Rows.list(query.ids)}::text[])` : sql`h.state = 'pending'`}`
      return yield* Effect.flatMap(rows, Rows.decodeHolds).pipe(Effect.mapError(unavailable))
    }),
    postings: Effect.fn("LedgerStore.postings")(function* (after, limit) {
      const rows = yield* sql`
        SELECT p.sequence, p.key, p.kind, p.hold, p.posted_at_ms,
          (SELECT json_agg(json_build_object('account', l.account, 'amount', l.amount::text, 'balance', l.balance::text)
             ORDER BY l.number) FROM ledger_legs l WHERE l.sequence = p.sequence) AS legs
        FROM ledger_postings p WHERE p.sequence > ${String(after)}::text::bigint ORDER BY p.sequence LIMIT ${limit}`.pipe(
        Effect.flatMap(decodePostings),
        Effect.mapError(unavailable),
      )
      return rows.map((row) => ({
        sequence: row.sequence,
        posting: {
          idempotencyKey: row.key,
          kind: row.kind,
          legs: row.legs.map(({ account, amount }) => ({ account, amount })),
          attachments: [],
        },
        hold: row.hold,
        balances: row.legs.map((leg) => leg.balance),
        postedAtMs: Number(row.posted_at_ms),
      }))
    }),
    attachments: Effect.fn("LedgerStore.attachments")(function* (after, limit) {
      const rows = yield* sql`SELECT sequence, kind, body::text AS body, at_ms FROM ledger_attachments
        WHERE sequence > ${String(after)}::text::bigint ORDER BY sequence LIMIT ${limit}`.pipe(
        Effect.flatMap(decodeAttachments),
        Effect.mapError(unavailable),
      )
      return rows.map((row) => ({
        sequence: row.sequence,
        attachment: { kind: row.kind, body: Rows.parseJson(row.body) },
        attachedAtMs: Number(row.at_ms),
      }))
    }),
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
