/** What came in by a rail in PostgreSQL: the addresses that members pay to, what they asked for, and what arrived. */
import * as Effect from "effect/Effect"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import { Address } from "@guildhall/chain/Address"
import { AssetCode } from "@guildhall/core/Asset"
import { MemberId } from "@guildhall/core/Member"
import { RailError } from "@guildhall/ledger/Movement"
import type { Addresses } from "../DepositKey.ts"
import * as Migrations from "./Migrations.ts"

const Row = Schema.Struct({
  number: Schema.Int,
  key: Schema.String,
  member: MemberId,
  asset: AssetCode,
  amount: Schema.BigIntFromString,
  transaction: Schema.NullOr(Schema.String),
  logIndex: Schema.NullOr(Schema.Int),
  isUndone: Schema.Boolean,
})
export type Kept = typeof Row.Type

/** What arrived: `key` is its own, where nobody asked for it. */
export interface Arrived {
  readonly key: string
  readonly member: MemberId
  readonly asset: AssetCode
  readonly amount: bigint
  readonly transaction: string
  readonly logIndex: number
  readonly blockHash: string
}

export interface Asked {
  readonly key: string
  readonly member: MemberId
  readonly asset: AssetCode
  readonly amount: bigint
}

export const unavailable = (): RailError =>
  new RailError({ reason: "Unavailable", detail: "The rail's store did not answer." })

const decodeRows = Schema.decodeUnknownEffect(Schema.Array(Row))
const decodeAddresses = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ member: MemberId, address: Address })))
const decodePlaces = Schema.decodeUnknownEffect(Schema.Array(Schema.Struct({ place: Schema.Int })))

const quietly = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, RailError, R> =>
  effect.pipe(
    Effect.tapError((error) => Effect.logDebug("The rail's store did not answer.", error)),
    Effect.mapError(unavailable),
  )

