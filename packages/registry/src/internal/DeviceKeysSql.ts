/** The keys and nonces of devices in PostgreSQL. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import type * as SqlClient from "effect/sql/SqlClient"
import { DeviceId } from "@guildhall/core/Device"
import type { DeviceStore } from "../DeviceStore.ts"
import { corrupt, unavailable } from "./Unavailable.ts"

const makeNonces = (sql: SqlClient.SqlClient): Pick<DeviceStore, "giveNonce" | "takeNonce"> => ({
  giveNonce: (id, nonce) =>
    sql`INSERT INTO registry_sequences AS s (device_id, sequence, seen_at_ms, nonce) VALUES (${id}, -1, 0, ${nonce})
      ON CONFLICT (device_id) DO UPDATE SET nonce = excluded.nonce, former_nonce = NULL`.pipe(
      Effect.mapError(unavailable),
      Effect.asVoid,
    ),
  // One statement, so that of two beats with one nonce the second finds it taken.
  takeNonce: (id, nonce, next, status) => {
    const given = sql`${nonce ?? null}::text`
    return sql`UPDATE registry_sequences SET
        former_nonce = CASE WHEN nonce IS NULL OR nonce = ${given} THEN ${given} END,
        nonce = ${next}, status = ${status === undefined ? null : JSON.stringify(status)}::text::jsonb
      WHERE device_id = ${id} AND (nonce IS NULL OR nonce = ${given} OR former_nonce = ${given})
      RETURNING 1`.pipe(
      Effect.mapError(unavailable),
      Effect.map((rows) => rows.length > 0),
    )
  },
})

const decodeOwners = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ id: DeviceId, isCurrent: Schema.Boolean })),
)

const makeKeys = (sql: SqlClient.SqlClient): Pick<DeviceStore, "keyOwner" | "replaceKey"> => ({
  keyOwner: (key) =>
    sql`SELECT device_id AS id, is_current AS "isCurrent" FROM registry_device_keys WHERE public_key = ${key}`.pipe(
      Effect.mapError(unavailable),
      Effect.flatMap((rows) => Effect.mapError(decodeOwners(rows), corrupt)),
      Effect.map((rows) => rows[0]),
    ),
  replaceKey: (id, former, key, derived) =>
    Effect.gen(function* () {
      // Two that replace at once come one after the other; the second finds that its key is the former one.
      const has = yield* sql`SELECT 1 FROM registry_devices WHERE id = ${id} AND public_key = ${former} AND NOT EXISTS
        (SELECT 1 FROM registry_device_keys WHERE public_key = ${former} AND NOT is_current) FOR UPDATE`
      const used = yield* sql`SELECT 1 FROM registry_devices WHERE id = ${derived}
        UNION ALL SELECT 1 FROM registry_device_keys WHERE public_key = ${key}`
      if (has.length === 0 || used.length > 0) return false
      yield* sql`INSERT INTO registry_device_keys (public_key, device_id, is_current) VALUES (${former}, ${id}, false)
        ON CONFLICT (public_key) DO UPDATE SET is_current = false`
      yield* sql`INSERT INTO registry_device_keys (public_key, device_id, is_current) VALUES (${key}, ${id}, true)`
      return true
    }).pipe(sql.withTransaction, Effect.mapError(unavailable)),
})

export const make = (sql: SqlClient.SqlClient) => ({ ...makeNonces(sql), ...makeKeys(sql) })
