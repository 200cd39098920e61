/**
 * The store of an index in PostgreSQL.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Bytes32, Hex } from "@guildhall/chain/Hex"
import { IndexError } from "./IndexError.ts"
import { BEGINNING, type IndexStore, type Move } from "./IndexStore.ts"
import * as Migrations from "./internal/Migrations.ts"

const Integer = Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0)))

const decodeState = Schema.decodeUnknownEffect(
  Schema.Array(
    Schema.Struct({
      subject: Schema.String,
      number: Integer,
      hash: Bytes32,
      finalNumber: Schema.Int,
      settledNumber: Schema.Int,
      forks: Integer,
    }),
  ),
)
const decodeBlocks = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ number: Integer, hash: Bytes32 })))
const decodeMarks = Schema.decodeUnknownEffect(
  Schema.Array(Schema.Struct({ blockNumber: Schema.Int, logIndex: Schema.Int, undone: Integer })),
)

/** What a store that does not answer is to an index; what stands twice in an answer is the endpoint's mistake. */
const failed = (cause: SqlError): IndexError =>
  cause.reason._tag === "UniqueViolation"
    ? new IndexError({ reason: "inconsistent", detail: "An event came twice, in different blocks.", cause })
    : new IndexError({ reason: "store", detail: "", cause })

const corrupt = (cause: unknown): IndexError =>
  new IndexError({ reason: "store", detail: "It holds a row that cannot be read: restore it from a backup.", cause })

const Log = {
  blockNumber: Integer,
  blockHash: Bytes32,
  transaction: Bytes32,
  logIndex: Integer,
  atS: Integer,
  address: Hex,
  topics: Schema.Array(Bytes32),
  data: Hex,
}
const decodeLogs = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct(Log)))
const decodeUndone = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ number: Integer, ...Log })))

/** A whole number for a column of type bigint: the driver would send it as a float. */
const int8 = (value: number): string => `${value}`

const rowOf = (log: Move["logs"][number]) => ({
  block_number: log.blockNumber,
  log_index: log.logIndex,
  block_hash: log.blockHash.slice(2),
  transaction: log.transaction.slice(2),
  at_s: log.atS,
  address: log.address.slice(2),
  topics: log.topics.map((topic) => topic.slice(2)).join(""),
  data: log.data.slice(2),
})

const columns = "name, block_number, log_index, block_hash, transaction, at_s, address, topics, data"

const insertLogs = (sql: SqlClient.SqlClient, name: string, logs: Move["logs"]) =>
  sql`INSERT INTO chain_evm_logs
    (${sql.literal(columns)})
    SELECT ${name}, r.block_number, r.log_index, decode(r.block_hash, 'hex'), decode(r.transaction, 'hex'), r.at_s,
      decode(r.address, 'hex'), decode(r.topics, 'hex'), decode(r.data, 'hex')
    FROM jsonb_to_recordset(${JSON.stringify(logs.map(rowOf))}::text::jsonb) AS r(block_number bigint, log_index int,
      block_hash text, transaction text, at_s bigint, address text, topics text, data text)`

const insertBlocks = (sql: SqlClient.SqlClient, name: string, blocks: Move["blocks"]) =>
  sql`INSERT INTO chain_evm_blocks (name, number, hash)
    SELECT ${name}, r.number, decode(r.hash, 'hex')
    FROM jsonb_to_recordset(${JSON.stringify(blocks.map(({ hash, number }) => ({ number, hash: hash.slice(2) })))}::text::jsonb)
      AS r(number bigint, hash text)
    ON CONFLICT (name, number) DO UPDATE SET hash = excluded.hash`

