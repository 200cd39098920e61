import * as Effect from "effect/Effect"
import * as Migrator from "effect/sql/Migrator"
import type { SqlClient } from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { createChannels } from "./ChannelTables.ts"
import { createIndex } from "./IndexTables.ts"
import { createRails, markPosted } from "./RailTables.ts"
import { createSender } from "./SenderTables.ts"

/** The package's migrations, in order. A released one is never changed. */
export const entries = {
  "0001_create_index": createIndex,
  "0002_create_sender": createSender,
  "0003_create_channels": createChannels,
  "0004_create_rails": createRails,
  "0005_mark_posted": markPosted,
}

/** Creates the tables that are missing. */
export const run: Effect.Effect<void, SqlError | Migrator.MigrationError, SqlClient> = Effect.asVoid(
  Migrator.make({})({ loader: Migrator.fromRecord(entries), table: "guildhall_chain_evm_migrations" }),
)
