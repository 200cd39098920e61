import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** A proof is its hashes one after the other. Who was ever paid on which account outlives the proofs. */
const create = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE chain_epochs (
    asset text NOT NULL,
    epoch bigint NOT NULL,
    end_ms bigint NOT NULL,
    chain_id bigint NOT NULL,
    contract text NOT NULL,
    token text NOT NULL,
    kind text NOT NULL,
    definition text NOT NULL,
    state text NOT NULL CHECK (state IN ('begun', 'netted', 'posted', 'claimable', 'cancelled', 'empty')),
    sum jsonb,
    transaction text,
    applies_at_s bigint,
    PRIMARY KEY (asset, epoch)
  )`
  yield* sql`CREATE UNIQUE INDEX chain_epochs_unfinished ON chain_epochs (asset)
    WHERE state IN ('begun', 'netted', 'posted')`
  yield* sql`CREATE TABLE chain_payees (
    asset text NOT NULL,
    epoch bigint NOT NULL,
    member text NOT NULL,
    account text NOT NULL,
    hold text NOT NULL,
    amount numeric(78,0) NOT NULL,
    PRIMARY KEY (asset, epoch, member)
  )`
  yield* sql`CREATE TABLE chain_leaves (
    asset text NOT NULL,
    epoch bigint NOT NULL,
    account text NOT NULL,
    amount numeric(78,0) NOT NULL,
    cumulative numeric(78,0) NOT NULL,
    proof bytea NOT NULL,
    PRIMARY KEY (asset, epoch, account)
  )`
  yield* sql`CREATE TABLE chain_member_accounts (
    asset text NOT NULL,
    member text NOT NULL,
    account text NOT NULL,
    PRIMARY KEY (asset, member, account)
  )`
})

export const migrations = { "0001_create_record": create }
