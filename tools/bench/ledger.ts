/**
 * What durable postings cost, as a multiple of raw inserts on the same PostgreSQL; what several processes on one book
 * gain; what other ledgers on PostgreSQL do; and how fast all of it is verified. docs/ledger-performance.md says what
 * each figure means. A whole run also draws the chart and fills in the figures there.
 *
 * `[BENCH_PEERS=<folder>] npm run bench -- ledger [--json <file>] [--quick]`
 */
import type { LedgerError } from "@guildhall/ledger/LedgerError"
import type { Ledger } from "@guildhall/ledger/Ledger"
import * as Verify from "@guildhall/ledger/Verify"
import type * as Effect from "effect/Effect"
import type { Options } from "../bench.ts"
import * as Chart from "./LedgerChart.ts"
import type { Outcome } from "./LedgerClients.ts"
import * as Cluster from "./LedgerCluster.ts"
import * as Load from "./LedgerLoad.ts"
import * as Page from "./LedgerPage.ts"
import * as Peers from "./LedgerPeers.ts"
import * as Writers from "./LedgerWriters.ts"
import { quantile } from "./Load.ts"
import * as Yardstick from "./Yardstick.ts"

type Metrics = Readonly<Record<string, number>>

/** A load on the ledger of this process. */
interface Case {
  readonly name: string
  readonly callers: number
  readonly isHot: boolean
  readonly load: (size: Load.Size) => Effect.Effect<Outcome, LedgerError, Ledger>
}

const hotCallers = [1, 16, 64, 256, 1_024]

const makeCases = (cold: Load.Parties): ReadonlyArray<Case> => [
  ...hotCallers.map((callers) => ({
    name: `${callers} callers`,
    callers,
    isHot: true,
    load: (size: Load.Size) => Load.charges(Load.hot, size),
  })),
  { name: "256 callers, cold", callers: 256, isHot: false, load: (size) => Load.charges(cold, size) },
  { name: "256 callers, hold and post", callers: 256, isHot: false, load: (size) => Load.pairs(Load.hot, size) },
]

/** What came of a case, in one round or in several. */
interface Result {
  readonly ratio: number
  readonly perSecond: number
  readonly latenciesMs: ReadonlyArray<number>
  readonly cpuUsEach: number
  readonly total: number
  readonly bytes: number
  readonly rowsRead: number
}

const mean = (values: ReadonlyArray<number>): number => values.reduce((sum, value) => sum + value, 0) / values.length
const median = (values: ReadonlyArray<number>): number => quantile(values, 0.5)
const sum = (values: ReadonlyArray<number>): number => values.reduce((total, value) => total + value, 0)

const together = (rounds: ReadonlyArray<Result>): Result => ({
  ratio: median(rounds.map(({ ratio }) => ratio)),
  perSecond: median(rounds.map(({ perSecond }) => perSecond)),
  latenciesMs: rounds.flatMap(({ latenciesMs }) => latenciesMs),
  cpuUsEach: median(rounds.map(({ cpuUsEach }) => cpuUsEach)),
  total: sum(rounds.map(({ total }) => total)),
  bytes: sum(rounds.map(({ bytes }) => bytes)),
  rowsRead: sum(rounds.map(({ rowsRead }) => rowsRead)),
})

/** The yardstick before and after each load, so that what disturbs the machine meanwhile disturbs both. */
interface Ruler {
  readonly raws: ReadonlyArray<number>
  /** By the number of connections. */
  readonly survey: ReadonlyMap<number, number>
  readonly against: <A>(load: () => Promise<A>) => Promise<readonly [measured: A, raw: number]>
}

const makeRuler = async (server: Cluster.Server, { isQuick, progress }: Options): Promise<Ruler> => {
  const sliceMs = isQuick ? 600 : 2_000
  const yardstick = await Yardstick.make(await server.database("yardstick"))
  const survey = await Yardstick.survey(yardstick, sliceMs)
  const [connections, perSecond] = [...survey].reduce((best, each) => (each[1] > best[1] ? each : best))
  progress(`raw inserts: ${Math.round(perSecond)}/s, best on ${connections} connections`)
  const raws = [perSecond]
  return {
    raws,
    survey,
    against: async (load) => {
      const before = raws.at(-1) ?? perSecond
      const measured = await load()
      const after = await yardstick.run(connections, sliceMs)
      raws.push(after.perSecond)
      return [measured, mean([before, after.perSecond])]
    },
  }
}

/** What the database's tables and indexes take, and how many of their rows were read so far. */
interface Tables {
  readonly bytes: number
  readonly rowsRead: number
}