/** The book of a rail; creates its tables where they are missing. */
export const make = Effect.fnUntraced(function* (rail: string, addresses: Addresses) {
  const sql = yield* SqlClient.SqlClient
  yield* Effect.orDie(Migrations.run)

  const columns = sql`number::float8 AS number, key, member, asset, amount::text AS amount, transaction,
    log_index AS "logIndex", is_undone AS "isUndone"`
  // Numbers must become visible in their order, or who reads page by page misses one.
  const lock = sql`SELECT pg_advisory_xact_lock(hashtextextended(${`chain_evm_deposits ${rail}`}, 0))`

  const find = (key: string) =>
    sql`SELECT ${columns} FROM chain_evm_deposits WHERE rail = ${rail} AND key = ${key}`.pipe(
      Effect.flatMap(decodeRows),
      Effect.map(([row]) => row),
      quietly,
    )

  const addressOf = (member: MemberId) =>
    sql`SELECT member, address FROM chain_evm_deposit_addresses WHERE rail = ${rail} AND member = ${member}`.pipe(
      Effect.flatMap(decodeAddresses),
      Effect.map(([row]) => row?.address),
    )

  const assign = Effect.fnUntraced(function* (member: MemberId) {
    yield* lock
    const known = yield* addressOf(member)
    if (known !== undefined) return known
    const rows = yield* sql`SELECT coalesce(max(place) + 1, 0)::float8 AS place FROM chain_evm_deposit_addresses
      WHERE rail = ${rail}`
    const place = (yield* decodePlaces(rows))[0]?.place ?? 0
    const address = addresses(place)
    yield* sql`INSERT INTO chain_evm_deposit_addresses (rail, member, place, address)
      VALUES (${rail}, ${member}, ${`${place}`}::text::int, ${address})`
    return address
  })

  const insert = (row: Asked, arrived: Arrived | null) =>
    sql`INSERT INTO chain_evm_deposits (rail, key, member, asset, amount, transaction, log_index, block_hash)
      VALUES (${rail}, ${row.key}, ${row.member}, ${row.asset}, ${`${row.amount}`}::text::numeric,
        ${arrived === null ? null : arrived.transaction}::text, ${arrived === null ? null : `${arrived.logIndex}`}::text::int,
        ${arrived === null ? null : arrived.blockHash}::text)
      ON CONFLICT (rail, key) DO NOTHING`

  const settle = (number: number, { blockHash, logIndex, transaction }: Arrived) =>
    sql`UPDATE chain_evm_deposits SET transaction = ${transaction}, log_index = ${`${logIndex}`}::text::int,
      block_hash = ${blockHash}, is_undone = false
      WHERE rail = ${rail} AND number = ${`${number}`}::text::bigint`

  /**
   * A transfer that is final: one that is known already; one that was taken back and is there again, perhaps at another place in
   * its block; what the member asked for longest; or one that nobody asked for.
   */
  const credit = Effect.fnUntraced(function* (arrived: Arrived) {
    const { amount, asset, logIndex, member, transaction } = arrived
    yield* lock
    const rows = yield* sql`SELECT ${columns} FROM chain_evm_deposits WHERE rail = ${rail}
      AND transaction = ${transaction} ORDER BY number`
    const same = yield* decodeRows(rows)
    if (same.some((row) => row.logIndex === logIndex && !row.isUndone)) return
    const back = same.find(
      (row) => row.isUndone && row.member === member && row.asset === asset && row.amount === amount,
    )
    if (back !== undefined) return yield* Effect.asVoid(settle(back.number, arrived))
    const asked = yield* sql`SELECT ${columns} FROM chain_evm_deposits WHERE rail = ${rail} AND member = ${member}
      AND asset = ${asset} AND amount = ${`${amount}`}::text::numeric AND transaction IS NULL
      ORDER BY number LIMIT 1`
    const [first] = yield* decodeRows(asked)
    yield* first === undefined ? insert(arrived, arrived) : settle(first.number, arrived)
  })

  return {
    find,
    /** The address of a member, which is its own for good. */
    addressOf: (member: MemberId) =>
      quietly(
        Effect.flatMap(addressOf(member), (known) =>
          known === undefined ? sql.withTransaction(assign(member)) : Effect.succeed(known),
        ),
      ),
    /** Whose the addresses are. */
    members: sql`SELECT member, address FROM chain_evm_deposit_addresses WHERE rail = ${rail} ORDER BY place`.pipe(
      Effect.flatMap(decodeAddresses),
      quietly,
    ),
    ask: (asked: Asked) => quietly(sql.withTransaction(Effect.andThen(lock, insert(asked, null)))),
    credit: (arrived: Arrived) => quietly(sql.withTransaction(credit(arrived))),
    /** The chain took a transfer back: it stays as it is until it comes again. */
    takeBack: ({ logIndex, transaction }: Pick<Arrived, "transaction" | "logIndex">) =>
      quietly(
        Effect.map(
          sql`UPDATE chain_evm_deposits SET is_undone = true WHERE rail = ${rail} AND transaction = ${transaction}
            AND log_index = ${`${logIndex}`}::text::int RETURNING 1`,
          (rows) => rows.length > 0,
        ),
      ),
    /** What arrived after a number and is not in the books; not what the chain took back since. */
    due: (after: number, limit: number) =>
      sql`SELECT ${columns} FROM chain_evm_deposits WHERE rail = ${rail} AND number > ${`${after}`}::text::bigint
        AND transaction IS NOT NULL AND NOT is_posted AND NOT is_undone
        ORDER BY number LIMIT ${`${limit}`}::text::int`.pipe(Effect.flatMap(decodeRows), quietly),
    posted: (number: number) =>
      quietly(sql`UPDATE chain_evm_deposits SET is_posted = true
        WHERE rail = ${rail} AND number = ${`${number}`}::text::bigint`),
    page: (after: number, limit: number) =>
      sql`SELECT ${columns} FROM chain_evm_deposits WHERE rail = ${rail} AND number > ${`${after}`}::text::bigint
        ORDER BY number LIMIT ${`${limit}`}::text::int`.pipe(Effect.flatMap(decodeRows), quietly),
  }
})
