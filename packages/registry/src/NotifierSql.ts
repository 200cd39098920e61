/**
 * Warnings in PostgreSQL. A beat costs one look into an index while nothing waits for its member.
 *
 * @since 0.1.0
 */
import * as Clock from "effect/Clock"
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { MemberId } from "@guildhall/core/Member"
import * as RegistryTables from "./internal/RegistryTables.ts"
import { corrupt, unavailable } from "./internal/Unavailable.ts"
import * as Notifier from "./Notifier.ts"
import type { RegistryError } from "./RegistryError.ts"

const { deadlineMs: _deadlineMs, delivery: _delivery, ...plain } = Notifier.Warning.fields
const Row = Schema.Struct({
  ...plain,
  deadlineMs: Schema.NullOr(Schema.Int),
  deliveredAtMs: Schema.NullOr(Schema.Int),
  deliveredBy: Schema.NullOr(Schema.String),
})
const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))
const decodeOutgoing = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ ...Row.fields, address: Schema.String, tries: Schema.Int })),
)
const isWay = Schema.is(Notifier.Warning.fields.waysLeft)

const warningOf = ({ deadlineMs, deliveredAtMs, deliveredBy, ...warning }: typeof Row.Type): Notifier.Warning => {
  const ways = [deliveredBy]
  const [way] = isWay(ways) ? ways : []
  return {
    ...warning,
    ...(deadlineMs === null ? {} : { deadlineMs }),
    delivery: deliveredAtMs === null || way === undefined ? null : { atMs: deliveredAtMs, way },
  }
}

const COLUMNS = `w.id, w.key, w.member_id AS "memberId", w.topic, w.code, w.subject, w.detail, w.at_ms::float8 AS "atMs",
  w.deadline_ms::float8 AS "deadlineMs", w.delivered_at_ms::float8 AS "deliveredAtMs", w.delivered_by AS "deliveredBy",
  COALESCE((SELECT json_agg(s.way ORDER BY s.way DESC) FROM registry_warning_sends s WHERE s.warning_id = w.id), '[]') AS "waysLeft"`

