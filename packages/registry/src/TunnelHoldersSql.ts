/**
 * Which gateway holds which tunnels, in PostgreSQL: one row for each gateway, in a table that is not logged, since after a crash
 * of the database every gateway tells it anew. An exchange is one statement, and no gateway waits for another.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { DeviceId } from "@guildhall/core/Device"
import * as RegistryTables from "./internal/RegistryTables.ts"
import { corrupt, unavailable } from "./internal/Unavailable.ts"
import type { RegistryError } from "./RegistryError.ts"
import * as TunnelHolders from "./TunnelHolders.ts"

const decode = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      gateway: Schema.String,
      peerUrl: Schema.NullOr(Schema.String),
      publicUrl: Schema.NullOr(Schema.String),
      devices: Schema.Array(DeviceId),
    }),
  ),
)

/** A row that nobody has written for so long is deleted. */
const FORGOTTEN_MS = 60_000

/**
 * Creates the table where it is missing, and exchanges over it. Times are the database's.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: TunnelHolders.Options = {}) {
  const sql = yield* SqlClient.SqlClient
  const lifeMs = options.lifeMs ?? TunnelHolders.LIFE_MS
  yield* RegistryTables.migrate
  const exchange = Effect.fn("TunnelHolders.exchange")(function* (own: TunnelHolders.Holder) {
    const { gateway, peerUrl = null, publicUrl = null } = own
    const devices = JSON.stringify(own.devices)
    const rows = yield* Effect.mapError(
      sql`WITH written AS (
          INSERT INTO registry_tunnel_holders (gateway, peer_url, public_url, devices, told_at)
          VALUES (${gateway}, ${peerUrl}, ${publicUrl}, ${devices}::text::jsonb, clock_timestamp())
          ON CONFLICT (gateway) DO UPDATE SET peer_url = excluded.peer_url, public_url = excluded.public_url,
            devices = excluded.devices, told_at = excluded.told_at
        ), forgotten AS (
          DELETE FROM registry_tunnel_holders
          WHERE told_at < clock_timestamp() - ${FORGOTTEN_MS}::int * interval '1 ms' AND gateway <> ${gateway}
        )
        SELECT gateway, peer_url AS "peerUrl", public_url AS "publicUrl", devices FROM registry_tunnel_holders
        WHERE gateway <> ${gateway} AND told_at > clock_timestamp() - ${lifeMs}::int * interval '1 ms'
        ORDER BY gateway`,
      unavailable,
    )
    const read = yield* Effect.mapError(decode(rows), corrupt)
    return read.map((row): TunnelHolders.Holder => ({
      gateway: row.gateway,
      devices: row.devices,
      peerUrl: row.peerUrl ?? undefined,
      publicUrl: row.publicUrl ?? undefined,
    }))
  })
  return TunnelHolders.TunnelHolders.of({ exchange })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: TunnelHolders.Options = {},
): Layer.Layer<TunnelHolders.TunnelHolders, RegistryError, SqlClient.SqlClient> =>
  Layer.effect(TunnelHolders.TunnelHolders, make(options))
