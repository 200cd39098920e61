/**
 * Pairings in PostgreSQL. Whoever changes one holds a lock of the database, so that tries are counted one after the other in
 * whatever process they come in. Of a code only its keyed hash is stored.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import * as SqlClient from "effect/sql/SqlClient"
import { isSqlError } from "effect/sql/SqlError"
import type { SqlError } from "effect/sql/SqlError"
import type { Devices } from "./Devices.ts"
import * as RegistryTables from "./internal/RegistryTables.ts"
import { corrupt, unavailable } from "./internal/Unavailable.ts"
import * as Pairing from "./Pairing.ts"
import { Asking, PairingRow, type PairingStore } from "./PairingStore.ts"
import type { RegistryError } from "./RegistryError.ts"

/** The name of the lock: any number that nothing else uses. */
const LOCK = 7_201_114_906

const COLUMNS = `id, member_id AS "memberId", code_hash AS "codeHash", made_from AS "madeFrom", state,
  wrong_tries AS "wrongTries", device_id AS "deviceId", asked_from AS "askedFrom", device,
  ends_at_ms::float8 AS "endsAtMs", changed_at_ms::float8 AS "changedAtMs"`
const LIVE = "state IN ('open', 'waiting')"

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(PairingRow))
const decodeCounts = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ all: Schema.Int, ofMember: Schema.Int, waitingFrom: Schema.Int })),
)
const decodeTries = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ all: Schema.Int, from: Schema.Int })))
const encodeAsking = Schema.encodeSync(Asking)

const reading =
  <A>(decode: (rows: unknown) => Effect.Effect<ReadonlyArray<A>, Schema.SchemaError>) =>
  (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>): Effect.Effect<ReadonlyArray<A>, RegistryError> =>
    rows.pipe(
      Effect.mapError(unavailable),
      Effect.flatMap((found) => Effect.mapError(decode(found), corrupt)),
    )
const readRows = reading(decodeRows)
const readCounts = reading(decodeCounts)
const readTries = reading(decodeTries)

const int8 = (value: number): string => `${value}`

const makeReads = (sql: SqlClient.SqlClient) => {
  const columns = sql.literal(COLUMNS)
  const live = (nowMs: number) => sql`${sql.literal(LIVE)} AND ends_at_ms > ${int8(nowMs)}::text::bigint`
  const first = (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>) => Effect.map(readRows(rows), ([row]) => row)
  return {
    byId: (id) => first(sql`SELECT ${columns} FROM registry_pairings WHERE id = ${id}`),
    byCode: (codeHash, nowMs) =>
      first(sql`SELECT ${columns} FROM registry_pairings
        WHERE code_hash = ${codeHash} AND state = 'open' AND ${live(nowMs)}`),
    byDevice: (id) =>
      first(sql`SELECT ${columns} FROM registry_pairings WHERE device_id = ${id}
        ORDER BY changed_at_ms DESC, state = 'waiting' DESC LIMIT 1`),
    isHome: (network, nowMs) =>
      sql`SELECT 1 FROM registry_pairings WHERE made_from = ${network} AND state = 'open' AND ${live(nowMs)} LIMIT 1`.pipe(
        Effect.mapError(unavailable),
        Effect.map((rows) => rows.length > 0),
      ),
    count: ({ memberId, network }, nowMs) =>
      Effect.map(
        readCounts(sql`SELECT count(*)::float8 AS "all",
            (count(*) FILTER (WHERE member_id = ${memberId}))::float8 AS "ofMember",
            (count(*) FILTER (WHERE asked_from = ${network}))::float8 AS "waitingFrom"
          FROM registry_pairings WHERE ${live(nowMs)}`),
        ([counts]) => counts ?? { all: 0, ofMember: 0, waitingFrom: 0 },
      ),
    tries: (network, sinceMs) =>
      Effect.map(
        readTries(sql`SELECT count(*)::float8 AS "all", (count(*) FILTER (WHERE network = ${network}))::float8 AS "from"
          FROM registry_pairing_tries WHERE at_ms > ${int8(sinceMs)}::text::bigint`),
        ([tries]) => tries ?? { all: 0, from: 0 },
      ),
    waiting: (memberId, nowMs) =>
      readRows(sql`SELECT ${columns} FROM registry_pairings WHERE member_id = ${memberId} AND state = 'waiting'
        AND ${live(nowMs)} ORDER BY changed_at_ms, id`),
  } satisfies Partial<PairingStore>
}

const makeWrites = (sql: SqlClient.SqlClient) =>
  ({
    put: (row) => {
      const device = row.device === null ? null : JSON.stringify(encodeAsking(row.device))
      return sql`INSERT INTO registry_pairings (id, member_id, code_hash, made_from, state, wrong_tries, device_id,
          asked_from, device, ends_at_ms, changed_at_ms)
        VALUES (${row.id}, ${row.memberId}, ${row.codeHash}, ${row.madeFrom}, ${row.state}, ${row.wrongTries}::int,
          ${row.deviceId}, ${row.askedFrom}, ${device}::text::jsonb, ${int8(row.endsAtMs)}::text::bigint,
          ${int8(row.changedAtMs)}::text::bigint)
        ON CONFLICT (id) DO UPDATE SET state = excluded.state, wrong_tries = excluded.wrong_tries,
          device_id = excluded.device_id, asked_from = excluded.asked_from, device = excluded.device,
          ends_at_ms = excluded.ends_at_ms, changed_at_ms = excluded.changed_at_ms`.pipe(
        Effect.mapError(unavailable),
        Effect.asVoid,
      )
    },
    addTry: (network, atMs) =>
      sql`INSERT INTO registry_pairing_tries (network, at_ms) VALUES (${network}, ${int8(atMs)}::text::bigint)`.pipe(
        Effect.mapError(unavailable),
        Effect.asVoid,
      ),
    forget: ({ pairingsMs, triesMs }) =>
      Effect.mapError(
        Effect.andThen(
          sql`DELETE FROM registry_pairing_tries WHERE at_ms <= ${int8(triesMs)}::text::bigint`,
          Effect.asVoid(sql`DELETE FROM registry_pairings WHERE ends_at_ms <= ${int8(pairingsMs)}::text::bigint`),
        ),
        unavailable,
      ),
  }) satisfies Partial<PairingStore>

const makeStore = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  // Of those in this process one waits for the database's lock, and the others hold no connection meanwhile.
  const turn = yield* Semaphore.make(1)
  const store: PairingStore = {
    ...makeReads(sql),
    ...makeWrites(sql),
    alone: <A, E, R>(effect: Effect.Effect<A, E, R>) =>
      Effect.andThen(sql`SELECT pg_advisory_xact_lock(${int8(LOCK)}::text::bigint)`, effect).pipe(
        sql.withTransaction,
        Effect.mapError((error) => (isSqlError(error) ? unavailable(error) : error)),
        turn.withPermit,
      ),
  }
  return store
})

/**
 * Creates the tables that are missing, and pairs over them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Pairing.Options) {
  yield* RegistryTables.migrate
  return yield* Pairing.make(yield* makeStore, options)
})

/**
 * {@link make} as a layer. The devices must be in the same database, for both change together.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: Pairing.Options,
): Layer.Layer<Pairing.Pairing, RegistryError, Devices | SqlClient.SqlClient> =>
  Layer.effect(Pairing.Pairing, make(options))