const tablesOf = async (url: string): Promise<Tables> => {
  const { rows } = await Cluster.execute(
    url,
    `SELECT sum(pg_total_relation_size(relid))::text AS bytes,
       sum(COALESCE(seq_tup_read, 0) + COALESCE(idx_tup_fetch, 0))::text AS rows_read FROM pg_stat_user_tables`,
  )
  return { bytes: Number(rows[0]?.["bytes"]), rowsRead: Number(rows[0]?.["rows_read"]) }
}

interface Setting {
  readonly options: Options
  readonly ruler: Ruler
  readonly url: string
  readonly books: Load.Books
}

const runCase = async ({ callers, load, name }: Case, { books, options, ruler, url }: Setting): Promise<Result> => {
  const durationMs = options.isQuick ? 1_600 : 4_000
  const before = await tablesOf(url)
  const [outcome, raw] = await ruler.against(() => books.runPromise(load({ callers, durationMs })))
  const transfers = outcome.perSecond * Load.transfersEach
  const [p50, p99] = [quantile(outcome.latenciesMs, 0.5), quantile(outcome.latenciesMs, 0.99)]
  options.progress(
    `${name}: ${Math.round(outcome.perSecond)} postings/s, ${Math.round(transfers)} transfers/s ` +
      `(${(transfers / raw).toFixed(2)} of ${Math.round(raw)} raw), p50 ${p50.toFixed(1)} ms, p99 ${p99.toFixed(1)} ms`,
  )
  const after = await tablesOf(url)
  return {
    ratio: transfers / raw,
    perSecond: outcome.perSecond,
    latenciesMs: outcome.latenciesMs,
    cpuUsEach: outcome.cpuUs / outcome.count,
    total: outcome.total,
    bytes: after.bytes - before.bytes,
    rowsRead: after.rowsRead - before.rowsRead,
  }
}

/** All cases in turn, as often as there are rounds. */
const runCases = async (cases: ReadonlyArray<Case>, setting: Setting): Promise<ReadonlyMap<Case, Result>> => {
  const results = new Map<Case, ReadonlyArray<Result>>()
  for (let round = setting.options.isQuick ? 1 : 3; round > 0; round--) {
    for (const each of cases) results.set(each, [...(results.get(each) ?? []), await runCase(each, setting)])
  }
  return new Map([...results].map(([each, rounds]) => [each, together(rounds)]))
}

const metricsOf = (results: ReadonlyMap<Case, Result>): Metrics => {
  const hot = [...results].filter(([{ isHot }]) => isHot)
  const [cold, pairs] = [...results].filter(([{ isHot }]) => !isHot).map(([, result]) => result)
  const hot256 = hot.find(([{ callers }]) => callers === 256)?.[1]
  if (cold === undefined || pairs === undefined || hot256 === undefined) throw new Error("A case was not measured.")
  const each = hot.flatMap(([{ callers }, { cpuUsEach, latenciesMs, perSecond, ratio }]) => [
    [`ratio_${callers}`, ratio],
    [`p50_ms_${callers}`, quantile(latenciesMs, 0.5)],
    [`p99_ms_${callers}`, quantile(latenciesMs, 0.99)],
    [`postings_per_s_${callers}`, perSecond],
    [`cpu_us_per_posting_${callers}`, cpuUsEach],
  ])
  const postings = sum(hot.map(([, { total }]) => total))
  return {
    ...Object.fromEntries(each),
    transfers_per_s_256: hot256.perSecond * Load.transfersEach,
    cold_ratio_256: cold.ratio,
    hot_cold: hot256.ratio / cold.ratio,
    hold_post_ratio_256: pairs.ratio,
    hold_post_pairs_per_s_256: pairs.perSecond,
    hold_post_p50_ms_256: quantile(pairs.latenciesMs, 0.5),
    hold_post_p99_ms_256: quantile(pairs.latenciesMs, 0.99),
    cpu_us_per_pair_256: pairs.cpuUsEach,
    bytes_per_transfer: sum(hot.map(([, { bytes }]) => bytes)) / (postings * Load.transfersEach),
    // A plan that reads a table from end to end shows here before it shows in the time.
    rows_read_per_posting: sum(hot.map(([, { rowsRead }]) => rowsRead)) / postings,
    rows_read_per_pair: pairs.rowsRead / pairs.total,
    bytes_per_pair: pairs.bytes / pairs.total,
  }
}

const groups = [
  [1, "one_writer_ratio"],
  [2, "two_writers_ratio"],
  [4, "four_writers_ratio"],
] as const

/** Another gateway helps while it adds a tenth to what all of them do together. */
const helpsFrom = 1.1

