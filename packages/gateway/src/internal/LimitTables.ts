import * as Effect from "effect/Effect"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import { SLOT_MS, SLOTS, TIGHT_MS } from "../LimitRule.ts"

const createTables = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
  // Counters change with every exchange: room on the page keeps the change in place (HOT) and the indexes untouched.
  yield* sql`CREATE TABLE gateway_limit_counters (
    counter text COLLATE "C" PRIMARY KEY,
    span text NOT NULL,
    used bigint NOT NULL,
    period bigint NOT NULL,
    slots bigint[] NOT NULL,
    short_at_ms bigint,
    touched_at_ms bigint NOT NULL
  ) WITH (fillfactor = 50)`
  yield* sql`CREATE TABLE gateway_limit_leases (
    counter text COLLATE "C" NOT NULL,
    process text COLLATE "C" NOT NULL,
    units bigint NOT NULL,
    busy bigint NOT NULL,
    spent bigint NOT NULL,
    until_ms bigint NOT NULL,
    PRIMARY KEY (counter, process)
  ) WITH (fillfactor = 50)`
  yield* sql`CREATE INDEX gateway_limit_counters_short ON gateway_limit_counters (short_at_ms)
    WHERE short_at_ms IS NOT NULL`
})

/** The store's clock, in one place. */
const createClock = (sql: SqlClient.SqlClient) => sql`
  CREATE FUNCTION gateway_limits_now() RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT floor(extract(epoch FROM clock_timestamp()) * 1000)::bigint
  $$`

/** When the day or month of a time begins, and the number of a minute's slot. */
const createPeriod = (sql: SqlClient.SqlClient) =>
  sql.unsafe(`
  CREATE FUNCTION gateway_limits_period(span text, at_ms bigint, ahead int) RETURNS bigint
  LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE span
      WHEN 'minute' THEN at_ms / ${SLOT_MS}
      WHEN 'day' THEN (at_ms / 86400000 + ahead) * 86400000
      WHEN 'month' THEN (extract(epoch FROM (
        date_trunc('month', to_timestamp(at_ms / 1000) AT TIME ZONE 'UTC') + make_interval(months => ahead)
      ) AT TIME ZONE 'UTC') * 1000)::bigint
      ELSE 0 END
  $$`)

/** Forgets what no longer counts. */
const createAdvanced = (sql: SqlClient.SqlClient) =>
  sql.unsafe(`
  CREATE FUNCTION gateway_limits_advanced(c gateway_limit_counters, at_ms bigint) RETURNS gateway_limit_counters
  LANGUAGE plpgsql IMMUTABLE AS $$
  DECLARE
    now_period bigint := gateway_limits_period(c.span, at_ms, 0);
    slot int;
  BEGIN
    IF c.span = 'minute' AND now_period > c.period THEN
      FOR back IN 0 .. LEAST(now_period - c.period, ${SLOTS})::int - 1 LOOP
        slot := (now_period - back) % ${SLOTS} + 1;
        c.used := c.used - c.slots[slot];
        c.slots[slot] := 0;
      END LOOP;
      c.period := now_period;
    ELSIF c.span IN ('day', 'month') AND now_period <> c.period THEN
      c.used := 0;
      c.period := now_period;
    END IF;
    RETURN c;
  END $$`)

/** Counts what was spent. */
const createSpent = (sql: SqlClient.SqlClient) =>
  sql.unsafe(`
  CREATE FUNCTION gateway_limits_spent(c gateway_limit_counters, units bigint) RETURNS gateway_limit_counters
  LANGUAGE plpgsql IMMUTABLE AS $$
  BEGIN
    IF units > 0 AND c.span <> 'now' THEN
      c.used := c.used + units;
      IF c.span = 'minute' THEN
        c.slots[c.period % ${SLOTS} + 1] := c.slots[c.period % ${SLOTS} + 1] + units;
      END IF;
    END IF;
    RETURN c;
  END $$`)

