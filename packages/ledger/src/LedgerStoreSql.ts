/**
 * The ledger's history in PostgreSQL. A batch is read, decided and written if nobody else wrote meanwhile; the lock on the
 * book's row puts the batches of all processes in order, so the numbers of entries have no gaps and no balance is stale. It
 * is answered once it is on the disk; what is read meanwhile may show it a moment before.
 *
 * @since 0.1.0
 */
import * as Cause from "effect/Cause"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Result from "effect/Result"
import * as Schedule from "effect/Schedule"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlError from "effect/sql/SqlError"
import * as Book from "./Book.ts"
import { LedgerError, Unavailable } from "./LedgerError.ts"
import { type Command, LedgerStore, type Outcome } from "./LedgerStore.ts"
import * as LedgerPages from "./internal/LedgerPages.ts"
import * as LedgerTables from "./internal/LedgerTables.ts"
import * as LedgerViews from "./internal/LedgerViews.ts"
import * as LedgerWrite from "./internal/LedgerWrite.ts"
import * as Names from "./internal/Names.ts"
import * as Overlay from "./internal/Overlay.ts"

/**
 * `renewMs` is the pause between two renewals of a living owner, a definition's `hold.renewMs`. While the store is away
 * no owner can renew, so holds do not expire before owners had time to: nothing committed for one and a half such pauses
 * counts as an outage, and after one no hold expires for as long again. Shorter outages must fit into a hold's life,
 * which should be four such pauses or more; and holds should be swept at least once in each.
 *
 * `book` is the book of the market that this store keeps, 1 if nothing is said; `schema` the schema of the database that
 * its tables are in, `public` if nothing is said. The schema is made if it is not there.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly renewMs: number
  readonly book?: number | undefined
  readonly schema?: string | undefined
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

/** After so many batches that had the book for themselves, it is taken for granted again. */
const CONTENDED_BATCHES = 64

const isTransient = (error: unknown): boolean =>
  SqlError.isSqlError(error) && (error.reason._tag === "DeadlockError" || error.reason._tag === "SerializationError")

/** Two batches that met in the wrong order: the database undid one of them, so it can simply be made again. */
const again = {
  while: isTransient,
  schedule: Schedule.exponential("5 millis").pipe(Schedule.jittered),
  times: 5,
}

type Outcomes = ReadonlyArray<Result.Result<Outcome, LedgerError>>

/** A batch that was decided, and what it would write. */
interface Decided {
  readonly outcomes: Outcomes
  readonly base: Book.Pages
  readonly written: LedgerWrite.Written
}

type Restore = <A, E, R>(effect: Effect.Effect<A, E, R>) => Effect.Effect<A, E, R>

