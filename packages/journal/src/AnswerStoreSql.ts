/**
 * Slots and sealed answers in PostgreSQL. Who gets a slot is decided by its primary key, and when a claim lapses by the
 * database's clock, so any number of processes agree.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import type { Fragment } from "effect/sql/Statement"
import { RequestId } from "@guildhall/core/Request"
import { ABANDONED_MS, AnswerStore, type Claim, type Claimed, defaultLimits, type Limits } from "./AnswerStore.ts"
import { JournalError } from "./JournalError.ts"
import * as AnswerTables from "./internal/AnswerTables.ts"

const unavailable = (cause: unknown) => new JournalError({ reason: "Unavailable", cause })
const corrupt = (cause: unknown) => new JournalError({ reason: "Corrupt", cause })

/** Runs a query and reads its rows. */
const reading = <S extends Schema.Codec<unknown, unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(schema))
  return (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
    rows.pipe(
      Effect.mapError(unavailable),
      Effect.flatMap((found) => Effect.mapError(decode(found), corrupt)),
    )
}

const Known = Schema.Struct({
  request: RequestId,
  fingerprint: Schema.String,
  state: Schema.Literals(["running", "lapsed", "kept", "withheld", "over"]),
  bytes: Schema.Int,
})
const readClaimed = reading(
  Schema.Struct({ outcome: Schema.Literals(["claimed", "full", "taken"]), known: Schema.NullOr(Known) }),
)
const readKept = reading(Schema.Struct({ state: Schema.Literals(["kept", "withheld"]) }))
const readSealed = reading(Schema.Struct({ request: RequestId, keyId: Schema.String, bytes: Schema.Uint8Array }))
const readCount = reading(Schema.Struct({ count: Schema.Int }))

/** So often a slot may change hands between two looks at it before the store is said not to answer. */
const LOOKS_MAX = 5

const makeClaims = (sql: SqlClient.SqlClient, limits: Limits) => {
  const later = (ms: number) => sql`clock_timestamp() + ${`${ms}`}::text::bigint * interval '1 millisecond'`

  /**
   * The insert decides; the count of the member's slots goes with it, and is looked at before. What is told beside it is the
   * row that was there before: none, where the slot was taken only while this ran.
   */
  const take = (claim: Claim) => sql`
    WITH full_up AS (
      SELECT 1 FROM gateway_answer_members
      WHERE member = ${claim.member} AND slots >= ${`${limits.memberSlots}`}::text::bigint
    ), claimed AS (
      INSERT INTO gateway_answers (slot, fingerprint, member, request_id, state, lease_until, gone_at)
      SELECT ${claim.slot}::text, ${claim.fingerprint}::text, ${claim.member}::text, ${claim.request}::text, 'running',
        ${later(claim.leaseMs)}, ${later(claim.leaseMs + ABANDONED_MS)}
      WHERE NOT EXISTS (SELECT 1 FROM full_up)
      ON CONFLICT (slot) DO NOTHING
      RETURNING member
    ), counted AS (
      INSERT INTO gateway_answer_members AS m (member, slots, bytes) SELECT member, 1, 0 FROM claimed
      ON CONFLICT (member) DO UPDATE SET slots = m.slots + 1
    )
    SELECT CASE WHEN EXISTS (SELECT 1 FROM claimed) THEN 'claimed'
        WHEN EXISTS (SELECT 1 FROM full_up) THEN 'full' ELSE 'taken' END AS outcome,
      (SELECT jsonb_build_object('request', a.request_id, 'fingerprint', a.fingerprint, 'bytes', a.size, 'state',
        CASE WHEN a.gone_at <= clock_timestamp() THEN 'over'
          WHEN a.state = 'running' AND a.lease_until <= clock_timestamp() THEN 'lapsed' ELSE a.state END)
        FROM gateway_answers a WHERE a.slot = ${claim.slot}) AS known`

  const takeOver = (claim: Claim, after: RequestId) => sql`
    UPDATE gateway_answers SET fingerprint = ${claim.fingerprint}, request_id = ${claim.request},
      lease_until = ${later(claim.leaseMs)}, gone_at = ${later(claim.leaseMs + ABANDONED_MS)}
    WHERE slot = ${claim.slot} AND request_id = ${after} AND state = 'running' AND lease_until <= clock_timestamp()
    RETURNING slot`

  return { take, takeOver }
}

/** Erases rows and takes them out of their members' counts, which are locked in one order everywhere. */
const makeErase = (sql: SqlClient.SqlClient) => (which: Fragment) =>
  sql`
  WITH erased AS (DELETE FROM gateway_answers WHERE slot IN (${which}) RETURNING member, size),
  less AS (SELECT member, count(*) AS slots, sum(size)::bigint AS bytes FROM erased GROUP BY member),
  locked AS MATERIALIZED (
    SELECT m.member FROM gateway_answer_members m WHERE m.member IN (SELECT member FROM less) ORDER BY m.member FOR UPDATE
  ), counted AS (
    UPDATE gateway_answer_members m SET slots = m.slots - l.slots, bytes = m.bytes - l.bytes
    FROM less l, locked k WHERE m.member = l.member AND k.member = l.member
  )
  SELECT count(*)::float8 AS count FROM erased`

