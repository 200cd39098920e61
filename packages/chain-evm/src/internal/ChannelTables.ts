import * as Effect from "effect/Effect"
import * as SqlClient from "effect/sql/SqlClient"

/** The tokens of channels: only the event that opens a channel says which it is. */
export const createChannels = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* sql`CREATE TABLE chain_evm_channels (
    chain_id bigint NOT NULL,
    channel bytea NOT NULL,
    token text NOT NULL,
    PRIMARY KEY (chain_id, channel)
  )`
})