const makeReads = (sql: SqlClient.SqlClient) => {
  const columns = sql.literal(COLUMNS)
  const read = (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
    rows.pipe(
      Effect.mapError(unavailable),
      Effect.flatMap((found) => Effect.mapError(decodeRows(found), corrupt)),
      Effect.map((found) => found.map(warningOf)),
    )
  const find = Effect.fn("Notifier.find")(function* (key: string) {
    const [found] = yield* read(sql`SELECT ${columns} FROM registry_warnings w WHERE w.key = ${key}`)
    return found
  })
  const list = Effect.fn("Notifier.list")((memberId: MemberId) =>
    read(sql`SELECT ${columns} FROM registry_warnings w WHERE w.member_id = ${memberId}
      ORDER BY w.number DESC LIMIT ${Notifier.LISTED_MAX}`),
  )
  return { columns, find, list, read }
}

type Reads = ReturnType<typeof makeReads>

/** Runs in one transaction; what its store says is what the registry says. */
const atomically = <A, E extends RegistryError | SqlError>(sql: SqlClient.SqlClient, effect: Effect.Effect<A, E>) =>
  Effect.mapError(sql.withTransaction(effect), (error): RegistryError =>
    error._tag === "RegistryError" ? error : unavailable(error),
  )

const makeWarn = (sql: SqlClient.SqlClient, { find }: Reads): Notifier.Notifier["Service"]["warn"] =>
  Effect.fn("Notifier.warn")(function* (warning) {
    const known = yield* find(warning.key)
    if (known !== undefined) return known
    const { code, deadlineMs, detail, key, memberId, subject, topic } = warning
    const [id, atMs] = [yield* Notifier.newId, yield* Clock.currentTimeMillis]
    const write = Effect.gen(function* () {
      // One row of the member is locked: its warnings are counted one after another.
      yield* sql`INSERT INTO registry_warning_addresses (member_id) VALUES (${memberId}) ON CONFLICT DO NOTHING`
      yield* sql`SELECT FROM registry_warning_addresses WHERE member_id = ${memberId} FOR UPDATE`
      const added =
        yield* sql`INSERT INTO registry_warnings (id, key, member_id, topic, code, subject, detail, at_ms, deadline_ms)
        VALUES (${id}, ${key}, ${memberId}, ${topic}, ${code}, ${subject}, ${detail}, ${atMs}::float8::bigint,
          ${deadlineMs ?? null}::float8::bigint)
        ON CONFLICT (key) DO NOTHING RETURNING id`
      if (added.length === 0) return
      yield* sql`INSERT INTO registry_warning_sends (warning_id, way, tries, due_at_ms)
        SELECT ${id}, s.way, 0, ${atMs}::float8::bigint FROM registry_warning_addresses a
        CROSS JOIN LATERAL (VALUES ('webhook', a.webhook_url), ('email', a.email)) AS s(way, address)
        WHERE a.member_id = ${memberId} AND s.address IS NOT NULL`
      // Whoever makes noise, by instances that come and go, gets rid of no warning of a penalty by it.
      yield* sql`WITH over AS (
          UPDATE registry_warnings SET is_off = true WHERE id IN (
            SELECT id FROM registry_warnings WHERE member_id = ${memberId} AND NOT is_off AND delivered_at_ms IS NULL
            ORDER BY topic = 'penalty' DESC, number DESC OFFSET ${Notifier.WAITING_MAX})
          RETURNING id
        ), unsent AS (
          DELETE FROM registry_warning_sends WHERE warning_id IN (SELECT id FROM over)
        )
        DELETE FROM registry_warning_offers WHERE warning_id IN (SELECT id FROM over)`
      yield* sql`DELETE FROM registry_warnings WHERE id IN (
        SELECT id FROM registry_warnings WHERE member_id = ${memberId}
        ORDER BY topic = 'penalty' DESC, number DESC OFFSET ${Notifier.KEPT_MAX})`
    })
    yield* atomically(sql, write)
    const kept = yield* find(key)
    return kept ?? { ...warning, id, atMs, delivery: null, waysLeft: [] }
  })

const makeBeat = (sql: SqlClient.SqlClient, { columns, read }: Reads): Notifier.Notifier["Service"]["beat"] =>
  Effect.fn("Notifier.beat")(function* ({ device, given, next }) {
    const waiting = read(sql`SELECT ${columns} FROM registry_warnings w
      WHERE w.member_id = (SELECT member_id FROM registry_devices WHERE id = ${device}) AND NOT w.is_off
      ORDER BY w.number LIMIT ${Notifier.RIDING_MAX}`)
    if ((yield* waiting).length === 0) return []
    const atMs = yield* Clock.currentTimeMillis
    const ride = Effect.gen(function* () {
      if (given !== undefined) {
        yield* sql`WITH heard AS (
            UPDATE registry_warnings w SET is_off = true,
              delivered_at_ms = COALESCE(w.delivered_at_ms, ${atMs}::float8::bigint), delivered_by = COALESCE(w.delivered_by, 'beat')
            FROM registry_warning_offers o
            WHERE o.warning_id = w.id AND o.device_id = ${device} AND o.nonce = ${given} AND NOT w.is_off
            RETURNING w.id
          )
          DELETE FROM registry_warning_offers WHERE warning_id IN (SELECT id FROM heard)`
      }
      const riding = yield* waiting
      if (riding.length === 0) return riding
      yield* sql`INSERT INTO registry_warning_offers (warning_id, device_id, nonce)
        SELECT r.id, ${device}, ${next} FROM json_array_elements_text(${JSON.stringify(riding.map(({ id }) => id))}::text::json) AS r(id)
        ON CONFLICT (warning_id, device_id) DO UPDATE SET nonce = excluded.nonce`
      return riding
    })
    return yield* atomically(sql, ride)
  })

const makeOutgoing = (sql: SqlClient.SqlClient, { columns }: Reads): Notifier.Notifier["Service"]["outgoing"] => ({
  take: Effect.fn("Notifier.outgoing.take")(function* ({ leaseMs, most, way }) {
    const nowMs = yield* Clock.currentTimeMillis
    // The members in turn, so that one with much to hear keeps nobody else waiting.
    const rows = sql`WITH waiting AS (
        SELECT s.warning_id, row_number() OVER (PARTITION BY w.member_id ORDER BY s.due_at_ms, w.number) AS turn
        FROM registry_warning_sends s JOIN registry_warnings w ON w.id = s.warning_id
        WHERE s.way = ${way} AND s.due_at_ms <= ${nowMs}::float8
      ), due AS (
        SELECT s.warning_id FROM registry_warning_sends s JOIN waiting t ON t.warning_id = s.warning_id
        WHERE s.way = ${way} AND s.due_at_ms <= ${nowMs}::float8
        ORDER BY t.turn, s.due_at_ms LIMIT ${most} FOR UPDATE OF s SKIP LOCKED
      ), taken AS (
        UPDATE registry_warning_sends s SET due_at_ms = ${nowMs + leaseMs}::float8::bigint
        FROM due WHERE s.warning_id = due.warning_id AND s.way = ${way} RETURNING s.warning_id, s.tries
      )
      SELECT ${columns}, t.tries, CASE ${way}::text WHEN 'webhook' THEN a.webhook_url ELSE a.email END AS address
      FROM taken t JOIN registry_warnings w ON w.id = t.warning_id JOIN registry_warning_addresses a ON a.member_id = w.member_id
      WHERE CASE ${way}::text WHEN 'webhook' THEN a.webhook_url ELSE a.email END IS NOT NULL
      ORDER BY w.number`
    const found = yield* Effect.mapError(decodeOutgoing(yield* Effect.mapError(rows, unavailable)), corrupt)
    return found.map(({ address, tries, ...row }) => ({ warning: warningOf(row), address, tries }))
  }),
  sent: Effect.fn("Notifier.outgoing.sent")(function* (id, way) {
    const atMs = yield* Clock.currentTimeMillis
    yield* Effect.mapError(
      sql`WITH done AS (
          DELETE FROM registry_warning_sends WHERE warning_id = ${id} AND way = ${way} RETURNING warning_id
        )
        UPDATE registry_warnings SET delivered_at_ms = ${atMs}::float8::bigint, delivered_by = ${way}
        WHERE id IN (SELECT warning_id FROM done) AND delivered_at_ms IS NULL`,
      unavailable,
    )
  }),
  failed: Effect.fn("Notifier.outgoing.failed")(function* (id, way, nextMs) {
    const nowMs = yield* Clock.currentTimeMillis
    yield* Effect.mapError(
      nextMs === undefined
        ? sql`DELETE FROM registry_warning_sends WHERE warning_id = ${id} AND way = ${way}`
        : sql`UPDATE registry_warning_sends SET tries = tries + 1, due_at_ms = ${nowMs + nextMs}::float8::bigint
            WHERE warning_id = ${id} AND way = ${way}`,
      unavailable,
    )
  }),
})

const makeAddresses = (sql: SqlClient.SqlClient): Notifier.Notifier["Service"]["addresses"] => ({
  get: Effect.fn("Notifier.addresses.get")(function* (memberId) {
    const [found] = yield* Effect.mapError(
      sql<Notifier.Addresses>`SELECT webhook_url AS "webhookUrl", email FROM registry_warning_addresses WHERE member_id = ${memberId}`,
      unavailable,
    )
    return found ?? Notifier.NO_ADDRESSES
  }),
  set: Effect.fn("Notifier.addresses.set")(function* (memberId, { email, webhookUrl }) {
    const [found] = yield* Effect.mapError(
      sql<Notifier.Addresses>`INSERT INTO registry_warning_addresses AS a (member_id, webhook_url, email)
        VALUES (${memberId}, ${webhookUrl ?? null}::text, ${email ?? null}::text)
        ON CONFLICT (member_id) DO UPDATE SET
          webhook_url = ${webhookUrl === undefined ? sql`a.webhook_url` : sql`excluded.webhook_url`},
          email = ${email === undefined ? sql`a.email` : sql`excluded.email`}
        RETURNING webhook_url AS "webhookUrl", email`,
      unavailable,
    )
    return found ?? Notifier.NO_ADDRESSES
  }),
})

/**
 * Creates the tables that are missing, and keeps warnings in them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* RegistryTables.migrate
  const reads = makeReads(sql)
  return Notifier.Notifier.of({
    warn: makeWarn(sql, reads),
    find: reads.find,
    list: reads.list,
    beat: makeBeat(sql, reads),
    outgoing: makeOutgoing(sql, reads),
    addresses: makeAddresses(sql),
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Notifier.Notifier, RegistryError, SqlClient.SqlClient> = Layer.effect(
  Notifier.Notifier,
  make,
)
