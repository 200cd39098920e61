/**
 * The store of what was sent, in PostgreSQL. The row of an account is locked from the choice of a nonce until the signed
 * transaction is on the disk, so processes that share a key take turns.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as Semaphore from "effect/Semaphore"
import type * as Migrator from "effect/sql/Migrator"
import * as SqlClient from "effect/sql/SqlClient"
import * as SqlError from "effect/sql/SqlError"
import { Address } from "@guildhall/chain/Address"
import * as Migrations from "./internal/Migrations.ts"
import { SenderError, StoreAway } from "./SenderError.ts"
import * as SenderStore from "./SenderStore.ts"

type Order = SenderStore.Order
type Sending = SenderStore.Sending

const Wei = Schema.BigIntFromString
const Bytes = Schema.TemplateLiteral(["0x", Schema.String])

const PriceJson = Schema.Union([
  Schema.Struct({ style: Schema.Literal("eip1559"), maxFeeWei: Wei, tipWei: Wei }),
  Schema.Struct({ style: Schema.Literal("legacy"), priceWei: Wei }),
])

const PlaceJson = Schema.Struct({ hash: Bytes, blockNumber: Wei, blockHash: Schema.String, isDone: Schema.Boolean })

const Row = Schema.Struct({
  chainId: Schema.Int,
  idempotencyKey: Schema.String,
  content: Schema.String,
  by: Address,
  to: Schema.NullOr(Address),
  data: Bytes,
  valueWei: Wei,
  gas: Wei,
  nonce: Schema.Int,
  state: Schema.Literals(["Pending", "Included", "Confirmed", "Final"]),
  place: Schema.NullOr(PlaceJson),
  versions: Schema.Array(Schema.Struct({ raw: Bytes, hash: Bytes, price: PriceJson, signedAtMs: Schema.Int })),
})

const decode = Schema.decodeUnknownEffect(Schema.Array(Row))
const encodePrice = Schema.encodeSync(PriceJson)
const encodePlace = Schema.encodeSync(PlaceJson)

const away = (cause: unknown) => new SenderError({ reason: new StoreAway({ cause }) })

const isOurs = (error: unknown): error is SenderError => error instanceof SenderError

/**
 * Whatever the database says but for what was signed is the same to a caller: no answer. A connection that was lost fails twice: its
 * statement with an error, and then the rollback, which `withTransaction` takes for a defect.
 */
const orAway = <A, E, R>(effect: Effect.Effect<A, E, R>): Effect.Effect<A, SenderError, R> =>
  Effect.catchDefect(
    Effect.mapError(effect, (error) => (isOurs(error) ? error : away(error))),
    (defect) => (SqlError.isSqlError(defect) ? Effect.fail(away(defect)) : Effect.die(defect)),
  )

/** A whole number for a column of type bigint: the driver would send it as a float. */
const int8 = (value: number): string => `${value}`

const json = (value: unknown): string => JSON.stringify(value)

/** A transaction may stand still for so long: longer than a signer elsewhere takes for its answer. */
const STILL_MS = 15_000

const isTaken = (error: unknown): boolean => SqlError.isSqlError(error) && error.reason._tag === "UniqueViolation"

