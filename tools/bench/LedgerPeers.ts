/**
 * Other ledgers on PostgreSQL, on the same server and through the same driver. Their SQL is not ours to carry: it is
 * read from the folder that `BENCH_PEERS` names, and what is not there is left out.
 *
 * - pgledger (github.com/pgr0ss/pgledger): `pgledger.sql` and its two ULID files, anywhere in the folder.
 * - tb-perf (github.com/softwaremill/tb-perf): `init-postgresql.sql`, anywhere in the folder.
 */
import { PgClient } from "@effect/sql-pg"
import * as Effect from "effect/Effect"
import * as Redacted from "effect/Redacted"
import * as SqlClient from "effect/sql/SqlClient"
import type { SqlError } from "effect/sql/SqlError"
import { globSync, readFileSync } from "node:fs"
import path from "node:path"
import type { Server } from "./LedgerCluster.ts"
import { drive } from "./LedgerClients.ts"

/** Transfers per second of those whose SQL was found. */
export interface Peers {
  readonly pgledgerHot?: number
  readonly tbperfBatched?: number
}

interface Context {
  readonly server: Server
  readonly folder: string
  readonly durationMs: number
  readonly progress: (text: string) => void
}

const partyCount = 1_000
const transfersEach = 3

/** The scripts of these names, in this order; undefined if one is missing. */
const scripts = (folder: string, names: ReadonlyArray<string>): ReadonlyArray<string> | undefined => {
  const found = names.map((name) => globSync(`**/${name}`, { cwd: folder })[0])
  const texts = found.flatMap((file) => (file === undefined ? [] : [readFileSync(path.join(folder, file), "utf8")]))
  return texts.length === names.length ? texts : undefined
}

const on = <A>(
  url: string,
  maxConnections: number,
  effect: Effect.Effect<A, SqlError, SqlClient.SqlClient>,
): Promise<A> => Effect.runPromise(Effect.provide(effect, PgClient.layer({ url: Redacted.make(url), maxConnections })))

/** Runs scripts whole: the driver sends one statement at a time, and a block may execute many. */
const load = (url: string, texts: ReadonlyArray<string>): Promise<void> =>
  on(
    url,
    1,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      for (const text of texts) yield* sql.unsafe(`DO $block$ BEGIN EXECUTE $script$${text}$script$; END $block$`)
    }),
  )

const best = async (
  progress: (text: string) => void,
  trials: ReadonlyArray<readonly [name: string, run: () => Promise<number>]>,
): Promise<number> => {
  let highest = 0
  for (const [name, run] of trials) {
    const perSecond = await run()
    progress(`${name}: ${Math.round(perSecond)} transfers/s`)
    highest = Math.max(highest, perSecond)
  }
  return highest
}

const createTransfers = `
  SELECT count(*) FROM pgledger_create_transfers(transfer_requests => ARRAY[
    ($1::text, $2::text, 2350000003)::transfer_request,
    ($1::text, $3::text, 125000000)::transfer_request,
    ($1::text, $4::text, 25000000)::transfer_request], event_at => NULL)`

/** A charge in pgledger: three transfers in one call, two of them to accounts that everybody pays into. */
const pgledger = async ({ durationMs, folder, progress, server }: Context): Promise<number | undefined> => {
  const texts = scripts(folder, ["ulid-to-uuid.sql", "uuid-to-ulid.sql", "pgledger.sql"])
  if (texts === undefined) return undefined
  const url = await server.database("pgledger")
  await load(url, texts)
  const ids = await on(
    url,
    1,
    Effect.gen(function* () {
      const sql = yield* SqlClient.SqlClient
      const rows = yield* sql.unsafe<{ readonly id: string }>(
        `SELECT a.id FROM generate_series(1, ${2 * partyCount + 2}) AS n,
          LATERAL pgledger_create_account('bench ' || n, 'USD') AS a`,
      )
      return rows.map(({ id }) => id)
    }),
  )
  const [feeId, insuranceId, ...parties] = ids
  let turn = 0
  const step = (sql: SqlClient.SqlClient) =>
    Effect.suspend(() => {
      turn += 1
      const buyer = parties[turn % partyCount]
      const provider = parties[partyCount + ((turn * 617) % partyCount)]
      return sql.unsafe(createTransfers, [buyer, provider, feeId, insuranceId])
    })
  const trial = (callers: number, connections: number) => async () => {
    const charges = Effect.flatMap(SqlClient.SqlClient, (sql) =>
      drive({ callers, warmMs: 400, durationMs, step: () => step(sql) }),
    )
    return (await on(url, connections, charges)).perSecond * transfersEach
  }
  return best(progress, [
    ["pgledger, hot, 16 callers on 16 connections", trial(16, 16)],
    ["pgledger, hot, 256 callers on 32 connections", trial(256, 32)],
  ])
}