/** One, two and four processes on one book, each with 256 callers. */
const runWriters = async ({ options, ruler, url }: Setting, postings: (count: number) => void): Promise<Metrics> => {
  const durationMs = options.isQuick ? 1_000 : 4_000
  const metrics: Record<string, number> = {}
  let knee = { processes: 0, perSecond: 0 }
  for (const [processes, name] of groups) {
    const writers = await Writers.start(
      url,
      Array.from({ length: processes }, () => 1),
    )
    try {
      const [charges, raw] = await ruler.against(() => writers.run({ load: "charges", callers: 256, durationMs }))
      const [pairs] = await ruler.against(() => writers.run({ load: "pairs", callers: 256, durationMs }))
      postings(charges.total + pairs.total)
      const ratio = (charges.perSecond * Load.transfersEach) / raw
      options.progress(
        `${processes} processes on one book: ${ratio.toFixed(2)} of raw, ${Math.round(pairs.perSecond)} requests/s`,
      )
      metrics[name] = ratio
      metrics[`pairs_per_s_${processes}`] = pairs.perSecond
      if (pairs.perSecond > knee.perSecond * helpsFrom) knee = { processes, perSecond: pairs.perSecond }
    } finally {
      await writers.stop()
    }
  }
  return { ...metrics, knee_requests_per_s: knee.perSecond, knee_processes: knee.processes }
}

/** Two processes, each on a book of its own. */
const runBooks = async ({ options, ruler, url }: Setting): Promise<Metrics> => {
  const second = Load.open(url, 2)
  await second.runPromise(Load.prepare(Load.hot)).finally(() => second.dispose())
  const writers = await Writers.start(url, [1, 2])
  try {
    const durationMs = options.isQuick ? 1_000 : 4_000
    const [charges, raw] = await ruler.against(() => writers.run({ load: "charges", callers: 256, durationMs }))
    const ratio = (charges.perSecond * Load.transfersEach) / raw
    options.progress(`2 processes on two books: ${ratio.toFixed(2)} of raw`)
    return { two_books_ratio: ratio }
  } finally {
    await writers.stop()
  }
}

const runVerify = async ({ books, options: { progress } }: Setting): Promise<number> => {
  const began = performance.now()
  const { postings } = await books.runPromise(Verify.verify())
  const seconds = (performance.now() - began) / 1_000
  progress(`verified ${postings} postings in ${seconds.toFixed(1)} s`)
  return seconds
}

const runAll = async (server: Cluster.Server, options: Options): Promise<Metrics> => {
  const ruler = await makeRuler(server, options)
  const url = await server.database("ledger")
  const books = Load.open(url, 1)
  try {
    const setting = { options, ruler, url, books }
    const cold = Load.cold(options.isQuick ? 2_500 : 10_000)
    const funded = (await books.runPromise(Load.prepare(Load.hot))) + (await books.runPromise(Load.prepare(cold)))
    options.progress("accounts are open")
    const results = await runCases(makeCases(cold), setting)
    let postings = sum([...results.values()].map(({ total }) => total))
    const writers = await runWriters(setting, (count) => (postings += count))
    const verifySeconds = await runVerify(setting)
    const twoBooks = await runBooks(setting)
    const peers = await Peers.measure(server, options.isQuick ? 1_500 : 5_000, options.progress)
    const raw = median(ruler.raws)
    const own = metricsOf(results)
    const hot = own["transfers_per_s_256"] ?? Number.NaN
    return {
      raw_per_s: raw,
      ...Object.fromEntries([...ruler.survey].map(([connections, each]) => [`raw_per_s_${connections}`, each])),
      ...own,
      ...writers,
      two_writers_gain: (writers["two_writers_ratio"] ?? Number.NaN) / (writers["one_writer_ratio"] ?? Number.NaN),
      ...twoBooks,
      ...(peers.pgledgerHot === undefined
        ? {}
        : { pgledger_hot_per_s: peers.pgledgerHot, vs_pgledger_hot: hot / peers.pgledgerHot }),
      ...(peers.tbperfBatched === undefined
        ? {}
        : { tbperf_batched_per_s: peers.tbperfBatched, vs_tbperf_batched: hot / peers.tbperfBatched }),
      verify_per_s: (postings * Load.transfersEach + funded) / verifySeconds,
    }
  } finally {
    await books.dispose()
  }
}

/** Runs the benchmark. */
export const run = async (options: Options): Promise<Metrics> => {
  const server = await Cluster.start()
  try {
    const metrics = await runAll(server, options)
    if (!options.isQuick)
      options.progress(`written to ${Chart.write(metrics)} and ${Page.write(metrics, server.version)}`)
    return metrics
  } finally {
    await server.stop()
  }
}
