/**
 * What gateways have in flight, in PostgreSQL: one row for each gateway, in a table that is not logged, since after a crash
 * of the database every gateway tells it anew. An exchange is one statement, and no gateway waits for another.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { InstanceId } from "@guildhall/core/Instance"
import * as InFlight from "./InFlight.ts"
import * as RegistryTables from "./internal/RegistryTables.ts"
import { corrupt, unavailable } from "./internal/Unavailable.ts"
import type { RegistryError } from "./RegistryError.ts"

const decode = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ id: InstanceId, count: Schema.Finite })))

/** A row that nobody has written for so long is deleted. */
const FORGOTTEN_MS = 60_000

/**
 * Creates the table where it is missing, and exchanges over it. Times are the database's.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: InFlight.Options = {}) {
  const sql = yield* SqlClient.SqlClient
  const lifeMs = options.lifeMs ?? InFlight.LIFE_MS
  yield* RegistryTables.migrate
  const exchange = Effect.fn("InFlight.exchange")(function* (gateway: string, own: InFlight.Counts) {
    const counts = JSON.stringify(Object.fromEntries(InFlight.told(own)))
    const rows = yield* Effect.mapError(
      sql`WITH written AS (
          INSERT INTO registry_in_flight (gateway, counts, told_at) VALUES (${gateway}, ${counts}::text::jsonb, clock_timestamp())
          ON CONFLICT (gateway) DO UPDATE SET counts = excluded.counts, told_at = excluded.told_at
        ), forgotten AS (
          DELETE FROM registry_in_flight
          WHERE told_at < clock_timestamp() - ${FORGOTTEN_MS}::int * interval '1 ms' AND gateway <> ${gateway}
        )
        SELECT c.key AS id, sum(c.value::bigint)::float8 AS count
        FROM registry_in_flight f, jsonb_each_text(f.counts) c
        WHERE f.gateway <> ${gateway} AND f.told_at > clock_timestamp() - ${lifeMs}::int * interval '1 ms'
        GROUP BY c.key`,
      unavailable,
    )
    const read = yield* Effect.mapError(decode(rows), corrupt)
    return new Map(read.map(({ count, id }) => [id, count]))
  })
  return InFlight.InFlight.of({ exchange })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: InFlight.Options = {},
): Layer.Layer<InFlight.InFlight, RegistryError, SqlClient.SqlClient> => Layer.effect(InFlight.InFlight, make(options))
