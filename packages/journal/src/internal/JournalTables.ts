import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as Receipt from "@guildhall/core/Receipt"
import * as ReceiptSeal from "../ReceiptSeal.ts"
import * as DaySums from "./DaySums.ts"
import * as DemandSums from "./DemandSums.ts"

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

const SignedEntries = Schema.Array(Schema.Struct({ entry_id: Schema.String, receipt: Receipt.ReceiptJson }))

/** Leaves are kept once for a batch instead of a path for each receipt, and are there before the batch is. */
const keepLeaves = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE journal_batches ADD COLUMN leaves bytea`
  yield* sql`ALTER TABLE journal_sealed ALTER COLUMN path DROP NOT NULL`
  yield* sql`ALTER TABLE journal_unsealed ADD COLUMN leaf bytea`
  const waiting = yield* sql`SELECT u.entry_id, e.body -> 'receipt' AS receipt
    FROM journal_unsealed u JOIN journal_entries e ON e.id = u.entry_id`
  for (const { entry_id, receipt } of yield* Schema.decodeUnknownEffect(SignedEntries)(waiting)) {
    yield* sql`UPDATE journal_unsealed SET leaf = ${ReceiptSeal.leafOf(receipt)}::bytea WHERE entry_id = ${entry_id}`
  }
  yield* sql`ALTER TABLE journal_unsealed ALTER COLUMN leaf SET NOT NULL`
})

/** What instances served, summed by day: a sum over a year of receipts would read each of them. */
const sumDays = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* DaySums.create(sql)
  yield* DaySums.fill(sql)
})

/** How much each model is asked for, of late: a count over a day of entries would read each of them. */
const countDemand = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* DemandSums.create(sql)
})

/** The journal's migrations, in order. A released one is never changed. */
export const migrations = {
  "0001_create": create,
  "0002_leaves": keepLeaves,
  "0003_sum_days": sumDays,
  "0004_count_demand": countDemand,
}
