import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/**
 * A slot is one row. A member's row counts what its slots take, so that a limit costs one look and not a sum; a large
 * answer is stored apart from the row (TOAST) by PostgreSQL itself, uncompressed, for sealed bytes do not shrink.
 */
const create = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE gateway_answers (
    slot text PRIMARY KEY,
    fingerprint text NOT NULL,
    member text NOT NULL,
    request_id text NOT NULL,
    state text NOT NULL CHECK (state IN ('running', 'kept', 'withheld')),
    lease_until timestamptz NOT NULL,
    gone_at timestamptz NOT NULL,
    key_id text,
    size bigint NOT NULL DEFAULT 0,
    sealed bytea
  )`
  yield* sql`ALTER TABLE gateway_answers ALTER COLUMN sealed SET STORAGE EXTERNAL`
  yield* sql`CREATE INDEX gateway_answers_gone ON gateway_answers (gone_at)`
  yield* sql`CREATE TABLE gateway_answer_members (
    member text PRIMARY KEY,
    slots bigint NOT NULL,
    bytes bigint NOT NULL
  )`
})

export const migrations = { "0001_create_answers": create }
