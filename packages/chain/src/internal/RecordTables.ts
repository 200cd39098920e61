import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/**
 * Epochs have a number of their own here, `sequence`, which what they pay goes by. A proof is its hashes one after the other. Who was
 * ever paid on which account outlives the proofs.
 */
const create = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE chain_epochs (
    sequence bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    asset text NOT NULL,
    chain_id bigint NOT NULL,
    contract text NOT NULL,
    token text NOT NULL,
    epoch bigint NOT NULL,
    unit numeric(78,0) NOT NULL,
    end_ms bigint NOT NULL,
    kind text NOT NULL,
    definition text NOT NULL,
    state text NOT NULL CHECK (state IN ('begun', 'netted', 'posted', 'claimable', 'cancelled', 'empty')),
    sum jsonb,
    transaction text,
    applies_at_s bigint,
    UNIQUE (asset, chain_id, contract, token, epoch)
  )`
  yield* sql`CREATE UNIQUE INDEX chain_epochs_unfinished ON chain_epochs (asset)
    WHERE state IN ('begun', 'netted', 'posted')`
  yield* sql`CREATE TABLE chain_payees (
    sequence bigint NOT NULL REFERENCES chain_epochs,
    member text NOT NULL,
    account text NOT NULL,
    hold text NOT NULL,
    amount numeric(78,0) NOT NULL,
    PRIMARY KEY (sequence, member)
  )`
  yield* sql`CREATE TABLE chain_leaves (
    sequence bigint NOT NULL REFERENCES chain_epochs,
    account text NOT NULL,
    amount numeric(78,0) NOT NULL,
    cumulative numeric(78,0) NOT NULL,
    proof bytea NOT NULL,
    PRIMARY KEY (sequence, account)
  )`
  yield* sql`CREATE TABLE chain_member_accounts (
    asset text NOT NULL,
    member text NOT NULL,
    account text NOT NULL,
    PRIMARY KEY (asset, member, account)
  )`
})

export const migrations = { "0001_create_record": create }
