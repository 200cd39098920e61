/**
 * Limits that processes share through PostgreSQL. An exchange reads its counters in one statement, applies the rule, and
 * writes in another what nobody else wrote meanwhile; what somebody did is read again, and behind a lock where that happens
 * often. No lock is held while this process computes, unless it met others before; nobody waits for the disk. Days and
 * months are those of UTC by the database's clock.
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

/** A counter as its row has it. A process that leases it: its name, units, busy, spent, and until when. */
const State = Schema.Struct({
  span: Schema.Literals(["minute", "day", "month", "now"]),
  used: Schema.Finite,
  startMs: Schema.Finite,
  slots: Schema.Array(Schema.Tuple([Schema.Finite, Schema.Finite])),
  shortAtMs: Schema.NullOr(Schema.Finite),
  touchedAtMs: Schema.Finite,
  leases: Schema.Array(Schema.Tuple([Schema.String, Schema.Finite, Schema.Finite, Schema.Finite, Schema.Finite])),
})
const decodeRows = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      nowMs: Schema.Finite,
      counter: Schema.NullOr(Schema.String),
      version: Schema.NullOr(Schema.Finite),
      state: Schema.NullOr(Schema.fromJsonString(State)),
      isTight: Schema.NullOr(Schema.Boolean),
    }),
  ),
)
const decodeNames = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ counter: Schema.String })))

const read = ({ leases, ...state }: typeof State.Type): LimitRule.Counter => ({
  ...state,
  leases: new Map(leases.map(([process, units, busy, spent, untilMs]) => [process, { units, busy, spent, untilMs }])),
})

const written = ({ leases, ...state }: LimitRule.Counter): string =>
  JSON.stringify({
    ...state,
    leases: [...leases].map(([process, { busy, spent, units, untilMs }]) => [process, units, busy, spent, untilMs]),
  })

interface Known {
  readonly counter: LimitRule.Counter
  readonly version: number
}

/** What was read: the counters by name, and those that somebody is short of. */
interface Page {
  readonly nowMs: number
  readonly known: ReadonlyMap<string, Known>
  readonly tight: ReadonlyMap<string, LimitRule.Counter>
}

/** After so many attempts that others came in between, the counters are locked first. */
const ATTEMPTS_FREE = 2
/** Behind a lock only a counter that is new can still be somebody else's. */
const ATTEMPTS_MAX = 10
/** At most so many tight counters are told. */
const TIGHT_MAX = 1_000
/** So many counters are forgotten in one step; the rest waits for the next. */
const SWEEP_MAX = 10_000

const makeRead = (sql: SqlClient.SqlClient) =>
  Effect.fnUntraced(function* (names: ReadonlyArray<string>) {
    const list = JSON.stringify(names)
    const rows =
      yield* sql`SELECT n.now_ms::float8 AS "nowMs", c.counter, c.version::float8 AS version, c.state, c.is_tight AS "isTight"
      FROM gateway_limits_now() AS n(now_ms) LEFT JOIN LATERAL (
        SELECT k.counter, k.version, k.state, false AS is_tight FROM gateway_limit_counters k
        WHERE k.counter = ANY(ARRAY(SELECT json_array_elements_text(${list}::text::json)))
        UNION ALL (SELECT t.counter, t.version, t.state, true FROM gateway_limit_counters t
          WHERE t.short_at_ms > n.now_ms - ${LimitRule.TIGHT_MS}::int LIMIT ${TIGHT_MAX})
      ) c ON true`
    const known = new Map<string, Known>()
    const tight = new Map<string, LimitRule.Counter>()
    let now = 0
    for (const { counter, isTight, nowMs, state, version } of yield* decodeRows(rows)) {
      now = nowMs
      if (counter === null || state === null || version === null) continue
      if (isTight === true) tight.set(counter, read(state))
      else known.set(counter, { counter: read(state), version })
    }
    return { nowMs: now, known, tight } satisfies Page
  })