/**
 * Creates the tables that are missing, and keeps what was sent in them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* Migrations.run

  const select = sql`SELECT s.chain_id::float8 AS "chainId", s.idempotency_key AS "idempotencyKey", s.content,
    s.address AS "by", s.target AS "to", '0x' || encode(s.data, 'hex') AS data, s.value_wei::text AS "valueWei",
    s.gas::text AS gas, s.nonce::float8 AS nonce, s.state, s.place,
    coalesce((SELECT jsonb_agg(jsonb_build_object('raw', '0x' || encode(v.raw, 'hex'), 'hash',
      '0x' || encode(v.hash, 'hex'), 'price', v.price, 'signedAtMs', v.signed_at_ms) ORDER BY v.number)
      FROM chain_evm_versions v WHERE v.chain_id = s.chain_id AND v.idempotency_key = s.idempotency_key),
      '[]'::jsonb) AS versions
    FROM chain_evm_sendings s`

  const find = Effect.fnUntraced(function* (chainId: number, key: string) {
    const rows = yield* sql`${select} WHERE s.chain_id = ${int8(chainId)}::text::bigint AND s.idempotency_key = ${key}`
    const [sending] = yield* decode(rows)
    return sending
  })

  const turns = new Map<string, Semaphore.Semaphore>()
  /** One of this process at a time waits for an account's row: no burst takes all connections, and who stands still holds it once. */
  const inTurn = <A, E, R>({ by, chainId }: Order, effect: Effect.Effect<A, E, R>) => {
    const name = `${chainId} ${by}`
    const turn = turns.get(name) ?? Semaphore.makeUnsafe(1)
    turns.set(name, turn)
    return turn.withPermits(1)(effect)
  }

  /**
   * The next nonce of an account, with its row locked until the transaction ends. A process that stands still meanwhile is put off,
   * and what it would have signed was never there: the others wait for no longer than that.
   */
  const lock = Effect.fnUntraced(function* ({ by, chainId }: Order) {
    yield* sql`SELECT set_config('idle_in_transaction_session_timeout', ${`${STILL_MS}`}, true)`
    yield* sql`INSERT INTO chain_evm_accounts (chain_id, address, next_nonce) VALUES (${int8(chainId)}::text::bigint, ${by}, 0)
      ON CONFLICT DO NOTHING`
    const [row] = yield* sql<{ readonly next: number }>`SELECT next_nonce::float8 AS next FROM chain_evm_accounts
      WHERE chain_id = ${int8(chainId)}::text::bigint AND address = ${by} FOR UPDATE`
    return row?.next ?? 0
  })

  const advance = ({ by, chainId }: Order, nonce: number) =>
    sql`UPDATE chain_evm_accounts SET next_nonce = greatest(next_nonce, ${int8(nonce + 1)}::text::bigint)
      WHERE chain_id = ${int8(chainId)}::text::bigint AND address = ${by}`

  const addVersion = ({ chainId, idempotencyKey }: Order, number: number, version: SenderStore.Version) =>
    sql`INSERT INTO chain_evm_versions (chain_id, idempotency_key, number, hash, raw, price, signed_at_ms)
      VALUES (${int8(chainId)}::text::bigint, ${idempotencyKey}, ${number}, decode(${version.hash.slice(2)}::text, 'hex'),
        decode(${version.raw.slice(2)}::text, 'hex'), ${json(encodePrice(version.price))}::text::jsonb,
        ${int8(version.signedAtMs)}::text::bigint)`

  const insert = (order: Order, nonce: number) =>
    sql`INSERT INTO chain_evm_sendings
      (chain_id, idempotency_key, content, address, target, data, value_wei, gas, nonce, state)
      VALUES (${int8(order.chainId)}::text::bigint, ${order.idempotencyKey}, ${order.content}, ${order.by}, ${order.to},
        decode(${order.data.slice(2)}::text, 'hex'), ${`${order.valueWei}`}::text::numeric,
        ${`${order.gas}`}::text::numeric, ${int8(nonce)}::text::bigint, 'Pending')`

  const open = Effect.fnUntraced(function* (order: Order, wanted: SenderStore.Wanted, sign: SenderStore.Sign) {
    const next = yield* lock(order)
    const there = yield* find(order.chainId, order.idempotencyKey)
    if (there !== undefined) return { sending: there, isNew: false }
    const nonce = "exact" in wanted ? wanted.exact : Math.max(next, wanted.least)
    // What cannot be inserted must not be signed: a signature is a promise.
    yield* insert(order, nonce)
    const version = yield* sign(nonce)
    yield* addVersion(order, 1, version)
    yield* advance(order, nonce)
    const sending: Sending = { ...order, nonce, state: "Pending", place: null, versions: [version] }
    return { sending, isNew: true }
  })

  /** The sending as it is now, if it is still pending under the nonce that was known. */
  const pending = Effect.fnUntraced(function* (known: Sending) {
    const now = (yield* find(known.chainId, known.idempotencyKey)) ?? known
    return { now, isPending: now.state === "Pending" && now.nonce === known.nonce }
  })

  const replace = Effect.fnUntraced(function* (known: Sending, sign: SenderStore.Sign) {
    yield* lock(known)
    const { isPending, now } = yield* pending(known)
    if (!isPending || now.versions.length !== known.versions.length) return now
    const version = yield* sign(now.nonce)
    yield* addVersion(now, now.versions.length + 1, version)
    return { ...now, versions: [...now.versions, version] }
  })

  const forget = ({ chainId, idempotencyKey }: Order, butHash: string | undefined) =>
    sql`DELETE FROM chain_evm_versions WHERE chain_id = ${int8(chainId)}::text::bigint
      AND idempotency_key = ${idempotencyKey} AND hash <> decode(${(butHash ?? "0x").slice(2)}::text, 'hex')`

  const renumber = Effect.fnUntraced(function* (known: Sending, least: number, sign: SenderStore.Sign) {
    const next = yield* lock(known)
    const { isPending, now } = yield* pending(known)
    if (!isPending) return now
    const nonce = Math.max(next, least)
    const version = yield* sign(nonce)
    yield* forget(now, undefined)
    yield* addVersion(now, 1, version)
    yield* sql`UPDATE chain_evm_sendings SET nonce = ${int8(nonce)}::text::bigint
      WHERE chain_id = ${int8(now.chainId)}::text::bigint AND idempotency_key = ${now.idempotencyKey}`
    yield* advance(now, nonce)
    return { ...now, nonce, versions: [version] }
  })

  const mark = Effect.fnUntraced(function* (known: Sending, state: SenderStore.State, place: SenderStore.Place | null) {
    const isFinal = state === "Final"
    const rows = yield* sql`UPDATE chain_evm_sendings SET state = ${state},
        place = ${place === null ? null : json(encodePlace(place))}::text::jsonb,
        data = CASE WHEN ${isFinal} THEN ''::bytea ELSE data END
      WHERE chain_id = ${int8(known.chainId)}::text::bigint AND idempotency_key = ${known.idempotencyKey}
        AND state = ${known.state} AND nonce = ${int8(known.nonce)}::text::bigint
        AND place->>'hash' IS NOT DISTINCT FROM ${known.place?.hash ?? null} RETURNING 1`
    if (rows.length === 0) return false
    if (isFinal) yield* forget(known, place?.hash)
    return true
  })

  return SenderStore.SenderStore.of({
    find: (chainId, key) => orAway(find(chainId, key)),
    open: (order, wanted, sign) =>
      inTurn(order, sql.withTransaction(open(order, wanted, sign))).pipe(
        Effect.catchIf(
          (error) => "exact" in wanted && isTaken(error),
          () => Effect.undefined,
        ),
        orAway,
      ),
    replace: (known, sign) => orAway(inTurn(known, sql.withTransaction(replace(known, sign)))),
    renumber: (known, least, sign) => orAway(inTurn(known, sql.withTransaction(renumber(known, least, sign)))),
    mark: (known, state, place) => orAway(sql.withTransaction(mark(known, state, place))),
    watched: (chainId) =>
      orAway(
        Effect.flatMap(
          sql`${select} WHERE s.chain_id = ${int8(chainId)}::text::bigint AND s.state <> 'Final'
            ORDER BY s.address, s.nonce`,
          decode,
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
export const layer: Layer.Layer<
  SenderStore.SenderStore,
  SqlError.SqlError | Migrator.MigrationError,
  SqlClient.SqlClient
> = Layer.effect(SenderStore.SenderStore, make)
