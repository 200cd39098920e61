/**
 * Members and keys in PostgreSQL. Of a secret only its SHA-256 is stored.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Member } from "@guildhall/core/Member"
import * as RegistryTables from "./internal/RegistryTables.ts"
import { corrupt, unavailable } from "./internal/Unavailable.ts"
import { ApiKey, KEYS_MAX, make as makeMembers, Members, type MemberStore } from "./Members.ts"
import type { RegistryError } from "./RegistryError.ts"

const decodeMembers = Schema.decodeUnknownEffect(Schema.Array(Member))
const decodeChanged = Schema.decodeUnknownEffect(Schema.Array(ApiKey))
// Terms that a later version gave, and this one does not know, are no reason to let everything through.
const decodeKeys = Schema.decodeUnknownEffect(Schema.Array(ApiKey), { onExcessProperty: "error" })
const decodeHash = Schema.decodeUnknownEffect(Schema.Struct({ secretSha256: Schema.String }))

/** Reads rows with a decoder; what does not decode is a row that nobody can read. */
const reading =
  <A>(decode: (rows: unknown) => Effect.Effect<ReadonlyArray<A>, Schema.SchemaError>) =>
  (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>): Effect.Effect<ReadonlyArray<A>, RegistryError> =>
    rows.pipe(
      Effect.mapError(unavailable),
      Effect.flatMap((found) => Effect.mapError(decode(found), corrupt)),
    )
const readMembers = reading(decodeMembers)
const readKeys = reading(decodeKeys)

/** The row that an insert met or made is there; if not, it was deleted by hand in between. */
const theRow = <A>(rows: ReadonlyArray<A>): Effect.Effect<A, RegistryError> =>
  rows[0] === undefined
    ? Effect.fail(corrupt(new Error("A row is gone right after it was written.")))
    : Effect.succeed(rows[0])

/** The key that a statement changed, with the hash of its secret. */
const changed = Effect.fnUntraced(function* (statement: Effect.Effect<ReadonlyArray<unknown>, SqlError>) {
  const rows = yield* Effect.mapError(statement, unavailable)
  const [key] = yield* Effect.mapError(decodeChanged(rows), corrupt)
  if (key === undefined) return undefined
  const { secretSha256 } = yield* Effect.mapError(decodeHash(rows[0]), corrupt)
  return { key, hash: secretSha256 }
})

const makeStore = (sql: SqlClient.SqlClient): MemberStore => {
  const memberColumns = sql.literal(`id, name, created_at_ms::float8 AS "createdAtMs"`)
  const keyColumns = sql.literal(`id, member_id AS "memberId", name, role, data_collection AS "dataCollection", terms,
    created_at_ms::float8 AS "createdAtMs", revoked_at_ms::float8 AS "revokedAtMs"`)
  const withHash = sql`${keyColumns}, secret_sha256 AS "secretSha256"`
  return {
    insertMember: Effect.fnUntraced(function* (member) {
      yield* sql`INSERT INTO registry_members (id, name, created_at_ms)
        VALUES (${member.id}, ${member.name}, ${`${member.createdAtMs}`}::text::bigint) ON CONFLICT (id) DO NOTHING`.pipe(
        Effect.mapError(unavailable),
      )
      return yield* theRow(
        yield* readMembers(sql`SELECT ${memberColumns} FROM registry_members WHERE id = ${member.id}`),
      )
    }),
    findMember: (id) =>
      Effect.map(readMembers(sql`SELECT ${memberColumns} FROM registry_members WHERE id = ${id}`), (rows) => rows[0]),
    insertKey: Effect.fnUntraced(function* (key, hash) {
      yield* sql`INSERT INTO registry_keys (id, member_id, name, role, data_collection, terms, secret_sha256,
          created_at_ms)
        VALUES (${key.id}, ${key.memberId}, ${key.name}, ${key.role}, ${key.dataCollection},
          ${JSON.stringify(key.terms)}::text::jsonb, ${hash}, ${`${key.createdAtMs}`}::text::bigint)
        ON CONFLICT (secret_sha256) DO NOTHING`.pipe(Effect.mapError(unavailable))
      return yield* theRow(yield* readKeys(sql`SELECT ${keyColumns} FROM registry_keys WHERE secret_sha256 = ${hash}`))
    }),
    revokeKey: (id, atMs) =>
      changed(sql`UPDATE registry_keys SET revoked_at_ms = COALESCE(revoked_at_ms, ${`${atMs}`}::text::bigint)
        WHERE id = ${id} RETURNING ${withHash}`),
    setTerms: (id, terms) =>
      changed(sql`UPDATE registry_keys SET terms = ${JSON.stringify(terms)}::text::jsonb
        WHERE id = ${id} RETURNING ${withHash}`),
    keyByHash: (hash) =>
      Effect.map(
        readKeys(sql`SELECT ${keyColumns} FROM registry_keys WHERE secret_sha256 = ${hash}`),
        (rows) => rows[0],
      ),
    keysOf: (memberId) =>
      readKeys(
        sql`SELECT ${keyColumns} FROM registry_keys WHERE member_id = ${memberId} ORDER BY number DESC LIMIT ${KEYS_MAX}`,
      ),
  }
}

/**
 * Creates the tables that are missing, and answers members over them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make: Effect.Effect<Members["Service"], RegistryError, SqlClient.SqlClient> = Effect.gen(function* () {
  const sql = yield* SqlClient.SqlClient
  yield* RegistryTables.migrate
  return yield* makeMembers(makeStore(sql))
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer: Layer.Layer<Members, RegistryError, SqlClient.SqlClient> = Layer.effect(Members, make)
