/**
 * Accounts in a cloud in PostgreSQL. Their tokens are stored as they were sealed: what opens them is not in the database.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { MemberId } from "@guildhall/core/Member"
import { CloudAccountId, CloudModel, CloudStore, Parked } from "./CloudStore.ts"
import * as RegistryTables from "./internal/RegistryTables.ts"
import { corrupt, unavailable } from "./internal/Unavailable.ts"
import type { RegistryError } from "./RegistryError.ts"

const Rows = Schema.Array(
  Schema.Struct({
    id: CloudAccountId,
    memberId: MemberId,
    name: Schema.String,
    baseUrl: Schema.String,
    models: Schema.Array(CloudModel),
    keyId: Schema.String,
    sealed: Schema.Uint8Array,
    tokenEnd: Schema.String,
    parked: Schema.NullOr(Parked),
    createdAtMs: Schema.Int,
    revision: Schema.Int,
  }),
)
const decodeRows = Schema.decodeUnknownEffect(Rows)
const decodeParked = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ id: CloudAccountId, parked: Schema.NullOr(Parked) })),
)
const decodeKept = Schema.decodeUnknownEffect(
  Schema.Tuple([Schema.Struct({ kept: Schema.Boolean, taken: Schema.Boolean })]),
)

const reading =
  <A>(decode: (rows: unknown) => Effect.Effect<A, Schema.SchemaError>) =>
  (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>): Effect.Effect<A, RegistryError> =>
    rows.pipe(
      Effect.mapError(unavailable),
      Effect.flatMap((found) => Effect.mapError(decode(found), corrupt)),
    )
const readRows = reading(decodeRows)
const readParked = reading(decodeParked)
const readKept = reading(decodeKept)

const int8 = (value: number): string => `${value}`

const COLUMNS = `id, member_id AS "memberId", name, base_url AS "baseUrl", models, key_id AS "keyId", sealed,
  token_end AS "tokenEnd", parked, created_at_ms::float8 AS "createdAtMs", revision::float8 AS revision`

/** Three rows of a key tell whether it is the right one: one of them may have been changed. */
const SAMPLES = 3

/**
 * Creates the tables that are missing, and answers a store over them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<CloudStore["Service"], RegistryError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* RegistryTables.migrate
  const columns = sql.literal(COLUMNS)
  const parkedText = (parked: Parked | null) => (parked === null ? null : JSON.stringify(parked))

  return CloudStore.of({
    // A member's additions come one after the other, so that two at once do not both take its last free place.
    insert: Effect.fnUntraced(
      function* (row, most) {
        yield* Effect.mapError(
          sql`SELECT pg_advisory_xact_lock(hashtextextended(${row.memberId}::text, 1))`,
          unavailable,
        )
        const [{ kept, taken }] = yield* readKept(sql`
          WITH own AS (SELECT name FROM registry_cloud_accounts WHERE member_id = ${row.memberId}),
          added AS (
            INSERT INTO registry_cloud_accounts
              (id, member_id, name, base_url, models, key_id, sealed, token_end, parked, created_at_ms, revision)
            SELECT ${row.id}::text, ${row.memberId}::text, ${row.name}::text, ${row.baseUrl}::text,
              ${JSON.stringify(row.models)}::text::jsonb, ${row.keyId}::text, ${row.sealed}::bytea, ${row.tokenEnd}::text,
              ${parkedText(row.parked)}::text::jsonb, ${int8(row.createdAtMs)}::text::bigint,
              ${int8(row.revision)}::text::bigint
            WHERE (SELECT count(*) FROM own) < ${most}::int AND NOT EXISTS (SELECT 1 FROM own WHERE name = ${row.name})
            RETURNING 1
          )
          SELECT EXISTS (SELECT 1 FROM added) AS kept, EXISTS (SELECT 1 FROM own WHERE name = ${row.name}) AS taken`)
        return kept ? "kept" : taken ? "taken" : "full"
      },
      sql.withTransaction,
      Effect.catchTag("SqlError", (error) => Effect.fail(unavailable(error))),
    ),
    get: (id) =>
      Effect.map(readRows(sql`SELECT ${columns} FROM registry_cloud_accounts WHERE id = ${id}`), (rows) => rows[0]),
    ofMember: (memberId) =>
      readRows(sql`SELECT ${columns} FROM registry_cloud_accounts WHERE member_id = ${memberId}
        ORDER BY created_at_ms, number`),
    replace: (row) =>
      sql`UPDATE registry_cloud_accounts SET member_id = ${row.memberId}, name = ${row.name}, base_url = ${row.baseUrl},
          models = ${JSON.stringify(row.models)}::text::jsonb, key_id = ${row.keyId}, sealed = ${row.sealed}::bytea,
          token_end = ${row.tokenEnd}, parked = ${parkedText(row.parked)}::text::jsonb,
          revision = ${int8(row.revision)}::text::bigint
        WHERE id = ${row.id} AND revision = ${int8(row.revision - 1)}::text::bigint RETURNING id`.pipe(
        Effect.mapError(unavailable),
        Effect.map((rows) => rows.length > 0),
      ),
    remove: (id) =>
      sql`DELETE FROM registry_cloud_accounts WHERE id = ${id}`.pipe(Effect.mapError(unavailable), Effect.asVoid),
    notUnder: (keyId, after, limit) =>
      readRows(sql`SELECT ${columns} FROM registry_cloud_accounts WHERE key_id <> ${keyId} AND id > ${after}
        ORDER BY id LIMIT ${limit}`),
    samples: readRows(sql`SELECT ${columns} FROM (
        SELECT *, row_number() OVER (PARTITION BY key_id ORDER BY number DESC) AS place FROM registry_cloud_accounts
      ) AS placed WHERE place <= ${SAMPLES}`),
    parkedAt: (nowMs) =>
      readParked(sql`SELECT id, parked FROM registry_cloud_accounts
        WHERE parked IS NOT NULL AND (parked->>'untilMs')::bigint > ${int8(nowMs)}::text::bigint`),
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<CloudStore, RegistryError, SqlClient.SqlClient> = Layer.effect(CloudStore, make)
