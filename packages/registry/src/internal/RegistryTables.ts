import * as Effect from "effect/Effect"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import { createAttestations, createDeviceWallets } from "./StatementTables.ts"
import type { RegistryError } from "../RegistryError.ts"
import { unavailable } from "./Unavailable.ts"
import { createWarnings } from "./WarningTables.ts"

const createMembers = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE registry_members (
    id text PRIMARY KEY,
    name text NOT NULL,
    created_at_ms bigint NOT NULL
  )`
  yield* sql`CREATE TABLE registry_keys (
    id text PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    member_id text NOT NULL REFERENCES registry_members (id),
    name text NOT NULL,
    role text NOT NULL,
    data_collection text NOT NULL,
    secret_sha256 text NOT NULL UNIQUE,
    created_at_ms bigint NOT NULL,
    revoked_at_ms bigint
  )`
  yield* sql`CREATE INDEX registry_keys_member ON registry_keys (member_id, number DESC)`
})

const createDevices = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE registry_devices (
    id text PRIMARY KEY,
    member_id text NOT NULL,
    public_key text NOT NULL,
    state text NOT NULL
  )`
  yield* sql`CREATE TABLE registry_sequences (
    device_id text PRIMARY KEY,
    sequence bigint NOT NULL,
    seen_at_ms bigint NOT NULL
  )`
  yield* sql`CREATE INDEX registry_sequences_seen ON registry_sequences (seen_at_ms)`
  yield* sql`CREATE TABLE registry_instances (
    id text PRIMARY KEY,
    device_id text NOT NULL REFERENCES registry_devices (id),
    terms jsonb NOT NULL,
    state text NOT NULL,
    listed boolean NOT NULL,
    version bigint NOT NULL,
    terms_version bigint NOT NULL,
    last_beat_at_ms bigint NOT NULL,
    registered_at_ms bigint NOT NULL
  )`
  yield* sql`CREATE INDEX registry_instances_version ON registry_instances (version)`
  yield* sql`CREATE INDEX registry_instances_device ON registry_instances (device_id)`
  yield* sql`CREATE TABLE registry_version (
    one boolean PRIMARY KEY DEFAULT true CHECK (one),
    version bigint NOT NULL
  )`
  yield* sql`INSERT INTO registry_version (version) VALUES (0)`
})

const addKeyTerms = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE registry_keys ADD COLUMN terms jsonb NOT NULL DEFAULT '{}'`
})

/** What instances declare stands in their terms; a provider's name belongs to one member, whatever it registers. */
const createProviderNames = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE registry_provider_names (
    name text PRIMARY KEY,
    member_id text NOT NULL
  )`
  yield* sql`CREATE INDEX registry_provider_names_member ON registry_provider_names (member_id)`
})

/** Not logged: it is written several times a second, and worth nothing after a second. */
const createInFlight = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE UNLOGGED TABLE registry_in_flight (
    gateway text PRIMARY KEY,
    counts jsonb NOT NULL,
    told_at timestamptz NOT NULL
  ) WITH (fillfactor = 50)`
})

/**
 * Days first in the key: a day that is over leaves at one end. `change` is the transaction that wrote a row, by which one finds
 * what others wrote. What was seen again and again stands beside what work came to, since only it counts once for all gateways.
 */
const createHealth = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE registry_health (
    day integer NOT NULL,
    instance_id text NOT NULL,
    succeeded bigint NOT NULL CHECK (succeeded BETWEEN 0 AND 1000000000000),
    failed bigint NOT NULL CHECK (failed BETWEEN 0 AND 1000000000000),
    neutral bigint NOT NULL CHECK (neutral BETWEEN 0 AND 1000000000000),
    online bigint NOT NULL CHECK (online BETWEEN 0 AND 1000000000000),
    offline bigint NOT NULL CHECK (offline BETWEEN 0 AND 1000000000000),
    unclear bigint NOT NULL CHECK (unclear BETWEEN 0 AND 1000000000000),
    seen_from_ms bigint NOT NULL,
    seen_to_ms bigint NOT NULL,
    change xid8 NOT NULL,
    PRIMARY KEY (day, instance_id)
  ) WITH (fillfactor = 70)`
  yield* sql`CREATE INDEX registry_health_change ON registry_health (change)`
  yield* sql`CREATE TABLE registry_left_alone (
    instance_id text PRIMARY KEY,
    why text NOT NULL,
    ejections integer NOT NULL,
    until_at timestamptz NOT NULL,
    change xid8 NOT NULL
  )`
  yield* sql`CREATE TABLE registry_health_additions (
    gateway text PRIMARY KEY,
    number bigint NOT NULL,
    added_at timestamptz NOT NULL
  )`
})

/** A member's devices are counted when it registers a new one. */
const indexMemberDevices = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE INDEX registry_devices_member ON registry_devices (member_id)`
})

/** Devices without a key, as accounts in a cloud are. */
const allowKeylessDevices = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE registry_devices ALTER COLUMN public_key DROP NOT NULL`
})

/**
 * What is known of a device; the keys that it had or has where they were replaced; and the nonce that its next beat must carry,
 * beside the one before it.
 */
