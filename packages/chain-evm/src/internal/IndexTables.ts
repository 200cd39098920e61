import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** What an index has read of a chain, and how far its readers have come. */
export const createIndex = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE chain_evm_indexes (
    name text PRIMARY KEY,
    subject text NOT NULL,
    block_number bigint NOT NULL,
    block_hash bytea NOT NULL,
    final_number bigint NOT NULL CHECK (final_number <= block_number),
    settled_number bigint NOT NULL CHECK (settled_number <= final_number),
    forks int NOT NULL
  )`
  yield* sql`CREATE TABLE chain_evm_blocks (
    name text NOT NULL,
    number bigint NOT NULL,
    hash bytea NOT NULL,
    PRIMARY KEY (name, number)
  )`
  // One row for an event of a transaction, and one for a place in a block: either twice would be counted twice.
  yield* sql`CREATE TABLE chain_evm_logs (
    name text NOT NULL,
    block_number bigint NOT NULL,
    log_index int NOT NULL,
    block_hash bytea NOT NULL,
    transaction bytea NOT NULL,
    at_s bigint NOT NULL,
    address bytea NOT NULL,
    topics bytea NOT NULL,
    data bytea NOT NULL,
    PRIMARY KEY (name, block_number, log_index),
    UNIQUE (name, transaction, log_index)
  )`
  // What counted as final and was taken back: its readers undo it, whenever they come.
  yield* sql`CREATE TABLE chain_evm_undone (
    number bigint GENERATED ALWAYS AS IDENTITY,
    LIKE chain_evm_logs,
    PRIMARY KEY (name, number)
  )`
  yield* sql`CREATE TABLE chain_evm_marks (
    name text NOT NULL,
    reader text NOT NULL,
    block_number bigint NOT NULL,
    log_index int NOT NULL,
    undone bigint NOT NULL,
    PRIMARY KEY (name, reader)
  )`
})
