/**
 * The health of instances in PostgreSQL: one row for each instance and day, to which all gateways add. An addition is one
 * statement, so it counts wholly or not at all; the number that each gateway told last is written with it, so it counts once.
 * Rows of one day are locked in their order, so additions never lock each other out.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { InstanceId } from "@guildhall/core/Instance"
import * as HealthRecord from "./HealthRecord.ts"
import * as RegistryTables from "./internal/RegistryTables.ts"
import { corrupt, unavailable } from "./internal/Unavailable.ts"
import type { RegistryError } from "./RegistryError.ts"

const isDay = Schema.is(
  Schema.Struct({
    instanceId: InstanceId,
    day: Schema.Int,
    succeeded: Schema.Finite,
    failed: Schema.Finite,
    neutral: Schema.Finite,
  }),
)
const isLeftAlone = Schema.is(
  Schema.Struct({
    instanceId: InstanceId,
    why: Schema.Literals(["parked", "ejected"]),
    ejections: Schema.Int,
    forMs: Schema.Finite.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: HealthRecord.LEFT_ALONE_MAX_MS }))),
  }),
)
const decodeSeen = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({ instanceId: InstanceId, day: Schema.Int, online: Schema.Finite, offline: Schema.Finite }),
  ),
)
const Rows = Schema.Array(Schema.Unknown)
const decode = Schema.decodeUnknownEffect(
  Schema.Tuple([Schema.Struct({ mark: Schema.String, today: Schema.Int, days: Rows, leftAlone: Rows })]),
)

/** The number of a gateway that has not told anything for so many days is forgotten. */
const GATEWAY_DAYS = 30

const outcomesOf = ({ outcomes, sightings }: HealthRecord.Addition["told"]): string =>
  JSON.stringify([
    ...outcomes.map(({ counts, day, instanceId }) => ({ instance_id: instanceId, day, ...counts })),
    ...sightings.map(({ counts, day, fromMs, instanceId, toMs }) => ({
      instance_id: instanceId,
      day,
      online: counts.succeeded,
      offline: counts.failed,
      unclear: counts.neutral,
      seen_from_ms: fromMs,
      seen_to_ms: toMs,
    })),
  ])

const leftAloneOf = ({ leftAlone }: HealthRecord.Addition["told"]): string =>
  JSON.stringify(
    leftAlone.map(({ ejections, forMs, instanceId, why }) => ({
      instance_id: instanceId,
      why,
      ejections,
      for_ms: forMs,
    })),
  )

