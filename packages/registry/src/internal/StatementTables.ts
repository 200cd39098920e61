/** The tables of what devices have signed. */
import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/**
 * What devices have signed of themselves: the last of each kind, which receipts name, and under each number what was signed,
 * as long as it may be contradicted.
 */
export const createAttestations = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE registry_attestations (
    device_id text PRIMARY KEY,
    commitment text,
    usage_number bigint,
    usage_hash text,
    forked_at_ms bigint,
    changed_at timestamptz NOT NULL
  ) WITH (fillfactor = 70)`
  yield* sql`CREATE INDEX registry_attestations_changed ON registry_attestations (changed_at)`
  yield* sql`CREATE TABLE registry_signed_positions (
    device_id text NOT NULL,
    kind text NOT NULL,
    number bigint NOT NULL,
    hash text NOT NULL,
    statement text NOT NULL,
    PRIMARY KEY (device_id, kind, number)
  )`
})

/** The wallet that a device is bound to, as both signed it. */
export const createDeviceWallets = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE registry_device_wallets (
    device_id text PRIMARY KEY REFERENCES registry_devices (id),
    address text NOT NULL,
    issued_at_ms bigint NOT NULL,
    bound_at_ms bigint NOT NULL,
    binding jsonb NOT NULL
  )`
  yield* sql`CREATE INDEX registry_device_wallets_address ON registry_device_wallets (address)`
})
