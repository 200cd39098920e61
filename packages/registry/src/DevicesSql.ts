/**
 * Devices in PostgreSQL. One row holds the newest version; whoever changes instances locks it until the change is
 * committed, so versions become visible in the order of their numbers, and a reader that has seen one has seen all
 * before it. Beats that change nothing do not touch it.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Layer from "effect/Layer"
import * as Schema from "effect/Schema"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { Device, type DeviceId, DevicePublicKey, DeviceStatus } from "@guildhall/core/Device"
import { EntryState } from "@guildhall/core/EntryVerification"
import { Instance, InstanceId, InstanceState } from "@guildhall/core/Instance"
import { Maintenance } from "@guildhall/core/Maintenance"
import { MemberId } from "@guildhall/core/Member"
import * as ProviderRails from "@guildhall/core/ProviderRails"
import * as DeviceStore from "./DeviceStore.ts"
import { Devices, make as makeDevices, type Options } from "./Devices.ts"
import * as DeviceKeysSql from "./internal/DeviceKeysSql.ts"
import * as RegistryTables from "./internal/RegistryTables.ts"
import { corrupt, unavailable } from "./internal/Unavailable.ts"
import type { RegistryError } from "./RegistryError.ts"

/**
 * The channel on which PostgreSQL tells of every change of an instance, once it is committed.
 *
 * @category constants
 * @since 0.1.0
 */
export const CHANNEL = "guildhall_registry"

const InstanceRows = Schema.Array(
  Schema.Struct({
    instance: Schema.toCodecJson(Instance),
    listed: Schema.Boolean,
    version: Schema.Int,
    termsVersion: Schema.Int,
    lastBeatAtMs: Schema.Int,
    registeredAtMs: Schema.Int,
    entry: Schema.NullOr(EntryState),
    rails: Schema.NullOr(ProviderRails.Settings),
  }),
)