/**
 * Creates the tables where they are missing, and keeps the record in them. Times are the database's.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: HealthRecord.Options = {}) {
  const sql = yield* SqlClient.SqlClient
  const keptDays = options.days ?? HealthRecord.DAYS
  const most = sql.literal(`${HealthRecord.COUNT_MAX}`)
  const now = sql.literal("floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint")
  const today = sql.literal("floor(extract(epoch FROM clock_timestamp()) / 86400)::int")
  yield* RegistryTables.migrate

  const add = Effect.fn("HealthRecord.add")(function* ({ gateway, number, told }: HealthRecord.Addition) {
    const sound = HealthRecord.sound(told)
    const [outcomes, leftAlone] = [outcomesOf(sound), leftAloneOf(sound)]
    yield* Effect.mapError(
      sql`WITH fresh AS (
          INSERT INTO registry_health_additions AS a (gateway, number, added_at)
          VALUES (${gateway}, ${number}::float8::bigint, clock_timestamp())
          ON CONFLICT (gateway) DO UPDATE SET number = excluded.number, added_at = excluded.added_at
          WHERE a.number < excluded.number RETURNING 1
        ), told AS (
          SELECT LEAST(t.day, ${today}) AS day, t.instance_id,
            LEAST(COALESCE(sum(t.succeeded), 0), ${most})::bigint AS succeeded, LEAST(COALESCE(sum(t.failed), 0), ${most})::bigint AS failed,
            LEAST(COALESCE(sum(t.neutral), 0), ${most})::bigint AS neutral, LEAST(COALESCE(sum(t.online), 0), ${most})::bigint AS online,
            LEAST(COALESCE(sum(t.offline), 0), ${most})::bigint AS offline, LEAST(COALESCE(sum(t.unclear), 0), ${most})::bigint AS unclear,
            LEAST(COALESCE(min(t.seen_from_ms), 0), ${now}) AS seen_from_ms, LEAST(COALESCE(max(t.seen_to_ms), 0), ${now}) AS seen_to_ms
          FROM json_to_recordset(${outcomes}::text::json) AS t(instance_id text, day bigint, succeeded bigint,
            failed bigint, neutral bigint, online bigint, offline bigint, unclear bigint, seen_from_ms bigint, seen_to_ms bigint)
          WHERE t.day > ${today} - ${keptDays}::int AND EXISTS (SELECT FROM fresh)
          GROUP BY 1, 2
        ), counted AS (
          INSERT INTO registry_health AS h (day, instance_id, succeeded, failed, neutral, online, offline, unclear,
            seen_from_ms, seen_to_ms, change)
          SELECT day::int, instance_id, succeeded, failed, neutral, online, offline, unclear, seen_from_ms, seen_to_ms,
            pg_current_xact_id()
          FROM told ORDER BY day, instance_id
          ON CONFLICT (day, instance_id) DO UPDATE SET
            succeeded = LEAST(h.succeeded + excluded.succeeded, ${most}),
            failed = LEAST(h.failed + excluded.failed, ${most}),
            neutral = LEAST(h.neutral + excluded.neutral, ${most}),
            online = CASE WHEN excluded.seen_from_ms > h.seen_to_ms THEN LEAST(h.online + excluded.online, ${most}) ELSE h.online END,
            offline = CASE WHEN excluded.seen_from_ms > h.seen_to_ms THEN LEAST(h.offline + excluded.offline, ${most}) ELSE h.offline END,
            unclear = CASE WHEN excluded.seen_from_ms > h.seen_to_ms THEN LEAST(h.unclear + excluded.unclear, ${most}) ELSE h.unclear END,
            seen_from_ms = CASE WHEN excluded.seen_from_ms > h.seen_to_ms THEN excluded.seen_from_ms ELSE h.seen_from_ms END,
            seen_to_ms = CASE WHEN excluded.seen_from_ms > h.seen_to_ms THEN excluded.seen_to_ms ELSE h.seen_to_ms END,
            change = excluded.change
          WHERE excluded.seen_from_ms > h.seen_to_ms OR excluded.succeeded + excluded.failed + excluded.neutral > 0
        ), alone AS (
          INSERT INTO registry_left_alone AS l (instance_id, why, ejections, until_at, change)
          SELECT DISTINCT ON (t.instance_id) t.instance_id, t.why, t.ejections,
            clock_timestamp() + t.for_ms * interval '1 ms', pg_current_xact_id()
          FROM json_to_recordset(${leftAlone}::text::json) AS t(instance_id text, why text, ejections int, for_ms float8)
          WHERE t.for_ms > 0 AND EXISTS (SELECT FROM fresh) ORDER BY t.instance_id, t.for_ms DESC
          ON CONFLICT (instance_id) DO UPDATE SET why = excluded.why, ejections = excluded.ejections,
            until_at = excluded.until_at, change = excluded.change
          WHERE l.until_at < excluded.until_at
        ), over AS (
          DELETE FROM registry_health WHERE day <= ${today} - ${keptDays}::int
        ), silent AS (
          DELETE FROM registry_health_additions
          WHERE added_at < clock_timestamp() - ${GATEWAY_DAYS}::int * interval '1 day' AND gateway <> ${gateway}
        )
        DELETE FROM registry_left_alone WHERE instance_id IN (
          SELECT l.instance_id FROM registry_left_alone l WHERE l.until_at < clock_timestamp() - interval '1 minute'
            AND l.instance_id NOT IN (SELECT t.instance_id FROM json_to_recordset(${leftAlone}::text::json) AS t(instance_id text))
          FOR UPDATE SKIP LOCKED)`,
      unavailable,
    )
  })

  const changes = Effect.fn("HealthRecord.changes")(function* (since: string | undefined) {
    // What a transaction wrote that was still under way when the mark was made is at or above it. A database that was restored
    // may have begun to number anew: then everything is heard again.
    const rows = yield* Effect.mapError(
      sql`WITH marks AS (
          SELECT m.mark, CASE WHEN m.since > m.mark THEN '0'::xid8 ELSE m.since END AS since
          FROM (SELECT pg_snapshot_xmin(pg_current_snapshot()) AS mark, ${since ?? "0"}::text::xid8 AS since) m
        )
        SELECT m.mark::text AS mark, ${today} AS today,
          COALESCE((SELECT json_agg(json_build_object('instanceId', h.instance_id, 'day', h.day,
            'succeeded', h.succeeded + h.online, 'failed', h.failed + h.offline, 'neutral', h.neutral + h.unclear))
            FROM registry_health h
            WHERE h.change >= m.since AND h.day > ${today} - ${keptDays}::int AND h.day <= ${today}), '[]') AS days,
          COALESCE((SELECT json_agg(json_build_object('instanceId', l.instance_id, 'why', l.why, 'ejections', l.ejections,
            'forMs', ceil(extract(epoch FROM l.until_at - clock_timestamp()) * 1000)))
            FROM registry_left_alone l WHERE l.change >= m.since AND l.until_at > clock_timestamp() AND isfinite(l.until_at)), '[]') AS "leftAlone"
        FROM marks m`,
      unavailable,
    )
    const [read] = yield* Effect.mapError(decode(rows), corrupt)
    const days = read.days.filter(isDay).map(({ day, instanceId, ...counts }) => ({ instanceId, day, counts }))
    const leftAlone = read.leftAlone.filter(isLeftAlone)
    const unread = read.days.length - days.length + read.leftAlone.length - leftAlone.length
    if (unread > 0) {
      yield* Effect.logWarning(
        `${unread} row(s) of registry_health and registry_left_alone cannot be, and are passed over. Delete what was written by hand.`,
      )
    }
    return { mark: read.mark, today: read.today, days, leftAlone }
  })

  const seen = Effect.fn("HealthRecord.seen")(function* (instances: ReadonlyArray<InstanceId> | null, fromDay: number) {
    const some = sql`instance_id IN (SELECT json_array_elements_text(${JSON.stringify(instances ?? [])}::text::json))`
    const rows = yield* Effect.mapError(
      sql`SELECT instance_id AS "instanceId", day, online::float8 AS online, offline::float8 AS offline
        FROM registry_health
        WHERE day >= ${fromDay}::float8 AND day > ${today} - ${keptDays}::int AND day <= ${today} AND seen_to_ms > 0
          AND ${instances === null ? sql`true` : some}`,
      unavailable,
    )
    return yield* Effect.mapError(decodeSeen(rows), corrupt)
  })
  return HealthRecord.HealthRecord.of({ add, changes, seen })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  options: HealthRecord.Options = {},
): Layer.Layer<HealthRecord.HealthRecord, RegistryError, SqlClient.SqlClient> =>
  Layer.effect(HealthRecord.HealthRecord, make(options))