/** Applies the rule to each ask. */
const decide = (
  asks: ReadonlyArray<LimitRule.Ask>,
  { known, nowMs }: Page,
  about: { readonly who: string; readonly lifeMs: number },
) =>
  asks.map((ask) => {
    const found = known.get(ask.counter)
    const { counter, grant } = LimitRule.exchange(found?.counter ?? LimitRule.empty(ask.span), ask, { ...about, nowMs })
    const change = {
      counter: ask.counter,
      version: found?.version ?? 0,
      state: written(counter),
      short_at_ms: counter.shortAtMs,
      kept_until_ms: LimitRule.keptUntilMs(counter),
    }
    return { ask, grant, change }
  })

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
    const readPage = makeRead(sql)

    /** Reads, decides and writes; answers what was granted, and what others came in between of. */
    const attempt = Effect.fnUntraced(function* (
      asks: ReadonlyArray<LimitRule.Ask>,
      about: { readonly who: string; readonly lifeMs: number },
    ) {
      const page = yield* readPage(asks.map(({ counter }) => counter))
      const decided = decide(asks, page, about)
      const changes = JSON.stringify(decided.map(({ change }) => change))
      const rows = asks.length === 0 ? [] : yield* sql`SELECT counter FROM gateway_limits_write(${changes}::text::json)`
      const done = new Set((yield* decodeNames(rows)).map(({ counter }) => counter))
      return {
        page,
        grants: decided.filter(({ ask }) => done.has(ask.counter)).map(({ grant }) => grant),
        rest: asks.filter(({ counter }) => !done.has(counter)),
      }
    })

    /** The same behind a lock. A process that stands still in between must not stop the others. */
    const locked = (asks: ReadonlyArray<LimitRule.Ask>, about: { readonly who: string; readonly lifeMs: number }) =>
      sql.withTransaction(
        Effect.gen(function* () {
          const list = JSON.stringify(asks.map(({ counter }) => counter))
          yield* sql`SET LOCAL idle_in_transaction_session_timeout = '1s'`
          yield* sql`SELECT 1 FROM gateway_limit_counters
            WHERE counter = ANY(ARRAY(SELECT json_array_elements_text(${list}::text::json)))
            ORDER BY counter FOR UPDATE`
          return yield* attempt(asks, about)
        }),
      )

    return LimitStore.of({
      exchange: Effect.fnUntraced(function* ({ asks, lifeMs, process }) {
        const about = { who: process, lifeMs }
        const first = yield* attempt(asks, about)
        const grants = [...first.grants]
        let rest = first.rest
        for (let attempts = 1; rest.length > 0; attempts++) {
          if (attempts >= ATTEMPTS_MAX) return yield* unavailable("Others always came in between.")
          const next = yield* attempts < ATTEMPTS_FREE ? attempt(rest, about) : locked(rest, about)
          grants.push(...next.grants)
          rest = next.rest
        }
        const tight = [...first.page.tight].filter(([, { leases }]) => (leases.get(process)?.units ?? 0) > 0)
        return { grants, tight: tight.map(([name]) => name) }
      }, Effect.mapError(unavailable)),
      usage: Effect.fnUntraced(function* (counters) {
        const { known, nowMs } = yield* readPage(counters.map(({ counter }) => counter))
        return counters.map(({ counter, span }) =>
          LimitRule.usage(known.get(counter)?.counter ?? LimitRule.empty(span), counter, nowMs),
        )
      }, Effect.mapError(unavailable)),
      sweep: sql`DELETE FROM gateway_limit_counters WHERE counter IN (
          SELECT c.counter FROM gateway_limit_counters c WHERE c.kept_until_ms <= gateway_limits_now()
          LIMIT ${SWEEP_MAX} FOR UPDATE SKIP LOCKED) RETURNING 1`.pipe(
        Effect.map((rows) => rows.length),
        Effect.mapError(unavailable),
      ),
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