/** Moves the cursor if it stands where the step begins; the row's lock keeps others out until the step is made. */
const moveCursor = (sql: SqlClient.SqlClient, name: string, subject: string, { from, to }: Move) => {
  const numbers = [to.number, to.finalNumber, to.settledNumber, to.forks].map(int8)
  const [number, final, settled, forks] = numbers
  const hash = to.hash.slice(2)
  return from === null
    ? sql`INSERT INTO chain_evm_indexes
          (name, subject, block_number, block_hash, final_number, settled_number, forks)
        VALUES (${name}, ${subject}, ${number}::text::bigint, decode(${hash}::text, 'hex'), ${final}::text::bigint,
          ${settled}::text::bigint, ${forks}::text::int)
        ON CONFLICT (name) DO NOTHING RETURNING 1`
    : sql`UPDATE chain_evm_indexes SET block_number = ${number}::text::bigint,
          block_hash = decode(${hash}::text, 'hex'), final_number = ${final}::text::bigint,
          settled_number = ${settled}::text::bigint, forks = ${forks}::text::int
        WHERE name = ${name} AND block_number = ${int8(from.number)}::text::bigint
          AND block_hash = decode(${from.hash.slice(2)}::text, 'hex') AND forks = ${int8(from.forks)}::text::int
          AND final_number = ${int8(from.finalNumber)}::text::bigint RETURNING 1`
}

/** Forgets what comes after the last block that is kept; what was final of it is kept aside for its readers. */
const rollBack = Effect.fnUntraced(function* (
  sql: SqlClient.SqlClient,
  name: string,
  keptUpTo: string,
  finalNumber: string,
) {
  const copied = sql.literal(columns)
  yield* sql`INSERT INTO chain_evm_undone (${copied}) SELECT ${copied} FROM chain_evm_logs WHERE name = ${name}
    AND block_number > ${keptUpTo}::text::bigint AND block_number <= ${finalNumber}::text::bigint
    ORDER BY block_number, log_index`
  yield* sql`DELETE FROM chain_evm_logs WHERE name = ${name} AND block_number > ${keptUpTo}::text::bigint`
  yield* sql`DELETE FROM chain_evm_blocks WHERE name = ${name} AND number > ${keptUpTo}::text::bigint`
  yield* sql`UPDATE chain_evm_marks SET block_number = ${keptUpTo}::text::bigint, log_index = 2147483647
    WHERE name = ${name} AND block_number > ${keptUpTo}::text::bigint`
})

/** Forgets blocks before the last one that is settled. */
const prune = (sql: SqlClient.SqlClient, name: string, settledNumber: number) =>
  sql`DELETE FROM chain_evm_blocks WHERE name = ${name} AND number < (SELECT max(number) FROM chain_evm_blocks
    WHERE name = ${name} AND number <= ${int8(settledNumber)}::text::bigint)`

const readCursor = Effect.fnUntraced(function* (sql: SqlClient.SqlClient, name: string, subject: string) {
  const rows = yield* Effect.mapError(
    sql`SELECT subject, block_number::float8 AS number, '0x' || encode(block_hash, 'hex') AS hash,
      final_number::float8 AS "finalNumber", settled_number::float8 AS "settledNumber", forks FROM chain_evm_indexes WHERE name = ${name}`,
    failed,
  )
  const [state] = yield* Effect.mapError(decodeState(rows), corrupt)
  if (state === undefined) return null
  if (state.subject !== subject) {
    const detail = `${name} is of ${state.subject}, not of ${subject}.`
    return yield* new IndexError({ reason: "otherSubject", detail })
  }
  const { subject: _, ...cursor } = state
  return cursor
})

/** A log as it is read. */
const logColumns = `block_number::float8 AS "blockNumber", log_index AS "logIndex", at_s::float8 AS "atS",
  '0x' || encode(block_hash, 'hex') AS "blockHash", '0x' || encode(transaction, 'hex') AS transaction,
  '0x' || encode(address, 'hex') AS address, '0x' || encode(data, 'hex') AS data,
  ARRAY(SELECT '0x' || encode(substr(topics, 32 * at + 1, 32), 'hex')
    FROM generate_series(0, length(topics) / 32 - 1) AS at) AS topics`

const readLogs = (sql: SqlClient.SqlClient, name: string): IndexStore["logs"] =>
  Effect.fnUntraced(function* ({ after, isFinal, limit }) {
    const upTo = isFinal
      ? sql`AND block_number <= (SELECT final_number FROM chain_evm_indexes WHERE name = ${name})`
      : sql``
    const rows = yield* Effect.mapError(
      sql`SELECT ${sql.literal(logColumns)} FROM chain_evm_logs WHERE name = ${name} AND (block_number, log_index) >
          (${int8(after.blockNumber)}::text::bigint, ${int8(after.logIndex)}::text::int) ${upTo}
        ORDER BY block_number, log_index LIMIT ${int8(limit)}::text::int`,
      failed,
    )
    return yield* Effect.mapError(decodeLogs(rows), corrupt)
  })

