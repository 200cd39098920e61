/**
 * What devices have signed of themselves, in PostgreSQL. Of a device one statement is judged at a time, by any gateway.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { DeviceId } from "@guildhall/core/Device"
import * as Attestations from "./Attestations.ts"
import * as AttestationStore from "./AttestationStore.ts"
import * as RegistryTables from "./internal/RegistryTables.ts"
import * as SignedPositions from "./internal/SignedPositions.ts"
import { corrupt, unavailable } from "./internal/Unavailable.ts"
import { RegistryError } from "./RegistryError.ts"

const Kind = Schema.Literals(["commitment", "usage"])
const Kept = Schema.Struct({ number: Schema.Int, hash: Schema.String, json: Schema.String })

/** Runs a query and reads its rows; rows that do not decode are rows that nobody can read. */
const reading = <S extends Schema.Codec<unknown, unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(schema))
  return (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
    rows.pipe(
      Effect.mapError(unavailable),
      Effect.flatMap((found) => Effect.mapError(decode(found), corrupt)),
    )
}
const readKept = reading(Kept)
const readLast = reading(
  Schema.Struct({ forkedAtMs: Schema.NullOr(Schema.Int), kind: Schema.NullOr(Kind), ...nullable(Kept.fields) }),
)
const readForked = reading(Schema.Struct({ id: AttestationStore.Named.fields.deviceId, atMs: Schema.Int }))
const readChanges = reading(
  Schema.Struct({
    now: Schema.Finite,
    deviceId: Schema.NullOr(AttestationStore.Named.fields.deviceId),
    commitment: Schema.NullOr(Schema.String),
    number: Schema.NullOr(Schema.Int),
    hash: Schema.NullOr(Schema.String),
  }),
)

function nullable(fields: typeof Kept.fields) {
  return {
    number: Schema.NullOr(fields.number),
    hash: Schema.NullOr(fields.hash),
    json: Schema.NullOr(fields.json),
  }
}

/** A transaction that was open for longer than this when a gateway asked is not told. */
const OVERLAP_MS = 10_000

const int8 = (value: number): string => `${value}`

