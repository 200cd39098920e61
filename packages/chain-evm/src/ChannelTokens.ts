/**
 * Which token a channel is in: only the event that opened it says so.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { Address } from "@guildhall/chain/Address"
import type { Bytes32 } from "@guildhall/chain/Hex"
import { IndexError } from "./IndexError.ts"
import * as Migrations from "./internal/Migrations.ts"

/**
 * Keeps the token of a channel, and finds it.
 *
 * @category models
 * @since 0.1.0
 */
export interface ChannelTokens {
  readonly keep: (channelId: Bytes32, token: Address) => Effect.Effect<void, IndexError>
  readonly find: (channelId: Bytes32) => Effect.Effect<Address | undefined, IndexError>
}

/** In memory, gone with the process. @category constructors @since 0.1.0 */
export const makeMemory = (): ChannelTokens => {
  const tokens = new Map<Bytes32, Address>()
  return {
    keep: (channelId, token) => Effect.sync(() => void tokens.set(channelId, token)),
    find: (channelId) => Effect.sync(() => tokens.get(channelId)),
  }
}

const failed = (cause: unknown) => new IndexError({ reason: "store", detail: "", cause })
const decode = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ token: Address })))

/** In PostgreSQL, by chain; creates the table where it is missing. @category constructors @since 0.1.0 */
export const makeSql = Effect.fnUntraced(function* (chainId: number) {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.mapError(Migrations.run, failed)
  const chain = `${chainId}`
  const tokens: ChannelTokens = {
    keep: (channelId, token) =>
      sql`INSERT INTO chain_evm_channels (chain_id, channel, token)
        VALUES (${chain}::text::bigint, decode(${channelId.slice(2)}::text, 'hex'), ${token}) ON CONFLICT DO NOTHING`.pipe(
        Effect.mapError(failed),
        Effect.asVoid,
      ),
    find: (channelId) =>
      sql`SELECT token FROM chain_evm_channels
        WHERE chain_id = ${chain}::text::bigint AND channel = decode(${channelId.slice(2)}::text, 'hex')`.pipe(
        Effect.flatMap(decode),
        Effect.mapError(failed),
        Effect.map(([row]) => row?.token),
      ),
  }
  return tokens
})
