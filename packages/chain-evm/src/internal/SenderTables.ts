import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** What was signed and sent: nonces are given under the lock of the account's row. */
export const createSender = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE chain_evm_accounts (
    chain_id bigint NOT NULL,
    address text COLLATE "C" NOT NULL,
    next_nonce bigint NOT NULL,
    PRIMARY KEY (chain_id, address)
  )`
  yield* sql`CREATE TABLE chain_evm_sendings (
    chain_id bigint NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    content text NOT NULL,
    address text COLLATE "C" NOT NULL,
    target text,
    data bytea NOT NULL,
    value_wei numeric(78,0) NOT NULL,
    gas numeric(78,0) NOT NULL,
    nonce bigint NOT NULL CHECK (nonce >= 0),
    state text NOT NULL CHECK (state IN ('Pending', 'Included', 'Confirmed', 'Final')),
    place jsonb,
    PRIMARY KEY (chain_id, idempotency_key),
    UNIQUE (chain_id, address, nonce)
  )`
  yield* sql`CREATE INDEX chain_evm_sendings_watched ON chain_evm_sendings (chain_id, address, nonce)
    WHERE state <> 'Final'`
  yield* sql`CREATE TABLE chain_evm_versions (
    chain_id bigint NOT NULL,
    idempotency_key text COLLATE "C" NOT NULL,
    number int NOT NULL,
    hash bytea NOT NULL,
    raw bytea NOT NULL,
    price jsonb NOT NULL,
    signed_at_ms bigint NOT NULL,
    PRIMARY KEY (chain_id, idempotency_key, number),
    FOREIGN KEY (chain_id, idempotency_key) REFERENCES chain_evm_sendings ON DELETE CASCADE
  )`
})
