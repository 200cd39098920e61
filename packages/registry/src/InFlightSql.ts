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
import { ModelId } from "@guildhall/core/Model"
import * as InFlight from "./InFlight.ts"
import * as RegistryTables from "./internal/RegistryTables.ts"
import { corrupt, unavailable } from "./internal/Unavailable.ts"
import type { RegistryError } from "./RegistryError.ts"

const Row = Schema.Struct({
  gateway: Schema.NullOr(Schema.String),
  counts: Schema.NullOr(Schema.Record(InstanceId, Schema.Finite)),
  waiting: Schema.NullOr(Schema.Record(ModelId, Schema.Finite)),
  now: Schema.Finite,
})
const decode = Schema.decodeUnknownEffect(Schema.Array(Row))

const mapOf = <Key extends string>(record: Readonly<Record<Key, number>>): ReadonlyMap<Key, number> => {
  const map = new Map<Key, number>()
  for (const key in record) map.set(key, record[key])
  return map
}

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
  const exchange = Effect.fn("InFlight.exchange")(function* (gateway: string, own: InFlight.Told) {
    const told = InFlight.told(own)
    const counts = JSON.stringify(Object.fromEntries(told.inFlight))
    const waiting = JSON.stringify(Object.fromEntries(told.waiting))
    const rows = yield* Effect.mapError(
      sql`WITH written AS (
          INSERT INTO registry_in_flight (gateway, counts, waiting, told_at)
          VALUES (${gateway}, ${counts}::text::jsonb, ${waiting}::text::jsonb, clock_timestamp())
          ON CONFLICT (gateway) DO UPDATE
          SET counts = excluded.counts, waiting = excluded.waiting, told_at = excluded.told_at
        ), forgotten AS (
          DELETE FROM registry_in_flight
          WHERE told_at < clock_timestamp() - ${FORGOTTEN_MS}::int * interval '1 ms' AND gateway <> ${gateway}
        )
        SELECT f.gateway, f.counts, f.waiting, (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now
        FROM (SELECT) one LEFT JOIN registry_in_flight f
        ON f.gateway <> ${gateway} AND f.told_at > clock_timestamp() - ${lifeMs}::int * interval '1 ms'`,
      unavailable,
    )
    const read = yield* Effect.mapError(decode(rows), corrupt)
    const others = read.flatMap(({ counts, gateway, waiting }) =>
      gateway === null ? [] : [{ gateway, inFlight: mapOf(counts ?? {}), waiting: mapOf(waiting ?? {}) }],
    )
    return { atMs: read[0]?.now ?? 0, others }
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
