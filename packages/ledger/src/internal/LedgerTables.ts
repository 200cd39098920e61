import * as Effect from "effect/Effect"
import * as Migrator from "effect/sql/Migrator"
import * as Record from "effect/Record"
import type * as SqlClient from "effect/sql/SqlClient"
import type * as Statement from "effect/sql/Statement"
import * as LedgerFunctions from "./LedgerFunctions.ts"

/** The names of the ledger's tables in a schema, and the schema's own; `moves` says which entries move which account. */
export type TableNames = ReturnType<typeof namesIn>

/** The same as parts of statements. */
export type Tables = { readonly [Name in keyof TableNames]: Statement.Fragment }

/** Names the tables of a schema. */
export const namesIn = (schema: string) => {
  const table = (name: string) => `"${schema}".ledger_${name}`
  return {
    schema: `"${schema}"`,
    books: table("books"),
    assets: table("assets"),
    accounts: table("accounts"),
    entries: table("entries"),
    moves: table("moves"),
    holds: table("holds"),
    owners: table("owners"),
    payouts: table("payouts"),
    attachments: table("attachments"),
    batches: table("batches"),
    nodes: table("nodes"),
  }
}

/** Names the tables of a schema for statements. */
export const inSchema = (sql: SqlClient.SqlClient, schema: string): Tables =>
  Record.map(namesIn(schema), (name) => sql.literal(name))

// Where a row is found by a name, the book comes last in its key, and statements compare `book + 0`: the planner must have
// no way to read a whole book instead, which seems just as good to it while the tables are empty.

const createBooks = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, t: Tables) {
  yield* sql`CREATE TABLE ${t.books} (
    book int PRIMARY KEY CHECK (book > 0),
    token bigint NOT NULL,
    last_sequence bigint NOT NULL,
    last_account bigint NOT NULL,
    last_attachment bigint NOT NULL,
    last_batch bigint NOT NULL,
    chain bytea NOT NULL,
    peaks bytea NOT NULL,
    committed_at_ms bigint NOT NULL,
    resumed_at_ms bigint NOT NULL,
    closed_until_ms bigint NOT NULL
  ) WITH (fillfactor = 50)`
  yield* sql`CREATE TABLE ${t.assets} (
    book int NOT NULL,
    asset text COLLATE "C" NOT NULL,
    scale int NOT NULL,
    PRIMARY KEY (book, asset)
  )`
  // Balances change with every batch: room on the page keeps the change in place (HOT) and the indexes untouched. An
  // account's number begins with its book's, so it is known before the account is written, and no two books share one.
  yield* sql`CREATE TABLE ${t.accounts} (
    number bigint PRIMARY KEY,
    book int NOT NULL,
    id text COLLATE "C" NOT NULL,
    kind text NOT NULL,
    asset text NOT NULL,
    scale int NOT NULL,
    floor numeric(78,0),
    ceiling numeric(78,0),
    state text NOT NULL CHECK (state IN ('open', 'frozen', 'closed')),
    balance numeric(78,0) NOT NULL,
    held numeric(78,0) NOT NULL CHECK (held >= 0),
    CHECK (floor IS NULL OR balance - held >= floor),
    CHECK (ceiling IS NULL OR balance <= ceiling),
    CHECK (state <> 'closed' OR (balance = 0 AND held = 0)),
    UNIQUE (id, book)
  ) WITH (fillfactor = 50)`
})

const createHistory = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, t: Tables) {
  // The legs of a posting are three arrays of one row: what belongs together is written and read at once.
  yield* sql`CREATE TABLE ${t.entries} (
    book int NOT NULL,
    sequence bigint NOT NULL,
    key text COLLATE "C" NOT NULL,
    fingerprint text NOT NULL,
    kind text NOT NULL,
    hold text COLLATE "C",
    detail text,
    posted_at_ms bigint NOT NULL,
    effective_at_ms bigint NOT NULL CHECK (effective_at_ms <= posted_at_ms),
    accounts bigint[] NOT NULL,
    amounts numeric(78,0)[] NOT NULL,
    balances numeric(78,0)[] NOT NULL,
    PRIMARY KEY (book, sequence),
    UNIQUE (key, book),
    CHECK (cardinality(accounts) = cardinality(amounts) AND cardinality(accounts) = cardinality(balances)),
    CHECK (0 <> ALL (amounts)),
    CHECK ((kind = 'act') = (cardinality(accounts) = 0))
  )`
  yield* sql`CREATE INDEX ledger_entries_backdated ON ${t.entries} (book, effective_at_ms)
    WHERE effective_at_ms < posted_at_ms`
  // One row for an account and a batch, however often the batch moves it: a hot account's rows do not grow with its use.
  yield* sql`CREATE TABLE ${t.moves} (
    account bigint NOT NULL,
    first bigint NOT NULL,
    more bigint[],
    PRIMARY KEY (account, first)
  )`
  yield* sql`CREATE TABLE ${t.attachments} (
    book int NOT NULL,
    sequence bigint NOT NULL,
    kind text NOT NULL,
    body json NOT NULL,
    at_ms bigint NOT NULL,
    PRIMARY KEY (book, sequence)
  )`
  yield* sql`CREATE TABLE ${t.batches} (
    book int NOT NULL,
    number bigint NOT NULL,
    first_sequence bigint NOT NULL,
    last_sequence bigint NOT NULL CHECK (last_sequence >= first_sequence),
    committed_at_ms bigint NOT NULL,
    root bytea NOT NULL,
    chain bytea NOT NULL,
    PRIMARY KEY (book, number)
  )`
  yield* sql`CREATE INDEX ledger_batches_time ON ${t.batches} (book, committed_at_ms, last_sequence)`
  yield* sql`CREATE TABLE ${t.nodes} (
    book int NOT NULL,
    number bigint NOT NULL,
    level int NOT NULL,
    index bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (book, number)
  )`
})

