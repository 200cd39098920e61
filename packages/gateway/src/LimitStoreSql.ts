/**
 * Limits that processes share through PostgreSQL. An exchange about many counters is one round trip, and nobody waits for
 * the disk in it; days and months are those of UTC by the database's clock.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import * as LimitTables from "./internal/LimitTables.ts"
import * as LimitRule from "./LimitRule.ts"
import { LimitStore, LimitStoreError } from "./LimitStore.ts"

const unavailable = (cause: unknown) => new LimitStoreError({ cause })

const Grant = Schema.Tuple([
  Schema.String,
  Schema.Finite,
  Schema.Finite,
  Schema.Finite,
  Schema.Finite,
  Schema.Boolean,
  Schema.NullOr(Schema.Finite),
  Schema.NullOr(Schema.Finite),
])
const decodeExchange = Schema.decodeUnknownEffect(
  Schema.Tuple([Schema.Struct({ exchanged: Schema.Tuple([Schema.Array(Grant), Schema.Array(Schema.String)]) })]),
)
const decodeUsage = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      counter: Schema.String,
      used: Schema.Finite,
      busy: Schema.Finite,
      resetInMs: Schema.NullOr(Schema.Finite),
    }),
  ),
)

/** So many counters are forgotten in one step; the rest waits for the next. */
const SWEEP_MAX = 10_000

/**
 * Creates what is missing in the database, and answers the store over it.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<LimitStore["Service"], LimitStoreError, SqlClient.SqlClient> = Effect.gen(
  function* () {
    const sql = yield* SqlClient.SqlClient
    yield* Effect.mapError(LimitTables.migrate, unavailable)

    return LimitStore.of({
      exchange: Effect.fnUntraced(function* ({ asks, lifeMs, process }) {
        const rows = yield* sql`SELECT gateway_limits_exchange(${process}, ${lifeMs}::int,
          ${JSON.stringify(asks)}::text::jsonb) AS exchanged`
        const [{ exchanged }] = yield* decodeExchange(rows)
        const grants = exchanged[0].map(
          ([counter, lease, used, busy, lent, isTight, freeInMs, resetInMs]): LimitRule.Grant => ({
            counter,
            lease,
            used,
            busy,
            lent,
            isTight,
            freeInMs,
            resetInMs,
          }),
        )
        return { grants, tight: exchanged[1] }
      }, Effect.mapError(unavailable)),
      usage: Effect.fnUntraced(function* (counters) {
        const names = JSON.stringify(counters.map(({ counter }) => counter))
        const rows = yield* sql`SELECT counter, used::float8, busy::float8, reset_in::float8 AS "resetInMs"
          FROM gateway_limits_usage(ARRAY(SELECT jsonb_array_elements_text(${names}::text::jsonb)))`
        const found = new Map((yield* decodeUsage(rows)).map((usage) => [usage.counter, usage]))
        return counters.map(
          ({ counter, span }) => found.get(counter) ?? LimitRule.usage(LimitRule.empty(span), counter, 0),
        )
      }, Effect.mapError(unavailable)),
      sweep: Effect.gen(function* () {
        yield* sql`DELETE FROM gateway_limit_leases WHERE until_ms <= gateway_limits_now() - ${LimitRule.FORGET_MS}::int`
        const rows = yield* sql`DELETE FROM gateway_limit_counters WHERE counter IN (
          SELECT c.counter FROM gateway_limit_counters c WHERE c.touched_at_ms <= gateway_limits_now() - CASE c.span
            WHEN 'now' THEN 0 WHEN 'minute' THEN 120000 WHEN 'day' THEN 2 * 86400000 ELSE 62 * 86400000::bigint END
          AND NOT EXISTS (SELECT FROM gateway_limit_leases l WHERE l.counter = c.counter)
          LIMIT ${SWEEP_MAX} FOR UPDATE SKIP LOCKED) RETURNING 1`
        return rows.length
      }).pipe(Effect.mapError(unavailable)),
    })
  },
)

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<LimitStore, LimitStoreError, SqlClient.SqlClient> = Layer.effect(LimitStore, make)