/** When so much of what is spent will have fallen out of the span; null where time frees nothing. */
const createFreeIn = (sql: SqlClient.SqlClient) =>
  sql.unsafe(`
  CREATE FUNCTION gateway_limits_free_in(c gateway_limit_counters, units bigint, at_ms bigint) RETURNS bigint
  LANGUAGE plpgsql IMMUTABLE AS $$
  DECLARE
    freed bigint := 0;
  BEGIN
    IF units <= 0 THEN RETURN 0; END IF;
    IF units > c.used OR c.span = 'now' THEN RETURN NULL; END IF;
    IF c.span <> 'minute' THEN RETURN gateway_limits_period(c.span, at_ms, 1) - at_ms; END IF;
    FOR back IN REVERSE ${SLOTS - 1} .. 0 LOOP
      freed := freed + c.slots[(c.period - back) % ${SLOTS} + 1];
      IF freed >= units THEN RETURN (c.period - back + ${SLOTS}) * ${SLOT_MS} - at_ms; END IF;
    END LOOP;
    RETURN NULL;
  END $$`)

/**
 * The exchange. Counters are locked in the order of their names, so that two exchanges never wait for each other; all
 * that is read of a counter is read with its lock. What a crash of the database forgets is told again with the next
 * exchange, so nobody waits for the disk.
 */
const createExchange = (sql: SqlClient.SqlClient) =>
  sql.unsafe(`
  CREATE FUNCTION gateway_limits_exchange(who text, life_ms bigint, asks jsonb) RETURNS jsonb
  LANGUAGE plpgsql VOLATILE SET plan_cache_mode = force_generic_plan AS $$
  #variable_conflict use_variable
  DECLARE
    a record;
    c gateway_limit_counters;
    mine gateway_limit_leases;
    now_ms bigint;
    lost bigint;
    others bigint;
    lent bigint;
    busy bigint;
    sharers bigint;
    free bigint;
    units bigint;
    is_short boolean;
    is_tight boolean;
    grants jsonb := '[]';
  BEGIN
    FOR a IN SELECT * FROM jsonb_to_recordset(asks) AS x(
      counter text, span text, "limit" bigint, spent bigint, busy bigint, keep bigint, least bigint, need bigint, want bigint
    ) ORDER BY x.counter COLLATE "C" LOOP
      LOOP
        SELECT * INTO c FROM gateway_limit_counters k WHERE k.counter = a.counter FOR UPDATE;
        EXIT WHEN FOUND;
        INSERT INTO gateway_limit_counters VALUES (a.counter, a.span, 0, 0,
          CASE WHEN a.span = 'minute' THEN array_fill(0::bigint, ARRAY[${SLOTS}]) ELSE '{}' END, NULL, 0)
        ON CONFLICT DO NOTHING;
      END LOOP;
      now_ms := GREATEST(gateway_limits_now(), c.touched_at_ms);
      c := gateway_limits_advanced(c, now_ms);
      SELECT COALESCE(sum(l.units), 0) INTO lost FROM gateway_limit_leases l
      WHERE l.counter = a.counter AND l.process <> who AND l.until_ms <= now_ms AND l.units > 0;
      IF lost > 0 THEN
        UPDATE gateway_limit_leases l SET units = 0, busy = 0
        WHERE l.counter = a.counter AND l.process <> who AND l.until_ms <= now_ms AND l.units > 0;
        IF c.span = 'minute' THEN c := gateway_limits_spent(c, lost); END IF;
      END IF;
      SELECT * INTO mine FROM gateway_limit_leases l WHERE l.counter = a.counter AND l.process = who;
      c := gateway_limits_spent(c, a.spent - COALESCE(mine.spent, 0));
      SELECT COALESCE(sum(l.units), 0), COALESCE(sum(l.units - l.busy), 0), COALESCE(sum(l.busy), 0),
        count(*) FILTER (WHERE l.units > 0)
      INTO others, lent, busy, sharers FROM gateway_limit_leases l
      WHERE l.counter = a.counter AND l.process <> who AND l.until_ms > now_ms;
      free := a.limit - c.used - others;
      is_short := free < a.need;
      IF is_short THEN c.short_at_ms := now_ms; END IF;
      is_tight := c.short_at_ms IS NOT NULL AND now_ms - c.short_at_ms < ${TIGHT_MS};
      IF NOT is_tight THEN c.short_at_ms := NULL; END IF;
      units := GREATEST(a.keep, CASE
        WHEN is_short THEN CASE WHEN free >= a.least THEN free ELSE 0 END
        WHEN is_tight THEN a.need
        ELSE a.need + LEAST(a.want - a.need, (free - a.need) / CASE WHEN sharers = 0 THEN 1 ELSE 2 * (sharers + 1) END)
      END);
      IF a.want = 0 AND a.spent = 0 THEN
        DELETE FROM gateway_limit_leases l WHERE l.counter = a.counter AND l.process = who;
      ELSE
        INSERT INTO gateway_limit_leases AS l (counter, process, units, busy, spent, until_ms)
        VALUES (a.counter, who, units, a.busy, a.spent, now_ms + life_ms)
        ON CONFLICT (counter, process) DO UPDATE SET units = EXCLUDED.units, busy = EXCLUDED.busy,
          spent = GREATEST(l.spent, EXCLUDED.spent), until_ms = EXCLUDED.until_ms;
        busy := busy + a.busy;
      END IF;
      UPDATE gateway_limit_counters k SET used = c.used, period = c.period, slots = c.slots, short_at_ms = c.short_at_ms,
        touched_at_ms = now_ms WHERE k.counter = a.counter;
      grants := grants || jsonb_build_array(jsonb_build_array(a.counter, units, c.used, busy, lent, is_tight,
        CASE WHEN is_short THEN gateway_limits_free_in(c, a.least - free, now_ms) ELSE 0 END,
        gateway_limits_free_in(c, c.used, now_ms)));
    END LOOP;
    PERFORM set_config('synchronous_commit', 'off', true);
    now_ms := gateway_limits_now();
    RETURN jsonb_build_array(grants, (SELECT COALESCE(jsonb_agg(k.counter), '[]') FROM (
      SELECT k.counter FROM gateway_limit_counters k
      WHERE k.short_at_ms > now_ms - ${TIGHT_MS} AND EXISTS (SELECT FROM gateway_limit_leases l
        WHERE l.counter = k.counter AND l.process = who AND l.units > 0)
      LIMIT 1000) k));
  END $$`)

