/**
 * The record of a market's epochs in PostgreSQL. An index lets one epoch of an asset be unfinished, whoever begins one.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlError from "effect/sql/SqlError"
import { Address } from "./Address.ts"
import * as Hex from "./Hex.ts"
import * as RecordTables from "./internal/RecordTables.ts"
import * as Record from "./SettlementRecord.ts"

const unavailable = (cause: unknown) => new Record.SettlementRecordError({ reason: "Unavailable", cause })
const corrupt = (cause: unknown) => new Record.SettlementRecordError({ reason: "Corrupt", cause })

const Int8 = Schema.Int
const AmountText = Schema.toCodecJson(Record.Sum.fields.total)

const Row = Schema.Struct({
  ...Record.Beginning.fields,
  unit: AmountText,
  sequence: Int8,
  state: Record.State,
  sum: Schema.NullOr(Schema.toCodecJson(Record.Sum)),
  transaction: Schema.NullOr(Schema.String),
  appliesAtS: Schema.NullOr(Int8),
})
const PayeeRow = Schema.Struct({ ...Record.Payee.fields, amount: AmountText })
const LeafRow = Schema.Struct({
  account: Address,
  amount: AmountText,
  cumulative: AmountText,
  proof: Schema.Uint8Array,
})
const encodeSum = Schema.encodeSync(Schema.toCodecJson(Record.Sum))

/** Runs a query and reads its rows. */
const reading = <S extends Schema.Codec<unknown, unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(Schema.Array(schema))
  return (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError.SqlError>) =>
    rows.pipe(
      Effect.mapError(unavailable),
      Effect.flatMap((found) => Effect.mapError(decode(found), corrupt)),
    )
}
const readEpochs = reading(Row)
const readPayees = reading(PayeeRow)
const readLeaves = reading(LeafRow)

const COLUMNS = `e.sequence::float8 AS sequence, e.asset, e.chain_id::float8 AS "chainId", e.contract, e.token,
  e.epoch::float8 AS epoch, e.unit::text AS unit, e.end_ms::float8 AS "endMs", e.kind, e.definition, e.state, e.sum,
  e.transaction, e.applies_at_s::float8 AS "appliesAtS"`

const proofOf = (bytes: Uint8Array): ReadonlyArray<Hex.Bytes32> =>
  Array.from({ length: bytes.length / 32 }, (_, at) => Hex.bytes32(bytes.subarray(32 * at, 32 * at + 32)))

/** So many rows go into one statement: it bounds the memory that a large epoch takes. */
const ROWS_MAX = 2_000

const chunks = <A>(all: ReadonlyArray<A>): ReadonlyArray<ReadonlyArray<A>> =>
  Array.from({ length: Math.ceil(all.length / ROWS_MAX) }, (_, at) => all.slice(at * ROWS_MAX, (at + 1) * ROWS_MAX))

const makeWrites = (sql: SqlClient.SqlClient) => {
  const payees = ({ asset, sequence }: Record.Epoch, all: ReadonlyArray<Record.Payee>) =>
    Effect.forEach(
      chunks(all),
      (some) => {
        const rows = JSON.stringify(some.map((payee) => ({ ...payee, amount: `${payee.amount}` })))
        const given = sql`jsonb_to_recordset(${rows}::text::jsonb)
          AS g(member text, account text, hold text, amount numeric)`
        return Effect.andThen(
          sql`INSERT INTO chain_payees (sequence, member, account, hold, amount)
            SELECT ${sequence}::bigint, member, account, hold, amount FROM ${given}`,
          sql`INSERT INTO chain_member_accounts (asset, member, account)
            SELECT ${asset}, member, account FROM ${given} ON CONFLICT DO NOTHING`,
        )
      },
      { discard: true },
    )
  const leaves = ({ sequence }: Record.Epoch, all: ReadonlyArray<Record.Leaf>) =>
    Effect.forEach(
      chunks(all),
      (some) => {
        const rows = JSON.stringify(
          some.map(({ account, amount, cumulative, proof }) => ({
            account,
            amount: `${amount}`,
            cumulative: `${cumulative}`,
            proof: Hex.concat(...proof).slice(2),
          })),
        )
        return sql`INSERT INTO chain_leaves (sequence, account, amount, cumulative, proof)
          SELECT ${sequence}::bigint, account, amount, cumulative, decode(proof, 'hex')
          FROM jsonb_to_recordset(${rows}::text::jsonb)
            AS g(account text, amount numeric, cumulative numeric, proof text)`
      },
      { discard: true },
    )
  return { payees, leaves }
}