const addDeviceFacts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE registry_devices ADD COLUMN facts jsonb NOT NULL DEFAULT '{}'`
  yield* sql`CREATE TABLE registry_device_keys (
    public_key text PRIMARY KEY,
    device_id text NOT NULL REFERENCES registry_devices (id),
    is_current boolean NOT NULL
  )`
  yield* sql`CREATE INDEX registry_device_keys_device ON registry_device_keys (device_id)`
  yield* sql`ALTER TABLE registry_sequences ADD COLUMN nonce text, ADD COLUMN former_nonce text, ADD COLUMN status jsonb`
})

/** Of a code only a keyed hash. */
const createPairings = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE registry_pairings (
    id text PRIMARY KEY,
    member_id text NOT NULL,
    code_hash text NOT NULL,
    made_from text NOT NULL,
    state text NOT NULL,
    wrong_tries integer NOT NULL,
    device_id text,
    asked_from text,
    device jsonb,
    ends_at_ms bigint NOT NULL,
    changed_at_ms bigint NOT NULL
  )`
  yield* sql`CREATE INDEX registry_pairings_code ON registry_pairings (code_hash)`
  yield* sql`CREATE INDEX registry_pairings_member ON registry_pairings (member_id)`
  yield* sql`CREATE INDEX registry_pairings_device ON registry_pairings (device_id)`
  yield* sql`CREATE INDEX registry_pairings_end ON registry_pairings (ends_at_ms)`
  yield* sql`CREATE TABLE registry_pairing_tries (
    number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    network text NOT NULL,
    at_ms bigint NOT NULL
  )`
})

/** The tokens are sealed; what opens them is not here. */
const createCloudAccounts = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE registry_cloud_accounts (
    id text PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    member_id text NOT NULL,
    name text NOT NULL,
    base_url text NOT NULL,
    models jsonb NOT NULL,
    key_id text NOT NULL,
    sealed bytea NOT NULL,
    token_end text NOT NULL,
    parked jsonb,
    created_at_ms bigint NOT NULL,
    revision bigint NOT NULL,
    UNIQUE (member_id, name)
  )`
  yield* sql`CREATE INDEX registry_cloud_accounts_key ON registry_cloud_accounts (key_id, id)`
})

/** `steps` are those of the run under way; its owner keeps it by a lease, and whoever takes it after that goes on with them. */
const createEntries = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE registry_instances ADD COLUMN entry text`
  yield* sql`CREATE TABLE registry_entries (
    instance_id text PRIMARY KEY,
    subject text NOT NULL,
    state text NOT NULL,
    attempt integer NOT NULL,
    run integer NOT NULL,
    outcomes jsonb NOT NULL,
    steps jsonb NOT NULL,
    is_running boolean NOT NULL,
    owner text,
    lease_ends_at timestamptz,
    due_at timestamptz NOT NULL,
    concluded_at timestamptz
  )`
  yield* sql`CREATE INDEX registry_entries_due ON registry_entries (due_at)`
})

/** Not logged: it is written twice a second, and worth nothing after some seconds. */
const createTunnelHolders = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE UNLOGGED TABLE registry_tunnel_holders (
    gateway text PRIMARY KEY,
    peer_url text,
    public_url text,
    devices jsonb NOT NULL,
    told_at timestamptz NOT NULL
  ) WITH (fillfactor = 50)`
})

/** For how many requests of a gateway each model has too little room. */
const tellWhoWaits = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE registry_in_flight ADD COLUMN waiting jsonb NOT NULL DEFAULT '{}'`
})

/** What members say of their GPUs. */
const createGpus = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE registry_gpus (
    id text PRIMARY KEY,
    number bigint GENERATED ALWAYS AS IDENTITY,
    member_id text NOT NULL,
    device_id text,
    name text NOT NULL,
    memory_mib integer NOT NULL,
    cuda_version text,
    base_price numeric(78, 0) NOT NULL CHECK (base_price >= 0),
    region text NOT NULL,
    strategy text NOT NULL,
    created_at_ms bigint NOT NULL,
    changed_at_ms bigint NOT NULL
  )`
  yield* sql`CREATE INDEX registry_gpus_member ON registry_gpus (member_id, number)`
  yield* sql`CREATE INDEX registry_gpus_region ON registry_gpus (region, number)`
})

/** What members set of their rails, and of each instance what it comes to. */
const addRails = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE registry_instances ADD COLUMN rails jsonb`
  yield* sql`CREATE TABLE registry_member_rails (
    member_id text PRIMARY KEY,
    rails jsonb NOT NULL
  )`
})

/** Creates the tables that are missing. A migration that was released is never changed. */
export const migrate: Effect.Effect<void, RegistryError, SqlClient.SqlClient> = Migrator.make({})({
  loader: Migrator.fromRecord({
    "0001_create_members": createMembers,
    "0002_create_devices": createDevices,
    "0003_add_key_terms": addKeyTerms,
    "0004_create_provider_names": createProviderNames,
    "0005_create_in_flight": createInFlight,
    "0006_create_health": createHealth,
    "0007_index_member_devices": indexMemberDevices,
    "0008_allow_keyless_devices": allowKeylessDevices,
    "0009_add_device_facts": addDeviceFacts,
    "0010_create_pairings": createPairings,
    "0011_create_entries": createEntries,
    "0012_create_cloud_accounts": createCloudAccounts,
    "0013_create_tunnel_holders": createTunnelHolders,
    "0014_tell_who_waits": tellWhoWaits,
    "0015_create_attestations": createAttestations,
    "0016_create_device_wallets": createDeviceWallets,
    "0017_create_gpus": createGpus,
    "0018_add_rails": addRails,
    "0019_create_warnings": createWarnings,
  }),
  table: "guildhall_registry_migrations",
}).pipe(Effect.mapError(unavailable), Effect.asVoid)