const makeStore = (sql: SqlClient.SqlClient): AttestationStore.AttestationStore => {
  const columns = sql.literal(`number::float8 AS number, hash, statement AS json`)

  const keep = Effect.fnUntraced(function* (
    id: DeviceId,
    kind: AttestationStore.Kind,
    kept: AttestationStore.Statement,
  ) {
    yield* sql`INSERT INTO registry_signed_positions (device_id, kind, number, hash, statement)
      VALUES (${id}, ${kind}, ${int8(kept.number)}::text::bigint, ${kept.hash}, ${kept.json})`
    yield* sql`DELETE FROM registry_signed_positions WHERE device_id = ${id} AND kind = ${kind} AND number <= (
      SELECT number FROM registry_signed_positions WHERE device_id = ${id} AND kind = ${kind}
      ORDER BY number DESC OFFSET ${SignedPositions.KEPT_MAX}::int LIMIT 1)`
    yield* kind === "commitment"
      ? sql`UPDATE registry_attestations SET commitment = ${kept.hash}, changed_at = clock_timestamp() WHERE device_id = ${id}`
      : sql`UPDATE registry_attestations SET usage_number = ${int8(kept.number)}::text::bigint, usage_hash = ${kept.hash},
          changed_at = clock_timestamp() WHERE device_id = ${id}`
  })

  const judged = Effect.fnUntraced(
    function* (
      id: DeviceId,
      kind: AttestationStore.Kind,
      statement: AttestationStore.Statement,
      says: ReadonlyMap<number, string>,
      atMs: number,
    ) {
      yield* sql`INSERT INTO registry_attestations (device_id, changed_at) VALUES (${id}, clock_timestamp())
        ON CONFLICT (device_id) DO NOTHING`
      yield* sql`SELECT 1 FROM registry_attestations WHERE device_id = ${id} FOR UPDATE`
      const held = yield* readKept(sql`SELECT ${columns} FROM registry_signed_positions
        WHERE device_id = ${id} AND kind = ${kind} ORDER BY number DESC LIMIT ${SignedPositions.KEPT_MAX}::int`)
      const fate = SignedPositions.judge(held, statement, says)
      if (fate._tag === "New") yield* keep(id, kind, statement)
      if (fate._tag !== "Forked") return { fate, former: undefined }
      yield* sql`UPDATE registry_attestations SET forked_at_ms = COALESCE(forked_at_ms, ${int8(atMs)}::text::bigint)
        WHERE device_id = ${id}`
      return { fate, former: held.find(({ number }) => number === fate.at) }
    },
    sql.withTransaction,
    Effect.mapError((error) => (error instanceof RegistryError ? error : unavailable(error))),
  )

  return {
    take: Effect.fnUntraced(function* (id, kind, statement, says, atMs) {
      // Most beats say what is held already: then nobody waits for a lock.
      const [last] = yield* readKept(sql`SELECT ${columns} FROM registry_signed_positions
        WHERE device_id = ${id} AND kind = ${kind} ORDER BY number DESC LIMIT 1`)
      const isLast = last?.number === statement.number && last.hash === statement.hash && says.size === 1
      return isLast
        ? { fate: { _tag: "Known" } as const, former: undefined }
        : yield* judged(id, kind, statement, says, atMs)
    }),
    held: Effect.fnUntraced(function* (id) {
      const rows = yield* readLast(sql`SELECT DISTINCT ON (p.kind) a.forked_at_ms::float8 AS "forkedAtMs", p.kind,
          p.number::float8 AS number, p.hash, p.statement AS json
        FROM registry_attestations a LEFT JOIN registry_signed_positions p ON p.device_id = a.device_id
        WHERE a.device_id = ${id} ORDER BY p.kind, p.number DESC`)
      const last = new Map<AttestationStore.Kind, AttestationStore.Statement>()
      for (const { hash, json, kind, number } of rows) {
        if (kind !== null && hash !== null && json !== null && number !== null) last.set(kind, { number, hash, json })
      }
      return { last, forkedAtMs: rows[0]?.forkedAtMs ?? undefined }
    }),
    forked: (ids) =>
      Effect.map(
        readForked(sql`SELECT device_id AS id, forked_at_ms::float8 AS "atMs" FROM registry_attestations
          WHERE forked_at_ms IS NOT NULL
            AND device_id IN (SELECT jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb))`),
        (rows) => new Map(rows.map(({ atMs, id }) => [id, atMs])),
      ),
    changes: Effect.fnUntraced(function* (after) {
      const rows = yield* readChanges(sql`
        SELECT (extract(epoch FROM clock_timestamp()) * 1000)::float8 AS now, a.device_id AS "deviceId", a.commitment,
          a.usage_number::float8 AS number, a.usage_hash AS hash
        FROM (SELECT) one LEFT JOIN registry_attestations a
        ON a.changed_at > to_timestamp(${after - OVERLAP_MS}::float8 / 1000)`)
      return {
        cursor: rows[0]?.now ?? after,
        devices: rows.flatMap(({ commitment, deviceId, hash, number }): ReadonlyArray<AttestationStore.Named> =>
          deviceId === null
            ? []
            : [
                {
                  deviceId,
                  ...(commitment === null ? {} : { commitment }),
                  ...(number === null || hash === null ? {} : { usageHead: { number, hash } }),
                },
              ],
        ),
      }
    }),
  }
}

/**
 * Creates the tables where they are missing, and answers attestations over them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* RegistryTables.migrate
  return Attestations.make(makeStore(sql))
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Attestations.Attestations, RegistryError, SqlClient.SqlClient> = Layer.effect(
  Attestations.Attestations,
  make,
)
