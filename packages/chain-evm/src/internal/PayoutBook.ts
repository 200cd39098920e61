/** The payouts of a rail in PostgreSQL, and the batches in which they go. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { randomBytes } from "node:crypto"
import { Address } from "@guildhall/chain/Address"
import { Bytes32 } from "@guildhall/chain/Hex"
import { AssetCode } from "@guildhall/core/Asset"
import { RailError } from "@guildhall/ledger/Movement"
import * as Migrations from "./Migrations.ts"

export interface Entry {
  readonly key: string
  readonly member: string
  readonly asset: AssetCode
  readonly amount: bigint
  readonly token: Address
  readonly account: Address
  readonly units: bigint
}

const Integer = Schema.Int
const Big = Schema.BigIntFromString

const Row = Schema.Struct({
  number: Integer,
  key: Schema.String,
  member: Schema.String,
  asset: AssetCode,
  amount: Big,
  isPaid: Schema.NullOr(Schema.Boolean),
  detail: Schema.NullOr(Schema.String),
})
export type Kept = typeof Row.Type

const Batch = Schema.Struct({ batch: Bytes32, token: Address, attempt: Integer })
export type Batch = typeof Batch.Type

const Part = Schema.Struct({ account: Address, amount: Big })

export const unavailable = (): RailError =>
  new RailError({ reason: "Unavailable", detail: "The rail's store did not answer." })

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))
const decodeBatches = Schema.decodeUnknownEffect(Schema.Array(Batch))
const decodeParts = Schema.decodeUnknownEffect(Schema.Array(Part))
const decodeTokens = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ token: Address })))
const decodeNumbers = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ number: Integer })))

/** What went wrong is told in the log; a caller only hears that nothing is known. */
const quietly = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, RailError, R> =>
  effect.pipe(
    Effect.tapError((error) => Effect.logDebug("The rail's store did not answer.", error)),
    Effect.mapError(unavailable),
  )

/** The book of a rail; creates its tables where they are missing. */
export const make = Effect.fnUntraced(function* (rail: string, batchMax: number) {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.orDie(Migrations.run)

  const columns = sql`p.number::float8 AS number, p.key, p.member, p.asset, p.amount::text AS amount,
    b.is_paid AS "isPaid", b.detail`
  const joined = sql`chain_evm_payouts p LEFT JOIN chain_evm_batches b ON b.rail = p.rail AND b.batch = p.batch`
  // Numbers must become visible in their order, or who reads page by page misses one.
  const lock = sql`SELECT pg_advisory_xact_lock(hashtextextended(${`chain_evm_payouts ${rail}`}, 0))`

  const find = (key: string) =>
    sql`SELECT ${columns} FROM ${joined} WHERE p.rail = ${rail} AND p.key = ${key}`.pipe(
      Effect.flatMap(decodeRows),
      Effect.map(([row]) => row),
      quietly,
    )

  const add = (entry: Entry) =>
    quietly(
      sql.withTransaction(
        Effect.andThen(
          lock,
          sql`INSERT INTO chain_evm_payouts (rail, key, member, asset, amount, token, account, units)
            VALUES (${rail}, ${entry.key}, ${entry.member}, ${entry.asset}, ${`${entry.amount}`}::text::numeric,
              ${entry.token}, ${entry.account}, ${`${entry.units}`}::text::numeric)
            ON CONFLICT (rail, key) DO NOTHING`,
        ),
      ),
    )

  const page = (after: number, limit: number) =>
    sql`SELECT ${columns} FROM ${joined} WHERE p.rail = ${rail} AND p.number > ${`${after}`}::text::bigint
      ORDER BY p.number LIMIT ${`${limit}`}::text::int`.pipe(Effect.flatMap(decodeRows), quietly)

  /**
   * Puts what waits longest into a batch of its token. Its id is drawn, and kept before anything is sent: one that followed from
   * what is in it could have been paid before, by a database that was thrown away.
   */
  const fill = Effect.fnUntraced(function* (token: Address) {
    const rows = yield* sql`SELECT number::float8 AS number FROM chain_evm_payouts WHERE rail = ${rail}
      AND token = ${token} AND batch IS NULL ORDER BY number LIMIT ${`${batchMax}`}::text::int`
    const numbers = (yield* decodeNumbers(rows)).map(({ number }) => number)
    if (numbers.length === 0) return
    const batch = `0x${randomBytes(32).toString("hex")}`
    const opened = yield* sql`INSERT INTO chain_evm_batches (rail, batch, token, attempt, is_paid)
      VALUES (${rail}, ${batch}, ${token}, 1, false) ON CONFLICT DO NOTHING RETURNING 1`
    if (opened.length === 0) return
    yield* sql`UPDATE chain_evm_payouts SET batch = ${batch} WHERE rail = ${rail} AND number IN
      (SELECT jsonb_array_elements_text(${JSON.stringify(numbers)}::text::jsonb)::bigint)`
  })

  const fillAll = Effect.gen(function* () {
    yield* lock
    const rows = yield* sql`SELECT DISTINCT token FROM chain_evm_payouts WHERE rail = ${rail} AND batch IS NULL
      AND token NOT IN (SELECT token FROM chain_evm_batches WHERE rail = ${rail} AND NOT is_paid)`
    yield* Effect.forEach(yield* decodeTokens(rows), ({ token }) => fill(token), { discard: true })
  })

  return {
    find,
    add,
    page,
    /** Makes batches where there is none on its way, and answers those that are. */
    open: quietly(
      Effect.gen(function* () {
        yield* sql.withTransaction(fillAll)
        const rows = yield* sql`SELECT batch, token, attempt FROM chain_evm_batches
          WHERE rail = ${rail} AND NOT is_paid ORDER BY token`
        return yield* decodeBatches(rows)
      }),
    ),
    parts: (batch: Bytes32) =>
      sql`SELECT account, units::text AS amount FROM chain_evm_payouts WHERE rail = ${rail} AND batch = ${batch}
        ORDER BY number`.pipe(Effect.flatMap(decodeParts), quietly),
    paid: (batch: Bytes32) =>
      quietly(
        sql`UPDATE chain_evm_batches SET is_paid = true, detail = NULL WHERE rail = ${rail} AND batch = ${batch}`,
      ),
    /** Says why a batch waits; `again` where the transaction of this attempt is done with, and did nothing. */
    waits: ({ attempt, batch }: Batch, detail: string, again: boolean) =>
      quietly(
        sql`UPDATE chain_evm_batches SET detail = ${detail}, attempt = ${`${attempt + (again ? 1 : 0)}`}::text::int
          WHERE rail = ${rail} AND batch = ${batch} AND attempt = ${`${attempt}`}::text::int AND NOT is_paid`,
      ),
  }
})
