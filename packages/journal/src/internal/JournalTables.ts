import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

const create = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE journal_entries (
    id text PRIMARY KEY,
    tag text NOT NULL,
    request_id text,
    member text,
    revision int,
    at_ms bigint NOT NULL,
    body jsonb NOT NULL
  )`
  yield* sql`CREATE INDEX journal_entries_request ON journal_entries (request_id DESC, revision DESC NULLS LAST)
    WHERE request_id IS NOT NULL`
  yield* sql`CREATE INDEX journal_entries_member ON journal_entries (member, request_id DESC, revision DESC NULLS LAST)
    WHERE request_id IS NOT NULL`
  yield* sql`CREATE TABLE journal_position (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    position numeric(78,0) NOT NULL
  )`
  yield* sql`INSERT INTO journal_position (position) VALUES (0)`
  yield* sql`CREATE TABLE journal_batches (batch_id text PRIMARY KEY, body jsonb NOT NULL)`
  yield* sql`CREATE TABLE journal_unsealed (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    entry_id text NOT NULL UNIQUE REFERENCES journal_entries (id)
  )`
  yield* sql`CREATE TABLE journal_sealed (
    entry_id text PRIMARY KEY REFERENCES journal_entries (id),
    request_id text NOT NULL,
    revision int NOT NULL,
    batch_id text NOT NULL REFERENCES journal_batches (batch_id),
    leaf int NOT NULL,
    path jsonb NOT NULL
  )`
  yield* sql`CREATE INDEX journal_sealed_request ON journal_sealed (request_id, revision DESC)`
  yield* sql`CREATE TABLE journal_directory (
    replica text NOT NULL,
    kind text NOT NULL,
    version bigint NOT NULL,
    to_version bigint NOT NULL,
    body text NOT NULL,
    hash text NOT NULL,
    PRIMARY KEY (replica, kind, version, to_version)
  )`
})

/** The journal's migrations, in order. A released one is never changed. */
export const migrations = { "0001_create": create }