/** Charges in tb-perf's batches, one connection as its own harness has it, since two of them would deadlock. */
const tbperf = async ({ durationMs, folder, progress, server }: Context): Promise<number | undefined> => {
  const texts = scripts(folder, ["init-postgresql.sql"])
  if (texts === undefined) return undefined
  const url = await server.database("tbperf")
  await load(url, [
    ...texts,
    `INSERT INTO accounts SELECT n, 1000000000000000000 FROM generate_series(1, ${2 * partyCount}) AS n`,
    `INSERT INTO accounts VALUES (${2 * partyCount + 1}, 0), (${2 * partyCount + 2}, 0)`,
  ])
  let turn = 0
  const charge = (): ReadonlyArray<readonly [from: number, to: number, amount: number]> => {
    turn += 1
    const buyer = 1 + (turn % partyCount)
    const provider = 1 + partyCount + ((turn * 617) % partyCount)
    return [
      [buyer, provider, 2_350_000],
      [buyer, 2 * partyCount + 1, 125_000],
      [buyer, 2 * partyCount + 2, 25_000],
    ]
  }
  const trial = (charges: number) => async () => {
    const batch = Effect.fnUntraced(function* (sql: SqlClient.SqlClient) {
      const transfers = Array.from({ length: charges }, charge).flat()
      const lists = [0, 1, 2].map((at) => `{${transfers.map((transfer) => transfer[at]).join(",")}}`)
      const [row] = yield* sql.unsafe<{ readonly failed: bigint }>(
        `SELECT count(*) FILTER (WHERE code <> 0) AS failed
         FROM unnest(batch_transfers($1::text::bigint[], $2::text::bigint[], $3::text::bigint[])) AS code`,
        lists,
      )
      if (Number(row?.failed) !== 0) return yield* Effect.die(new Error("tb-perf's batch refused a transfer."))
    })
    const batches = Effect.flatMap(SqlClient.SqlClient, (sql) =>
      drive({ callers: 1, warmMs: 400, durationMs, step: () => batch(sql) }),
    )
    return (await on(url, 1, batches)).perSecond * charges * transfersEach
  }
  return best(progress, [
    ["tb-perf, batches of 201", trial(67)],
    ["tb-perf, batches of 999", trial(333)],
  ])
}

/** Measures those whose SQL is in the folder that `BENCH_PEERS` names, and says which are left out. */
export const measure = async (server: Server, durationMs: number, progress: (text: string) => void): Promise<Peers> => {
  const folder = process.env["BENCH_PEERS"]
  if (folder === undefined || folder === "") {
    progress("pgledger and tb-perf are left out: BENCH_PEERS names no folder with their SQL")
    return {}
  }
  const context = { server, folder, durationMs, progress }
  const pgledgerHot = await pgledger(context)
  if (pgledgerHot === undefined) progress(`pgledger is left out: ${folder} lacks pgledger.sql or its two ULID files`)
  const tbperfBatched = await tbperf(context)
  if (tbperfBatched === undefined) progress(`tb-perf is left out: ${folder} lacks init-postgresql.sql`)
  return {
    ...(pgledgerHot === undefined ? {} : { pgledgerHot }),
    ...(tbperfBatched === undefined ? {} : { tbperfBatched }),
  }
}