/**
 * Creates the tables that are missing, and answers a store over them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (limits: Limits = defaultLimits) {
  const sql = yield* SqlClient.SqlClient
  yield* Migrator.make({})({
    loader: Migrator.fromRecord(AnswerTables.migrations),
    table: "guildhall_answers_migrations",
  }).pipe(Effect.mapError(unavailable))
  const { take, takeOver } = makeClaims(sql, limits)
  const erase = makeErase(sql)
  const int8 = (value: number) => sql`${`${value}`}::text::bigint`

  /** Undefined where the slot changed hands between two looks. */
  const tryClaim = Effect.fnUntraced(function* (claim: Claim): Effect.fn.Return<Claimed | undefined, JournalError> {
    const [found] = yield* readClaimed(take(claim))
    if (found?.outcome === "claimed") return { _tag: "Claimed" }
    if (found?.outcome === "full" && found.known === null) return { _tag: "Full" }
    if (found === undefined || found.known === null) return undefined
    const { bytes, fingerprint, request, state } = found.known
    if (state === "over") {
      yield* readCount(
        erase(
          sql`SELECT slot FROM gateway_answers WHERE slot = ${claim.slot} AND gone_at <= clock_timestamp() FOR UPDATE`,
        ),
      )
      return undefined
    }
    if (request === claim.request && (state === "running" || state === "lapsed")) return { _tag: "Claimed" }
    if (state === "lapsed" && claim.after === request) {
      const over = yield* Effect.mapError(takeOver(claim, request), unavailable)
      return over.length > 0 ? { _tag: "Claimed" } : undefined
    }
    return { _tag: "Taken", request, fingerprint, state, bytes }
  })

  return AnswerStore.of({
    claim: Effect.fn("AnswerStore.claim")(function* (claim) {
      for (let at = 0; at < LOOKS_MAX; at++) {
        const answer = yield* tryClaim(claim)
        if (answer !== undefined) return answer
      }
      return yield* unavailable("the slot changed hands at every look")
    }),
    renew: Effect.fn("AnswerStore.renew")(function* (claims, leaseMs) {
      if (claims.length === 0) return 0
      const json = JSON.stringify(claims.map(({ request, slot }) => ({ request, slot })))
      const rows = yield* sql`UPDATE gateway_answers a
        SET lease_until = clock_timestamp() + ${int8(leaseMs)} * interval '1 millisecond',
          gone_at = clock_timestamp() + ${int8(leaseMs + ABANDONED_MS)} * interval '1 millisecond'
        FROM jsonb_to_recordset(${json}::text::jsonb) AS c(slot text, request text)
        WHERE a.slot = c.slot AND a.request_id = c.request AND a.state = 'running' RETURNING 1`.pipe(
        Effect.mapError(unavailable),
      )
      return rows.length
    }),
    keep: Effect.fn("AnswerStore.keep")(function* ({ request, slot }, answer, lifeMs) {
      // The claim's row is locked first: the member's count moves only for the request whose claim it is, and its own
      // limit is looked at again once the row that others count in is free.
      const [kept] = yield* readKept(sql`
        WITH own AS (
          SELECT member FROM gateway_answers
          WHERE slot = ${slot} AND request_id = ${request} AND state = 'running' FOR UPDATE
        ), counted AS (
          UPDATE gateway_answer_members m SET bytes = m.bytes + ${int8(answer?.bytes.length ?? 0)}
          FROM own WHERE m.member = own.member AND ${answer !== null}
            AND m.bytes + ${int8(answer?.bytes.length ?? 0)} <= ${int8(limits.memberBytes)}
          RETURNING 1
        )
        UPDATE gateway_answers a SET
          state = CASE WHEN fits THEN 'kept' ELSE 'withheld' END,
          key_id = CASE WHEN fits THEN ${answer?.keyId ?? null}::text END,
          sealed = CASE WHEN fits THEN ${answer?.bytes ?? null}::bytea END,
          size = CASE WHEN fits THEN ${int8(answer?.bytes.length ?? 0)} ELSE 0 END,
          gone_at = clock_timestamp() + ${int8(lifeMs)} * interval '1 millisecond'
        FROM own, (SELECT EXISTS (SELECT 1 FROM counted) AS fits) c
        WHERE a.slot = ${slot} AND a.request_id = ${request} AND a.state = 'running'
        RETURNING a.state`)
      return kept?.state ?? "lost"
    }),
    release: Effect.fn("AnswerStore.release")(function* ({ request, slot }) {
      yield* readCount(
        erase(sql`SELECT slot FROM gateway_answers
          WHERE slot = ${slot} AND request_id = ${request} AND state = 'running' FOR UPDATE`),
      )
    }),
    find: Effect.fn("AnswerStore.find")(function* (slot) {
      const [found] = yield* readSealed(sql`SELECT request_id AS request, key_id AS "keyId", sealed AS bytes
        FROM gateway_answers WHERE slot = ${slot} AND state = 'kept' AND gone_at > clock_timestamp()`)
      return found
    }),
    sweep: Effect.fn("AnswerStore.sweep")(function* (limit) {
      const [erased] = yield* readCount(
        erase(sql`SELECT slot FROM gateway_answers WHERE gone_at <= clock_timestamp()
          ORDER BY gone_at LIMIT ${int8(limit)} FOR UPDATE SKIP LOCKED`),
      )
      return erased?.count ?? 0
    }),
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (limits: Limits = defaultLimits): Layer.Layer<AnswerStore, JournalError, SqlClient.SqlClient> =>
  Layer.effect(AnswerStore, make(limits))