const makeCommit = (sql: SqlClient.SqlClient, t: LedgerTables.Tables, options: Options) => {
  const awayMs = 1.5 * options.renewMs
  const book = options.book ?? 1

  /** Since when the store answers without a pause, and whether holds may expire yet. */
  const resumed = (
    { committedAtMs, nowMs, resumedAtMs: last }: LedgerPages.Standing,
    commands: ReadonlyArray<Command>,
  ) => {
    // A single sweep between two silences is that of a market in which nobody else lives: the second silence is no
    // outage, or nothing would ever expire there. Any other batch shows life, and is told apart by its later mark.
    const wasAway = nowMs - committedAtMs > awayMs && committedAtMs !== last
    const isSweep = commands.every(({ _tag }) => _tag === "Expire")
    const resumedAtMs = wasAway ? (isSweep ? nowMs : nowMs + 1) : last
    return { resumedAtMs, isWaiting: nowMs - Math.min(nowMs, resumedAtMs) < awayMs }
  }

  const decide = (commands: ReadonlyArray<Command>, loaded: LedgerPages.Loaded): Decided => {
    const { numbers, pages: base } = loaded
    const { isWaiting, resumedAtMs } = resumed(loaded.standing, commands)
    const before = { ...loaded.standing, resumedAtMs }
    const sheet = Overlay.make(base)
    const outcomes = commands.map((command): Result.Result<Outcome, LedgerError> => {
      if (command._tag === "Expire" && isWaiting) return Result.succeed({ _tag: "Expired", holds: [] })
      return Result.map(Book.decide(sheet, command, before.nowMs), ({ changes, outcome }) => {
        sheet.write(changes)
        return outcome
      })
    })
    const forgetsOwners = commands.some(({ _tag }) => _tag === "Expire")
    return { outcomes, base, written: LedgerWrite.prepare(book, before, base, sheet, numbers, forgetsOwners) }
  }

  const write = ({ base, written }: Decided) =>
    Effect.map(LedgerWrite.write(sql, t, book, base, written), ([row]) => row?.isWritten ?? false)

  /** With the book's lock from the first to the last: what others write waits. */
  const commitLocked = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
    yield* LedgerPages.lock(sql, t, book)
    const decided = decide(commands, yield* LedgerPages.load(sql, t, book, Names.of(commands)))
    if (!(yield* write(decided))) return yield* Effect.die("the ledger's book changed while it was locked")
    return decided.outcomes
  })

  const locked = (commands: ReadonlyArray<Command>) =>
    sql.withTransaction(commitLocked(commands)).pipe(
      // Each statement must see what the batch before it left, whatever the database's default is.
      Effect.provideService(SqlClient.BeginTransaction, "BEGIN ISOLATION LEVEL READ COMMITTED"),
      Effect.retry(again),
      Effect.tap(() => LedgerWrite.flush(sql)),
    )

  const reading = Semaphore.makeUnsafe(1)
  const writing = Semaphore.makeUnsafe(1)
  let ahead: Decided | undefined
  let contended = 0

  /**
   * The book as it will be once the batch that is being written is: the next one is decided on it while that one travels.
   * Should it not be written, neither is the next: it began with a token that never was.
   */
  const onTop = (loaded: LedgerPages.Loaded): LedgerPages.Loaded => {
    if (ahead === undefined || ahead.written.before.token !== loaded.standing.token) return loaded
    const { base, written } = ahead
    const { after, numbers, sheet } = written
    // Only what that batch itself changed is taken over, or each would carry all that came before it.
    const before = new Map([...sheet.dirty.holds.keys()].map((id) => [id, base.hold(id)]))
    const known = new Map(loaded.numbers)
    for (const id of sheet.dirty.accounts.keys()) known.set(id, numbers.get(id) ?? known.get(id) ?? "")
    const pages = Overlay.make({ ...loaded.pages, hold: (id) => loaded.pages.hold(id) ?? before.get(id) })
    pages.write(sheet.dirty.changes)
    const nowMs = Math.max(after.nowMs, loaded.standing.nowMs)
    return { standing: { ...after, nowMs }, pages, numbers: known }
  }

  const decideAhead = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>, restore: Restore) {
    const loaded = yield* restore(LedgerPages.load(sql, t, book, Names.of(commands)))
    const decided = decide(commands, onTop(loaded))
    yield* restore(writing.take(1))
    ahead = decided
    return decided
  })

  const commitWith = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>, restore: Restore) {
    // Every wait can be interrupted, and whatever was taken by then is given back.
    yield* restore(reading.take(1))
    const decided = yield* Effect.ensuring(decideAhead(commands, restore), reading.release(1))
    const isWritten = yield* Effect.ensuring(restore(Effect.suspend(() => write(decided))), writing.release(1))
    if (!isWritten) return undefined
    // While this batch waits for the disk the next one is written.
    yield* restore(LedgerWrite.flush(sql))
    return decided.outcomes
  })

  /** Reads and decides while the batch before is written; answers undefined where another process wrote in between. */
  const commitAhead = (commands: ReadonlyArray<Command>) =>
    Effect.uninterruptibleMask((restore) => commitWith(commands, restore))

  const commit = Effect.fnUntraced(function* (commands: ReadonlyArray<Command>) {
    if (contended > 0) {
      contended -= 1
      return yield* locked(commands)
    }
    const outcomes = yield* Effect.catchIf(commitAhead(commands), isTransient, () => Effect.succeed(undefined))
    if (outcomes !== undefined) return outcomes
    contended = CONTENDED_BATCHES
    return yield* locked(commands)
  })

  return Effect.fn("LedgerStore.commit")(function* (commands: ReadonlyArray<Command>) {
    const refusals = commands.map(Book.refusal)
    const sound = commands.filter((_, index) => refusals[index] === undefined)
    if (sound.length === 0) return refusals.flatMap((refused) => (refused === undefined ? [] : Result.fail(refused)))
    const outcomes = yield* commit(sound).pipe(Effect.timeout(PATIENCE), orUnavailable)
    let next = 0
    return refusals.flatMap((refused) => (refused === undefined ? (outcomes[next++] ?? []) : Result.fail(refused)))
  })
}

const SCHEMA = /^[a-z_][a-z0-9_]{0,62}$/

/** The first process makes the book's row; a book that is there stays as it is. */
const openBook = (sql: SqlClient.SqlClient, t: LedgerTables.Tables, book: number) => sql`
  INSERT INTO ${t.books} VALUES (${book}::int, 0, 0, 0, 0, 0, ${new Uint8Array(32)}::bytea, ''::bytea, 0, 0, 0)
  ON CONFLICT DO NOTHING`

/**
 * A query for the attachments of a book after a sequence, in order: rows `(sequence bigint, kind text, body json, at_ms bigint)`.
 * Use it to copy them inside the database, where `Ledger.attachments` would carry each through this process.
 *
 * @category queries
 * @since 0.1.0
 */
export const attachmentsAfter = (
  sql: SqlClient.SqlClient,
  { book = 1, schema = "public" }: Pick<Options, "book" | "schema">,
  range: { readonly after: bigint; readonly limit: number },
) => sql`SELECT sequence, kind, body, at_ms FROM ${LedgerTables.inSchema(sql, schema).attachments}
  WHERE book = ${book}::int AND sequence > ${String(range.after)}::text::bigint ORDER BY sequence LIMIT ${range.limit}::int`

/**
 * Makes the store, creating its tables on first use.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const sql = yield* SqlClient.SqlClient
  const { book = 1, schema = "public" } = options
  if (!SCHEMA.test(schema)) return yield* Effect.die(`"${schema}" is no plain name of a schema.`)
  if (!Number.isInteger(book) || book < 1 || book > 1_000_000) return yield* Effect.die(`${book} is no book's number.`)
  const t = LedgerTables.inSchema(sql, schema)
  yield* Effect.mapError(Effect.andThen(LedgerTables.migrate(sql, schema), openBook(sql, t, book)), unavailable)
  const view = LedgerViews.make(sql, t, book, unavailable)
  return LedgerStore.of({
    ...view,
    commit: makeCommit(sql, t, options),
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
