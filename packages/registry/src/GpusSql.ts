/**
 * GPUs in PostgreSQL.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Gpu, Gpus, type GpuStore, make as makeGpus, type Owner } from "./Gpus.ts"
import * as RegistryTables from "./internal/RegistryTables.ts"
import { corrupt, unavailable } from "./internal/Unavailable.ts"
import type { RegistryError } from "./RegistryError.ts"

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Gpu))

const readRows = (
  rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>,
): Effect.Effect<ReadonlyArray<Gpu>, RegistryError> =>
  rows.pipe(
    Effect.mapError(unavailable),
    Effect.flatMap((found) => Effect.mapError(decodeRows(found), corrupt)),
  )

const int8 = (value: number): string => `${value}`

const COLUMNS = `id, member_id AS "memberId", device_id AS "deviceId", name, memory_mib AS "memoryMib",
  cuda_version AS "cudaVersion", base_price::text AS "basePrice", region, strategy,
  created_at_ms::float8 AS "createdAtMs", changed_at_ms::float8 AS "changedAtMs"`

const makeStore = (sql: SqlClient.SqlClient): GpuStore => {
  const columns = sql.literal(COLUMNS)
  const isOf = ({ deviceId, memberId }: Owner) =>
    deviceId === undefined ? sql`member_id = ${memberId}` : sql`member_id = ${memberId} AND device_id = ${deviceId}`
  return {
    // A member's additions come one after the other, so that two at once do not both take its last free place.
    insert: Effect.fnUntraced(
      function* (gpu, most) {
        yield* Effect.mapError(
          sql`SELECT pg_advisory_xact_lock(hashtextextended(${gpu.memberId}::text, 2))`,
          unavailable,
        )
        const rows = yield* Effect.mapError(
          sql`INSERT INTO registry_gpus (id, member_id, device_id, name, memory_mib, cuda_version, base_price, region,
              strategy, created_at_ms, changed_at_ms)
            SELECT ${gpu.id}::text, ${gpu.memberId}::text, ${gpu.deviceId}::text, ${gpu.name}::text, ${gpu.memoryMib}::int,
              ${gpu.cudaVersion}::text, ${`${gpu.basePrice}`}::text::numeric, ${gpu.region}::text, ${gpu.strategy}::text,
              ${int8(gpu.createdAtMs)}::text::bigint, ${int8(gpu.changedAtMs)}::text::bigint
            WHERE (SELECT count(*) FROM registry_gpus WHERE member_id = ${gpu.memberId}) < ${most}::int
            RETURNING id`,
          unavailable,
        )
        return rows.length > 0
      },
      sql.withTransaction,
      Effect.catchTag("SqlError", (error) => Effect.fail(unavailable(error))),
    ),
    change: (id, owner, { basePrice, region, strategy }, atMs) =>
      Effect.map(
        readRows(sql`UPDATE registry_gpus SET
            base_price = COALESCE(${basePrice === undefined ? null : `${basePrice}`}::text::numeric, base_price),
            region = COALESCE(${region ?? null}::text, region), strategy = COALESCE(${strategy ?? null}::text, strategy),
            changed_at_ms = ${int8(atMs)}::text::bigint
          WHERE id = ${id} AND ${isOf(owner)} RETURNING ${columns}`),
        ([row]) => row,
      ),
    remove: (id, owner) =>
      sql`DELETE FROM registry_gpus WHERE id = ${id} AND ${isOf(owner)} RETURNING id`.pipe(
        Effect.mapError(unavailable),
        Effect.map((rows) => rows.length > 0),
      ),
    find: (id) => Effect.map(readRows(sql`SELECT ${columns} FROM registry_gpus WHERE id = ${id}`), ([row]) => row),
    list: ({ owner, region }, most) =>
      readRows(sql`SELECT ${columns} FROM registry_gpus
        WHERE ${region === undefined ? sql`true` : sql`region = ${region}`} AND ${owner === undefined ? sql`true` : isOf(owner)}
        ORDER BY number LIMIT ${most}::int`),
  }
}

/**
 * Creates the tables that are missing, and answers GPUs over them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options?: { readonly perMember?: number | undefined }) {
  const sql = yield* SqlClient.SqlClient
  yield* RegistryTables.migrate
  return makeGpus(makeStore(sql), options)
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options?: {
  readonly perMember?: number | undefined
}): Layer.Layer<Gpus, RegistryError, SqlClient.SqlClient> => Layer.effect(Gpus, make(options))