const createHolds = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, t: Tables) {
  // Each hold leaves the index of pending ones once: what it leaves behind there is swept up early and often.
  yield* sql`CREATE TABLE ${t.holds} (
    book int NOT NULL,
    id text COLLATE "C" NOT NULL,
    account text COLLATE "C" NOT NULL,
    amount numeric(78,0) NOT NULL CHECK (amount >= 0),
    drawn numeric(78,0) NOT NULL CHECK (drawn >= 0 AND drawn <= amount),
    asked numeric(78,0),
    parts json,
    owner text COLLATE "C" NOT NULL,
    life_ms int,
    definition_digest text NOT NULL,
    context json NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'posted', 'voided', 'expired')),
    claimed boolean NOT NULL,
    expires_at_ms bigint,
    PRIMARY KEY (id, book)
  ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)`
  yield* sql`CREATE INDEX ledger_holds_pending ON ${t.holds} (owner, book) WHERE state = 'pending'`
  yield* sql`CREATE TABLE ${t.owners} (
    book int NOT NULL,
    owner text COLLATE "C" NOT NULL,
    until_ms bigint NOT NULL,
    PRIMARY KEY (owner, book)
  )`
  // A range begins where one of the same account ended: no gaps. No two begin, or end, at the same place: no overlap.
  yield* sql`CREATE TABLE ${t.payouts} (
    book int NOT NULL,
    account text COLLATE "C" NOT NULL,
    rail text NOT NULL,
    from_sequence bigint NOT NULL,
    to_sequence bigint NOT NULL CHECK (to_sequence > from_sequence),
    previous bigint CHECK (COALESCE(previous, 0) = from_sequence),
    carried_in numeric(78,0) NOT NULL,
    amount numeric(78,0) NOT NULL CHECK (amount > 0),
    carried_out numeric(78,0) NOT NULL,
    hold text COLLATE "C" NOT NULL,
    state text NOT NULL CHECK (state IN ('pending', 'posted', 'voided')),
    PRIMARY KEY (account, to_sequence, book),
    UNIQUE (account, from_sequence, book),
    UNIQUE (hold, book),
    FOREIGN KEY (account, previous, book) REFERENCES ${t.payouts} (account, to_sequence, book)
  )`
  yield* sql`CREATE INDEX ledger_payouts_order ON ${t.payouts} (book, to_sequence)`
})

const protect = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, t: Tables) {
  yield* sql`CREATE FUNCTION ${t.schema}.ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'the history of the ledger is append-only: correct a posting by another one';
    END $$`
  for (const table of [t.entries, t.moves, t.attachments, t.batches, t.nodes]) {
    yield* sql`CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ${table}
      FOR EACH STATEMENT EXECUTE FUNCTION ${t.schema}.ledger_refuse_change()`
  }
  yield* sql`CREATE TRIGGER kept BEFORE DELETE OR TRUNCATE ON ${t.payouts}
    FOR EACH STATEMENT EXECUTE FUNCTION ${t.schema}.ledger_refuse_change()`
  // An ended payout stays as it is, and a pending one ends as it began but for what it carries on.
  yield* sql`CREATE TRIGGER ended_once BEFORE UPDATE ON ${t.payouts} FOR EACH ROW
    WHEN (OLD.state <> 'pending' OR NEW.from_sequence <> OLD.from_sequence OR NEW.to_sequence <> OLD.to_sequence
      OR NEW.account <> OLD.account OR NEW.amount <> OLD.amount OR NEW.carried_in <> OLD.carried_in)
    EXECUTE FUNCTION ${t.schema}.ledger_refuse_change()`
})

/** What was there before this layout: a ledger of a version that was never released. */
const refuseFormer = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string) {
  const rows = yield* sql`SELECT FROM pg_tables t WHERE schemaname = ${schema} AND (tablename = 'ledger_book'
    OR (tablename = 'ledger_holds' AND NOT EXISTS (SELECT FROM pg_attribute
      WHERE attrelid = format('%I.%I', t.schemaname, t.tablename)::regclass AND attname = 'parts')))`
  if (rows.length === 0) return
  return yield* Effect.die(
    new Error(
      [
        `The schema ${schema} has the tables of a ledger from before version 0.1.`,
        "Their layout was never released and cannot be taken over.",
        "Start with an empty database, or remove the folder that GUILDHALL_HOME names.",
      ].join("\n  "),
    ),
  )
})

/** Brings the ledger's tables in a schema up to date. Each package counts its migrations in a table of its own. */
export const migrate = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, schema: string) {
  const t = inSchema(sql, schema)
  yield* refuseFormer(sql, schema)
  const create = Effect.gen(function* () {
    yield* createBooks(sql, t)
    yield* createHistory(sql, t)
    yield* createHolds(sql, t)
    yield* protect(sql, t)
    yield* sql.unsafe(LedgerFunctions.read(namesIn(schema)))
    yield* sql.unsafe(LedgerFunctions.writeOthers(namesIn(schema)))
    yield* sql.unsafe(LedgerFunctions.write(namesIn(schema)))
  })
  // Whoever may not create schemas finds the one that was made for it.
  const found = yield* sql`SELECT FROM pg_namespace WHERE nspname = ${schema}`
  if (found.length === 0) yield* sql`CREATE SCHEMA IF NOT EXISTS ${t.schema}`
  yield* Migrator.make({})({
    loader: Migrator.fromRecord({ "0001_create": create }),
    table: `${schema}.guildhall_ledger_migrations`,
  })
})