/** Runs a query and reads its rows; rows that do not decode are rows that nobody can read. */
const reading = <S extends Schema.Codec<unknown, unknown>>(schema: S) => {
  const decode = Schema.decodeUnknownEffect(schema)
  return (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>): Effect.Effect<S["Type"], RegistryError> =>
    rows.pipe(
      Effect.mapError(unavailable),
      Effect.flatMap((found) => Effect.mapError(decode(found), corrupt)),
    )
}
const readEntries = reading(InstanceRows)
/** An instance of which no checks were asked has no entry in its row either; the same holds for rails of which nothing was set. */
const readInstances = (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
  Effect.map(readEntries(rows), (found) =>
    found.map(({ entry, rails, ...row }): DeviceStore.InstanceRow => ({
      ...row,
      ...(entry === null ? {} : { entry }),
      ...(rails === null ? {} : { rails }),
    })),
  )
const readMemberRails = reading(Schema.Array(Schema.Struct({ rails: DeviceStore.MemberRails })))
/** A device without a key has none in its row either. */
const keyColumn = { publicKey: Schema.NullOr(DevicePublicKey) }
const readDeviceRows = reading(Schema.Array(Schema.Struct({ ...DeviceStore.DeviceRow.fields, ...keyColumn })))
const readDevices = reading(Schema.Array(Schema.Struct({ ...Device.fields, ...keyColumn })))
const ofRow = <A extends object>({ publicKey, ...row }: A & { readonly publicKey: DevicePublicKey | null }) =>
  publicKey === null ? row : { ...row, publicKey }
const readTouched = reading(
  Schema.Array(Schema.Struct({ id: InstanceId, state: InstanceState, maintenance: Schema.NullOr(Maintenance) })),
)
const readStates = (rows: Effect.Effect<ReadonlyArray<unknown>, SqlError>) =>
  Effect.map(readTouched(rows), (found) =>
    found.map(({ maintenance, ...row }) => (maintenance === null ? row : { ...row, maintenance })),
  )
const readStatuses = reading(Schema.Array(Schema.Struct({ id: Device.fields.id, status: DeviceStatus })))
const readCount = reading(Schema.Array(Schema.Struct({ count: Schema.Int })))
const readVersion = reading(Schema.Array(Schema.Struct({ version: Schema.Int })))
const readUse = reading(Schema.Array(Schema.Struct({ revoked: Schema.Boolean, used: Schema.Boolean })))

/** Numbers leave PostgreSQL as doubles, which hold every version and time exactly. */
const INSTANCE_COLUMNS = `terms || jsonb_build_object('state', state) AS instance, listed, version::float8 AS version,
  terms_version::float8 AS "termsVersion", last_beat_at_ms::float8 AS "lastBeatAtMs",
  registered_at_ms::float8 AS "registeredAtMs", entry, rails`

const DEVICES = "registry_devices d LEFT JOIN registry_sequences s ON s.device_id = d.id"
const DEVICE_COLUMNS = `d.id, d.member_id AS "memberId", d.public_key AS "publicKey", d.state, d.facts, s.status,
  GREATEST(COALESCE(s.sequence, 0), 0)::float8 AS sequence, COALESCE(s.seen_at_ms, 0)::float8 AS "lastSeenAtMs"`

const int8 = (value: number): string => `${value}`

const makeSequences = (sql: SqlClient.SqlClient): Pick<DeviceStore.DeviceStore, "useSequence" | "forgetSequences"> => ({
  useSequence: Effect.fnUntraced(function* (id, sequence, atMs) {
    const [row] = yield* readUse(sql`
      WITH revoked AS (SELECT 1 FROM registry_devices WHERE id = ${id} AND state = 'revoked'),
      used AS (
        INSERT INTO registry_sequences AS s (device_id, sequence, seen_at_ms)
        SELECT ${id}::text, ${int8(sequence)}::text::bigint, ${int8(atMs)}::text::bigint
        WHERE NOT EXISTS (SELECT 1 FROM revoked)
        ON CONFLICT (device_id) DO UPDATE SET sequence = excluded.sequence, seen_at_ms = excluded.seen_at_ms
        WHERE s.sequence < excluded.sequence
        RETURNING 1
      )
      SELECT EXISTS (SELECT 1 FROM revoked) AS revoked, EXISTS (SELECT 1 FROM used) AS used`)
    return row?.revoked === true ? "revoked" : row?.used === true ? "used" : "replayed"
  }),
  forgetSequences: (beforeMs) =>
    sql`DELETE FROM registry_sequences s WHERE s.seen_at_ms < ${int8(beforeMs)}::text::bigint
      AND NOT EXISTS (SELECT 1 FROM registry_devices d WHERE d.id = s.device_id)`.pipe(
      Effect.mapError(unavailable),
      Effect.asVoid,
    ),
})

const readOwner = reading(Schema.Array(Schema.Struct({ memberId: MemberId })))

/** A member's claims come one after the other, so that two at once do not both take its last free place. */
const makeClaimName = (sql: SqlClient.SqlClient): DeviceStore.DeviceStore["claimName"] =>
  Effect.fnUntraced(
    function* (name, memberId, most) {
      const find = readOwner(sql`SELECT member_id AS "memberId" FROM registry_provider_names WHERE name = ${name}`)
      const [known] = yield* find
      if (known !== undefined) return known.memberId === memberId ? "own" : "taken"
      yield* Effect.mapError(sql`SELECT pg_advisory_xact_lock(hashtextextended(${memberId}::text, 0))`, unavailable)
      yield* Effect.mapError(
        sql`INSERT INTO registry_provider_names (name, member_id)
          SELECT ${name}::text, ${memberId}::text
          WHERE (SELECT count(*) FROM registry_provider_names WHERE member_id = ${memberId}) < ${most}::int
          ON CONFLICT (name) DO NOTHING`,
        unavailable,
      )
      const [owner] = yield* find
      return owner === undefined ? "full" : owner.memberId === memberId ? "own" : "taken"
    },
    sql.withTransaction,
    Effect.catchTag("SqlError", (error) => Effect.fail(unavailable(error))),
  )

const makeWrite = (sql: SqlClient.SqlClient) => {
  const device = (row: DeviceStore.DeviceRow) => sql`
    INSERT INTO registry_devices (id, member_id, public_key, state, facts)
    VALUES (${row.id}, ${row.memberId}, ${row.publicKey ?? null}, ${row.state}, ${JSON.stringify(row.facts)}::text::jsonb)
    ON CONFLICT (id) DO UPDATE SET state = excluded.state, public_key = excluded.public_key, facts = excluded.facts`

  const instance = (row: DeviceStore.InstanceRow, terms: string) => sql`
    INSERT INTO registry_instances AS i
      (id, device_id, terms, state, listed, version, terms_version, last_beat_at_ms, registered_at_ms, entry, rails)
    VALUES (${row.instance.id}, ${row.instance.deviceId}, ${terms}::text::jsonb, ${row.instance.state}, ${row.listed},
      ${int8(row.version)}::text::bigint, ${int8(row.termsVersion)}::text::bigint,
      ${int8(row.lastBeatAtMs)}::text::bigint, ${int8(row.registeredAtMs)}::text::bigint,
      ${row.entry ?? null}, ${row.rails === undefined ? null : JSON.stringify(row.rails)}::text::jsonb)
    ON CONFLICT (id) DO UPDATE SET terms = excluded.terms, state = excluded.state, listed = excluded.listed,
      version = excluded.version, terms_version = excluded.terms_version,
      last_beat_at_ms = GREATEST(i.last_beat_at_ms, excluded.last_beat_at_ms),
      registered_at_ms = excluded.registered_at_ms, entry = excluded.entry, rails = excluded.rails`

  return Effect.fnUntraced(function* (change: DeviceStore.Change, rows: ReadonlyArray<DeviceStore.InstanceRow>) {
    if (change.device !== undefined) yield* Effect.mapError(device(change.device), unavailable)
    for (const row of rows) {
      const terms = JSON.stringify(yield* Effect.mapError(DeviceStore.encodeInstance(row.instance), corrupt))
      yield* Effect.mapError(instance(row, terms), unavailable)
    }
  })
}

/** Whoever counts holds the version, so that two that register at once do not both take the last place. */
const othersOf = (sql: SqlClient.SqlClient, member: MemberId, device: DeviceId) =>
  Effect.map(
    readCount(sql`
      SELECT count(DISTINCT i.device_id)::float8 AS count
      FROM registry_devices d JOIN registry_instances i ON i.device_id = d.id
      WHERE d.member_id = ${member} AND d.id <> ${device} AND i.listed`),
    ([row]) => row?.count ?? 0,
  )

const railsOf = (sql: SqlClient.SqlClient, member: MemberId) =>
  Effect.map(
    readMemberRails(sql`SELECT rails FROM registry_member_rails WHERE member_id = ${member}`),
    ([row]) => row?.rails ?? DeviceStore.NO_RAILS,
  )

/** Whoever listens hears of it when it is committed. */
const tell = (sql: SqlClient.SqlClient, last: number, next: number) =>
  next > last
    ? Effect.mapError(
        sql`WITH told AS (SELECT pg_notify(${CHANNEL}, ''))
          UPDATE registry_version SET version = ${int8(next)}::text::bigint FROM told`,
        unavailable,
      )
    : Effect.void

/** Who holds the version is alone: no instance of the member comes or goes until its rails are written. */
const makeRails = (sql: SqlClient.SqlClient): Pick<DeviceStore.DeviceStore, "rails" | "changeRails"> => {
  const held = Effect.fnUntraced(function* (member: MemberId) {
    const rails = yield* railsOf(sql, member)
    const instances = yield* readInstances(sql`
      SELECT ${sql.literal(INSTANCE_COLUMNS)} FROM registry_instances WHERE listed AND device_id IN
        (SELECT id FROM registry_devices WHERE member_id = ${member}) ORDER BY id`)
    return { rails, instances }
  })
  return {
    rails: held,
    changeRails: (member, rule) =>
      Effect.gen(function* () {
        const [newest] = yield* readVersion(sql`SELECT version::float8 AS version FROM registry_version FOR UPDATE`)
        const last = newest?.version ?? 0
        const before = yield* held(member)
        const change = yield* Effect.fromResult(rule(before))
        const numbered = DeviceStore.number(last, before.instances, change)
        yield* sql`INSERT INTO registry_member_rails (member_id, rails)
          VALUES (${member}, ${JSON.stringify(change.rails)}::text::jsonb)
          ON CONFLICT (member_id) DO UPDATE SET rails = excluded.rails`
        const rows = numbered.rows.map(({ instance, rails = null, termsVersion, version }) => ({
          id: instance.id,
          rails,
          version,
          terms_version: termsVersion,
        }))
        yield* sql`UPDATE registry_instances i
          SET rails = r.rails, version = r.version, terms_version = r.terms_version
          FROM jsonb_to_recordset(${JSON.stringify(rows)}::text::jsonb)
            AS r(id text, rails jsonb, version bigint, terms_version bigint)
          WHERE i.id = r.id AND i.version <> r.version`
        yield* tell(sql, last, numbered.last)
      }).pipe(
        sql.withTransaction,
        Effect.catchTag("SqlError", (error) => Effect.fail(unavailable(error))),
      ),
  }
}

const makeChange = (sql: SqlClient.SqlClient): DeviceStore.DeviceStore["change"] => {
  const write = makeWrite(sql)
  return (about, rule) => {
    const deviceId =
      "device" in about
        ? sql`${about.device}`
        : sql`(SELECT device_id FROM registry_instances WHERE id = ${about.instance})`
    return Effect.gen(function* () {
      const [newest] = yield* readVersion(sql`SELECT version::float8 AS version FROM registry_version FOR UPDATE`)
      const last = newest?.version ?? 0
      const [found] = yield* readDeviceRows(sql`
        SELECT id, member_id AS "memberId", public_key AS "publicKey", state, facts FROM registry_devices
        WHERE id = ${deviceId}`)
      const device = found === undefined ? undefined : ofRow(found)
      const instances = yield* readInstances(sql`
        SELECT ${sql.literal(INSTANCE_COLUMNS)} FROM registry_instances WHERE device_id = ${deviceId} ORDER BY id FOR UPDATE`)
      const isMember = "device" in about && about.member !== undefined
      const isNew = isMember && !instances.some(({ listed }) => listed)
      const others = isNew ? yield* othersOf(sql, about.member, about.device) : 0
      const rails = isMember ? yield* railsOf(sql, about.member) : undefined
      const change = yield* Effect.fromResult(rule({ device, instances, others, rails }))
      const numbered = DeviceStore.number(last, instances, change)
      yield* write(change, numbered.rows)
      yield* tell(sql, last, numbered.last)
    }).pipe(
      sql.withTransaction,
      Effect.catchTag("SqlError", (error) => Effect.fail(unavailable(error))),
    )
  }
}

const makeStore = (sql: SqlClient.SqlClient): DeviceStore.DeviceStore => {
  const instanceColumns = sql.literal(INSTANCE_COLUMNS)
  return {
    ...makeSequences(sql),
    ...DeviceKeysSql.make(sql),
    claimName: makeClaimName(sql),
    device: (id: DeviceId) =>
      Effect.map(
        readDevices(sql`SELECT ${sql.literal(DEVICE_COLUMNS)} FROM ${sql.literal(DEVICES)} WHERE d.id = ${id}`),
        ([row]) => (row === undefined ? undefined : ofRow(row)),
      ),
    devices: (ids) =>
      Effect.map(
        readDevices(sql`SELECT ${sql.literal(DEVICE_COLUMNS)} FROM ${sql.literal(DEVICES)}
          WHERE d.id IN (SELECT jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb))`),
        (rows) => new Map(rows.map((row) => [row.id, ofRow(row)])),
      ),
    devicesOf: (member, most) =>
      Effect.map(
        readDevices(sql`SELECT ${sql.literal(DEVICE_COLUMNS)} FROM ${sql.literal(DEVICES)}
          WHERE d.member_id = ${member} ORDER BY d.id LIMIT ${most}::int`),
        (rows) => rows.map(ofRow),
      ),
    statuses: Effect.map(
      readStatuses(sql`SELECT s.device_id AS id, s.status FROM registry_sequences s JOIN registry_devices d ON d.id = s.device_id
        WHERE s.status IS NOT NULL`),
      (rows) => new Map(rows.map(({ id, status }) => [id, status])),
    ),
    change: makeChange(sql),
    ...makeRails(sql),
    // Rows are locked in the order of their ids, here and in a change, so that two of them never wait for each other.
    touch: (device, ids, atMs) =>
      readStates(sql`
        WITH beating AS (
          SELECT id FROM registry_instances WHERE device_id = ${device} AND listed
            AND id IN (SELECT jsonb_array_elements_text(${JSON.stringify(ids)}::text::jsonb))
          ORDER BY id FOR UPDATE
        )
        UPDATE registry_instances i SET last_beat_at_ms = GREATEST(last_beat_at_ms, ${int8(atMs)}::text::bigint)
        FROM beating WHERE i.id = beating.id
        RETURNING i.id, i.state, i.terms->'maintenance' AS maintenance`),
    listed: readInstances(sql`SELECT ${instanceColumns} FROM registry_instances WHERE listed ORDER BY version`),
    since: Effect.fnUntraced(function* (after) {
      // Read before the rows: what is committed in between has a higher version and comes again.
      const [newest] = yield* readVersion(sql`SELECT version::float8 AS version FROM registry_version`)
      const version = newest?.version ?? 0
      const rows = yield* readInstances(sql`SELECT ${instanceColumns} FROM registry_instances
        WHERE version > ${int8(after)}::text::bigint ORDER BY version`)
      return { version: Math.max(version, rows.at(-1)?.version ?? 0), rows }
    }),
  }
}

/**
 * Creates the tables that are missing, and answers devices over them.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = Effect.fnUntraced(function* (options: Options) {
  const sql = yield* SqlClient.SqlClient
  yield* RegistryTables.migrate
  return yield* makeDevices(makeStore(sql), options)
})

/**
 * {@link make} as a layer.
 *
 * @category layers
 * @since 0.1.0
 */
export const layer = (options: Options): Layer.Layer<Devices, RegistryError, SqlClient.SqlClient> =>
  Layer.effect(Devices, make(options))