const readUndone = (sql: SqlClient.SqlClient, name: string): IndexStore["undone"] =>
  Effect.fnUntraced(function* (after, limit) {
    const rows = yield* Effect.mapError(
      sql`SELECT number::float8 AS number, ${sql.literal(logColumns)} FROM chain_evm_undone
        WHERE name = ${name} AND number > ${int8(after)}::text::bigint
        ORDER BY number LIMIT ${int8(limit)}::text::int`,
      failed,
    )
    const undone = yield* Effect.mapError(decodeUndone(rows), corrupt)
    return undone.map(({ number, ...log }) => ({ number, log }))
  })

const readMark = (sql: SqlClient.SqlClient, name: string): IndexStore["mark"] =>
  Effect.fnUntraced(function* (reader) {
    const rows = yield* Effect.mapError(
      sql`SELECT block_number::float8 AS "blockNumber", log_index AS "logIndex", undone::float8 AS undone
        FROM chain_evm_marks WHERE name = ${name} AND reader = ${reader}`,
      failed,
    )
    const [mark] = yield* Effect.mapError(decodeMarks(rows), corrupt)
    if (mark === undefined) return BEGINNING
    const { undone, ...place } = mark
    return { place, undone }
  })

/** Locks the index's row first: who takes blocks back at the same time either sees this mark, or is seen by it. */
const writeMark = (sql: SqlClient.SqlClient, name: string): IndexStore["setMark"] =>
  Effect.fnUntraced(function* (reader, { place, undone }, forks) {
    const set = yield* Effect.mapError(
      sql`INSERT INTO chain_evm_marks (name, reader, block_number, log_index, undone)
        SELECT name, ${reader}, ${int8(place.blockNumber)}::text::bigint, ${int8(place.logIndex)}::text::int,
          ${int8(undone)}::text::bigint
        FROM chain_evm_indexes WHERE name = ${name} AND forks = ${int8(forks)}::text::int FOR SHARE
        ON CONFLICT (name, reader) DO UPDATE SET block_number = excluded.block_number,
          log_index = excluded.log_index, undone = excluded.undone RETURNING 1`,
      failed,
    )
    if (set.length === 0) return yield* new IndexError({ reason: "overtaken", detail: "" })
  })

/**
 * Creates the tables where they are missing, and answers the store of the index with this name. `subject` says what it is an
 * index of: an index is read for one subject only.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: { readonly name: string; readonly subject: string }) {
  const { name, subject } = options
  const sql = yield* SqlClient.SqlClient
  yield* Effect.mapError(Migrations.run, (cause) => new IndexError({ reason: "store", detail: "", cause }))

  const move = Effect.fnUntraced(function* (step: Move) {
    const moved = yield* moveCursor(sql, name, subject, step)
    if (moved.length === 0) return yield* new IndexError({ reason: "overtaken", detail: "" })
    const { from, keptUpTo, to } = step
    if (from !== null && keptUpTo < from.number) {
      yield* rollBack(sql, name, int8(keptUpTo), int8(from.finalNumber))
    }
    if (step.blocks.length > 0) yield* insertBlocks(sql, name, step.blocks)
    if (step.logs.length > 0) yield* insertLogs(sql, name, step.logs)
    if (from !== null && to.settledNumber > from.settledNumber) yield* prune(sql, name, to.settledNumber)
  })

  const store: IndexStore = {
    cursor: readCursor(sql, name, subject),
    move: (step) =>
      Effect.mapError(sql.withTransaction(move(step)), (error) =>
        error._tag === "IndexError" ? error : failed(error),
      ),
    blocks: sql`SELECT number::float8 AS number, '0x' || encode(hash, 'hex') AS hash FROM chain_evm_blocks
        WHERE name = ${name} ORDER BY number DESC`.pipe(
      Effect.mapError(failed),
      Effect.flatMap((rows) => Effect.mapError(decodeBlocks(rows), corrupt)),
    ),
    logs: readLogs(sql, name),
    undone: readUndone(sql, name),
    mark: readMark(sql, name),
    setMark: writeMark(sql, name),
  }
  return store
})