/** What is used of counters, as it is now. */
const createUsage = (sql: SqlClient.SqlClient) =>
  sql.unsafe(`
  CREATE FUNCTION gateway_limits_usage(names text[]) RETURNS TABLE (counter text, used bigint, busy bigint, reset_in bigint)
  LANGUAGE plpgsql STABLE AS $$
  #variable_conflict use_column
  DECLARE
    c gateway_limit_counters;
    now_ms bigint;
    lost bigint;
  BEGIN
    FOR c IN SELECT * FROM gateway_limit_counters k WHERE k.counter = ANY(names) LOOP
      now_ms := GREATEST(gateway_limits_now(), c.touched_at_ms);
      c := gateway_limits_advanced(c, now_ms);
      SELECT COALESCE(sum(l.units) FILTER (WHERE l.until_ms <= now_ms), 0),
        COALESCE(sum(l.busy) FILTER (WHERE l.until_ms > now_ms), 0)
      INTO lost, busy FROM gateway_limit_leases l WHERE l.counter = c.counter;
      IF c.span = 'minute' THEN c := gateway_limits_spent(c, lost); END IF;
      counter := c.counter;
      used := c.used;
      reset_in := gateway_limits_free_in(c, c.used, now_ms);
      RETURN NEXT;
    END LOOP;
  END $$`)

const create = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* createTables(sql)
  yield* createClock(sql)
  yield* createPeriod(sql)
  yield* createAdvanced(sql)
  yield* createSpent(sql)
  yield* createFreeIn(sql)
  yield* createExchange(sql)
  yield* createUsage(sql)
})

/** Creates the tables and functions that are missing. A migration that was released is never changed. */
export const migrate = Effect.asVoid(
  Migrator.make({})({
    loader: Migrator.fromRecord({ "0001_create_limits": create }),
    table: "guildhall_gateway_migrations",
  }),
)
