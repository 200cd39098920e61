import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/**
 * Warnings, in the order in which they came; on which answer to which device each rode last; the ways on which it is still to be sent;
 * and where these lead. `is_off`: it rides no more.
 */
export const createWarnings = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE registry_warning_addresses (
    member_id text PRIMARY KEY,
    webhook_url text,
    email text
  )`
  yield* sql`CREATE TABLE registry_warnings (
    id text PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    key text NOT NULL UNIQUE,
    member_id text NOT NULL,
    topic text NOT NULL,
    code text NOT NULL,
    subject text NOT NULL,
    detail text NOT NULL,
    at_ms bigint NOT NULL,
    deadline_ms bigint,
    delivered_at_ms bigint,
    delivered_by text,
    is_off boolean NOT NULL DEFAULT false
  )`
  yield* sql`CREATE INDEX registry_warnings_member ON registry_warnings (member_id, number DESC)`
  yield* sql`CREATE INDEX registry_warnings_riding ON registry_warnings (member_id, number) WHERE NOT is_off`
  yield* sql`CREATE TABLE registry_warning_offers (
    warning_id text NOT NULL REFERENCES registry_warnings (id) ON DELETE CASCADE,
    device_id text NOT NULL,
    nonce text NOT NULL,
    PRIMARY KEY (warning_id, device_id)
  )`
  yield* sql`CREATE INDEX registry_warning_offers_device ON registry_warning_offers (device_id, nonce)`
  yield* sql`CREATE TABLE registry_warning_sends (
    warning_id text NOT NULL REFERENCES registry_warnings (id) ON DELETE CASCADE,
    way text NOT NULL,
    tries integer NOT NULL,
    due_at_ms bigint NOT NULL,
    PRIMARY KEY (warning_id, way)
  )`
  yield* sql`CREATE INDEX registry_warning_sends_due ON registry_warning_sends (way, due_at_ms)`
})