/**
 * Creates the tables where they are missing, and keeps the record in them. `keep` is of how many claimable epochs of a place the
 * leaves and payees stay.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (keep: number = Record.KEPT_EPOCHS) {
  const sql = yield* SqlClient.SqlClient
  yield* Migrator.make({})({
    loader: Migrator.fromRecord(RecordTables.migrations),
    table: "guildhall_chain_migrations",
  }).pipe(Effect.mapError(unavailable))
  const columns = sql.literal(COLUMNS)
  const write = makeWrites(sql)
  const isIn = ({ asset, chainId, contract, token }: Record.Place) =>
    sql`e.asset = ${asset} AND e.chain_id = ${chainId}::bigint AND e.contract = ${contract} AND e.token = ${token}`
  const is = (of: Record.Of) => sql`${isIn(of)} AND e.epoch = ${of.epoch}::bigint`

  const find = Effect.fnUntraced(function* (of: Record.Of, lock: "" | "FOR UPDATE" = "") {
    const [found] = yield* readEpochs(sql`SELECT ${columns} FROM chain_epochs e WHERE ${is(of)} ${sql.literal(lock)}`)
    return found ?? (yield* corrupt(new Error(`there is no epoch ${of.epoch} of ${of.asset} on ${of.contract}`)))
  })

  const prune = (place: Record.Place) => {
    const old = sql`sequence IN (
      SELECT sequence FROM chain_epochs e WHERE ${isIn(place)} AND epoch < (
        SELECT min(epoch) FROM (
          SELECT epoch FROM chain_epochs e WHERE ${isIn(place)} AND state = 'claimable'
          ORDER BY epoch DESC LIMIT ${keep}::int
        ) newest))`
    return Effect.andThen(sql`DELETE FROM chain_payees WHERE ${old}`, sql`DELETE FROM chain_leaves WHERE ${old}`)
  }

  /** What is made in one transaction, with the database's refusals told as ours. */
  const together = <A>(effect: Effect.Effect<A, Record.SettlementRecordError | SqlError.SqlError>) =>
    sql.withTransaction(effect).pipe(
      Effect.catchTag("SqlError", (error) => Effect.fail(unavailable(error))),
      // A lost connection fails once more as it is rolled back, which `withTransaction` takes for a defect.
      Effect.catchDefect((defect) =>
        SqlError.isSqlError(defect) ? Effect.fail(unavailable(defect)) : Effect.die(defect),
      ),
    )

  return Record.SettlementRecord.of({
    begin: Effect.fn("SettlementRecord.begin")(function* (beginning) {
      const { asset, chainId, contract, definition, endMs, epoch, kind, token, unit } = beginning
      const later = sql`SELECT FROM chain_epochs e WHERE ${isIn(beginning)} AND e.epoch > ${epoch}::bigint`
      yield* sql`INSERT INTO chain_epochs (asset, chain_id, contract, token, epoch, unit, end_ms, kind, definition, state)
        SELECT ${asset}, ${chainId}::bigint, ${contract}, ${token}, ${epoch}::bigint, ${`${unit}`}::text::numeric,
          ${endMs}::bigint, ${kind}, ${definition}, 'begun' WHERE NOT EXISTS (${later})
        ON CONFLICT DO NOTHING`.pipe(Effect.mapError(unavailable))
      const found = yield* readEpochs(
        sql`SELECT ${columns} FROM chain_epochs e WHERE (${is(beginning)})
          OR (e.asset = ${asset} AND e.state IN ('begun', 'netted', 'posted'))
          OR (${isIn(beginning)} AND e.epoch > ${epoch}::bigint)
          ORDER BY (${is(beginning)}) DESC, e.state IN ('begun', 'netted', 'posted') DESC, e.sequence DESC LIMIT 1`,
      )
      return found[0] ?? (yield* corrupt(new Error(`the epoch ${epoch} of ${asset} was not kept`)))
    }),
    net: Effect.fn("SettlementRecord.net")((of, sum, { leaves, payees }) =>
      together(
        Effect.gen(function* () {
          const found = yield* find(of, "FOR UPDATE")
          if (found.state !== "begun") return found
          yield* write.payees(found, payees)
          yield* write.leaves(found, leaves)
          yield* sql`UPDATE chain_epochs e SET state = 'netted', sum = ${JSON.stringify(encodeSum(sum))}::text::jsonb
            WHERE ${is(of)}`
          return { ...found, state: "netted" as const, sum }
        }),
      ),
    ),
    note: Effect.fn("SettlementRecord.note")((of, news) =>
      together(
        Effect.gen(function* () {
          const found = yield* find(of, "FOR UPDATE")
          if (!Record.mayMove(found.state, news.state)) return found
          const moved = { ...found, ...news }
          yield* sql`UPDATE chain_epochs e SET state = ${moved.state}, transaction = ${moved.transaction},
            applies_at_s = ${moved.appliesAtS}::bigint WHERE ${is(of)}`
          if (news.state === "claimable") yield* prune(of)
          return moved
        }),
      ),
    ),
    epochs: Effect.fn("SettlementRecord.epochs")((query) => {
      const { asset = null, before = null, chainId = null, contract = null, epoch = null, limit, token = null } = query
      return readEpochs(sql`SELECT ${columns} FROM chain_epochs e
        WHERE (${asset}::text IS NULL OR e.asset = ${asset}) AND (${chainId}::bigint IS NULL OR e.chain_id = ${chainId}::bigint)
          AND (${contract}::text IS NULL OR e.contract = ${contract}) AND (${token}::text IS NULL OR e.token = ${token})
          AND (${epoch}::bigint IS NULL OR e.epoch = ${epoch}::bigint)
          AND (${before}::bigint IS NULL OR e.sequence < ${before}::bigint)
        ORDER BY e.sequence DESC LIMIT ${limit}::int`)
    }),
    payees: Effect.fn("SettlementRecord.payees")((of) =>
      readPayees(
        sql`SELECT p.member, p.account, p.hold, p.amount::text AS amount
          FROM chain_payees p JOIN chain_epochs e USING (sequence) WHERE ${is(of)} ORDER BY p.member`,
      ),
    ),
    leaves: Effect.fn("SettlementRecord.leaves")((of, member = undefined) =>
      Effect.map(
        readLeaves(sql`SELECT l.account, l.amount::text AS amount, l.cumulative::text AS cumulative, l.proof
          FROM chain_leaves l JOIN chain_epochs e USING (sequence)
          WHERE ${is(of)} AND (${member ?? null}::text IS NULL OR l.account IN (
            SELECT account FROM chain_member_accounts WHERE asset = ${of.asset} AND member = ${member ?? null}))
          ORDER BY l.account`),
        (rows) => rows.map((row) => ({ ...row, proof: proofOf(row.proof) })),
      ),
    ),
  })
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (
  keep?: number,
): Layer.Layer<Record.SettlementRecord, Record.SettlementRecordError, SqlClient.SqlClient> =>
  Layer.effect(Record.SettlementRecord, make(keep))
