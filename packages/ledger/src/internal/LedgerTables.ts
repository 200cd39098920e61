import * as Effect from "effect/Effect"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"

const create = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE ledger_book (
    id int PRIMARY KEY CHECK (id = 1),
    last_sequence bigint NOT NULL,
    last_attachment bigint NOT NULL,
    committed_at_ms bigint NOT NULL,
    resumed_at_ms bigint NOT NULL
  )`
  yield* sql`INSERT INTO ledger_book VALUES (1, 0, 0, 0, 0)`
  // Balances change with every batch: room on the page keeps the change in place (HOT) and the indexes untouched.
  yield* sql`CREATE TABLE ledger_accounts (
    id text COLLATE "C" PRIMARY KEY,
    kind text NOT NULL,
    asset text NOT NULL,
    floor numeric(78,0),
    state text NOT NULL,
    balance numeric(78,0) NOT NULL,
    held numeric(78,0) NOT NULL CHECK (held >= 0),
    CHECK (floor IS NULL OR balance - held >= floor)
  ) WITH (fillfactor = 50)`
  yield* sql`CREATE TABLE ledger_postings (
    sequence bigint PRIMARY KEY,
    key text COLLATE "C" NOT NULL UNIQUE,
    fingerprint text NOT NULL,
    kind text NOT NULL,
    hold text COLLATE "C",
    posted_at_ms bigint NOT NULL
  )`
  yield* sql`CREATE TABLE ledger_legs (
    sequence bigint NOT NULL,
    number int NOT NULL,
    account text COLLATE "C" NOT NULL,
    amount numeric(78,0) NOT NULL CHECK (amount <> 0),
    balance numeric(78,0) NOT NULL,
    PRIMARY KEY (sequence, number)
  )`
  yield* sql`CREATE INDEX ledger_legs_account ON ledger_legs (account, sequence)`
  // Each hold leaves the index of pending ones once: what it leaves behind there is swept up early and often.
  yield* sql`CREATE TABLE ledger_holds (
    id text COLLATE "C" PRIMARY KEY,
    account text COLLATE "C" NOT NULL,
    amount numeric(78,0) NOT NULL CHECK (amount >= 0),
    owner text COLLATE "C" NOT NULL,
    life_ms int NOT NULL,
    definition_digest text NOT NULL,
    context json NOT NULL,
    state text NOT NULL,
    claimed boolean NOT NULL,
    expires_at_ms bigint NOT NULL
  ) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000)`
  yield* sql`CREATE INDEX ledger_holds_pending ON ledger_holds (owner) WHERE state = 'pending'`
  yield* sql`CREATE TABLE ledger_owners (owner text COLLATE "C" PRIMARY KEY, until_ms bigint NOT NULL)`
  yield* sql`CREATE TABLE ledger_attachments (
    sequence bigint PRIMARY KEY,
    kind text NOT NULL,
    body json NOT NULL,
    at_ms bigint NOT NULL
  )`
  yield* sql`CREATE FUNCTION ledger_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
      RAISE EXCEPTION 'the history of the ledger is append-only: correct a posting by another one';
    END $$`
  for (const table of ["ledger_postings", "ledger_legs", "ledger_attachments"]) {
    yield* sql`CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON ${sql(table)}
      FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse_change()`
  }
})

/** Brings the ledger's tables up to date. Each package counts its migrations in a table of its own. */
export const migrate = Migrator.make({})({
  loader: Migrator.fromRecord({ "0001_create": create }),
  table: "guildhall_ledger_migrations",
})
