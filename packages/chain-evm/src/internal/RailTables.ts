import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** What is to be paid out, the batches that it goes in, and what came in. */
export const createRails = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE chain_evm_payouts (
    rail text NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    key text NOT NULL,
    member text NOT NULL,
    asset text NOT NULL,
    amount numeric(78,0) NOT NULL CHECK (amount > 0),
    token text NOT NULL,
    account text NOT NULL,
    units numeric(78,0) NOT NULL CHECK (units > 0),
    batch text,
    PRIMARY KEY (rail, key),
    UNIQUE (rail, number)
  )`
  yield* sql`CREATE INDEX chain_evm_payouts_waiting ON chain_evm_payouts (rail, token, number) WHERE batch IS NULL`
  yield* sql`CREATE INDEX chain_evm_payouts_batch ON chain_evm_payouts (rail, batch, number) WHERE batch IS NOT NULL`
  yield* sql`CREATE TABLE chain_evm_batches (
    rail text NOT NULL,
    batch text NOT NULL,
    token text NOT NULL,
    attempt int NOT NULL,
    is_paid boolean NOT NULL,
    detail text,
    PRIMARY KEY (rail, batch)
  )`
  // One at a time for each token: who waits longest is paid first.
  yield* sql`CREATE UNIQUE INDEX chain_evm_batches_open ON chain_evm_batches (rail, token) WHERE NOT is_paid`
  yield* sql`CREATE TABLE chain_evm_deposit_addresses (
    rail text NOT NULL,
    member text NOT NULL,
    place int NOT NULL,
    address text NOT NULL,
    PRIMARY KEY (rail, member),
    UNIQUE (rail, place),
    UNIQUE (rail, address)
  )`
  // A top-up that was asked for, a deposit that came, or one that came as it was asked for.
  yield* sql`CREATE TABLE chain_evm_deposits (
    rail text NOT NULL,
    number bigint GENERATED ALWAYS AS IDENTITY,
    key text NOT NULL,
    member text NOT NULL,
    asset text NOT NULL,
    amount numeric(78,0) NOT NULL CHECK (amount > 0),
    transaction text,
    log_index int,
    block_hash text,
    is_undone boolean NOT NULL DEFAULT false,
    PRIMARY KEY (rail, key),
    UNIQUE (rail, number)
  )`
  yield* sql`CREATE INDEX chain_evm_deposits_asked ON chain_evm_deposits (rail, member, asset, amount, number)
    WHERE transaction IS NULL`
  yield* sql`CREATE INDEX chain_evm_deposits_arrived ON chain_evm_deposits (rail, transaction)
    WHERE transaction IS NOT NULL`
})

/** Which deposits are in the books. */
export const markPosted = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`ALTER TABLE chain_evm_deposits ADD COLUMN is_posted boolean NOT NULL DEFAULT false`
  yield* sql`CREATE INDEX chain_evm_deposits_due ON chain_evm_deposits (rail, number)
    WHERE transaction IS NOT NULL AND NOT is_posted`
})
