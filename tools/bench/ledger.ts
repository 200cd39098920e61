/**
 * What durable postings cost, as a multiple of raw inserts on the same PostgreSQL.
 *
 * `npm run bench -- ledger [--json <file>] [--quick]`
 */
import type { Options } from "../bench.ts"
import { quantile } from "./Load.ts"
import * as Cluster from "./LedgerCluster.ts"
import * as Load from "./LedgerLoad.ts"
import * as Yardstick from "./Yardstick.ts"

const callersOf = [1, 16, 64, 256, 1_024]

const mean = (values: ReadonlyArray<number>): number => values.reduce((sum, value) => sum + value, 0) / values.length

/** Runs the benchmark. */
export const run = async ({ isQuick, progress }: Options): Promise<Readonly<Record<string, number>>> => {
  const durationMs = isQuick ? 2_000 : 6_000
  const sliceMs = isQuick ? 700 : 2_000
  const server = await Cluster.start()
  try {
    const yardstick = await Yardstick.make(await server.database("yardstick"))
    const connections = await Yardstick.best(yardstick, sliceMs)
    progress(`yardstick: best on ${connections} connections`)
    const books = Load.open(await server.database("ledger"))
    try {
      await books.runPromise(Load.prepare(Load.hot))
      const metrics: Record<string, number> = {}
      let before = await yardstick.run(connections, sliceMs)
      const raws = [before.perSecond]
      for (const callers of callersOf) {
        const { count, cpuUs, latenciesMs, perSecond } = await books.runPromise(
          Load.charges(Load.hot, { callers, durationMs }),
        )
        const after = await yardstick.run(connections, sliceMs)
        const raw = mean([before.perSecond, after.perSecond])
        before = after
        raws.push(after.perSecond)
        metrics[`ratio_${callers}`] = (perSecond * Load.transfersEach) / raw
        metrics[`p50_ms_${callers}`] = quantile(latenciesMs, 0.5)
        metrics[`p99_ms_${callers}`] = quantile(latenciesMs, 0.99)
        metrics[`postings_per_s_${callers}`] = perSecond
        metrics[`cpu_us_per_posting_${callers}`] = cpuUs / count
        progress(
          `${callers} callers: ${Math.round(perSecond)} postings/s, ${Math.round(perSecond * 3)} transfers/s, raw ${Math.round(raw)}`,
        )
      }
      return { raw_per_s: mean(raws), ...metrics }
    } finally {
      await books.dispose()
    }
  } finally {
    await server.stop()
  }
}
