/**
 * What the gateway adds to a request: the same load on the provider itself, on a bare proxy, and on the gateway with
 * everything on, one after the other, on pinned cores.
 *
 * `npm run bench -- gateway [--json <file>] [--quick]`
 */
import path from "node:path"
import type { Options } from "../bench.ts"
import type { Outcome } from "./Load.ts"
import { quantile, run as load } from "./Load.ts"
import { cores as findCores, cpuUs, pin, rssMb, start } from "./Machine.ts"
import { startMarket } from "./Market.ts"
import { chunkCount } from "./Upstream.ts"

/** Something that answers, and the process whose CPU time counts; the provider itself is not measured. */
interface Target {
  readonly name: string
  readonly port: number
  readonly apiKey: string
  readonly pid: number | undefined
}

interface Measured {
  readonly busy: Outcome
  readonly calm: Outcome
  readonly streams: Outcome
  /** CPU of the target in microseconds, for each request of the busy phase and each event of the streams. */
  readonly requestUs: number
  readonly chunkUs: number
}

const paceMs = 10
const prompt = "Say a word, and then the same word again, as often as you can. ".repeat(14)
const body = (stream: boolean): string =>
  JSON.stringify({
    model: "bench/mock",
    messages: [{ role: "user", content: prompt }],
    max_tokens: 100,
    ...(stream ? { stream: true } : {}),
  })

const withCpu = async (
  pid: number | undefined,
  phase: () => Promise<Outcome>,
): Promise<readonly [outcome: Outcome, us: number]> => {
  const before = pid === undefined ? 0 : cpuUs(pid)
  const outcome = await phase()
  return [outcome, pid === undefined ? 0 : cpuUs(pid) - before]
}

/** The phases: warm up, as many requests as go through, one at a time, and streams side by side. */
const measure = async ({ apiKey, name, pid, port }: Target, { isQuick, progress }: Options): Promise<Measured> => {
  const scale = isQuick ? 0.3 : 1
  const plain = { port, apiKey, body: body(false) }
  progress(`${name}: warming up`)
  await load({ ...plain, connections: 32, durationMs: 3_000 * scale })
  progress(`${name}: as many requests as go through`)
  const [busy, busyUs] = await withCpu(pid, () => load({ ...plain, connections: 64, durationMs: 8_000 * scale }))
  progress(`${name}: one request at a time`)
  const calm = await load({ ...plain, connections: 1, durationMs: 5_000 * scale })
  progress(`${name}: 100 streams side by side, a chunk every ${paceMs} ms`)
  const streaming = { port, apiKey, body: body(true), connections: 100 }
  await load({ ...streaming, requestsEach: 1 })
  const [streams, streamUs] = await withCpu(pid, () => load({ ...streaming, requestsEach: isQuick ? 4 : 12 }))
  const events = streams.requests * (chunkCount + 2)
  return { busy, calm, streams, requestUs: busyUs / busy.requests, chunkUs: streamUs / events }
}

const perSecond = ({ durationMs, requests }: Outcome): number => requests / (durationMs / 1_000)

/** Runs the benchmark. */
export const run = async (options: Options): Promise<Readonly<Record<string, number>>> => {
  const cores = findCores()
  options.progress(
    cores === undefined
      ? "processes cannot be pinned here: the numbers will vary more"
      : `measured processes on core ${cores.measured}, everything else on ${cores.others}`,
  )
  if (cores !== undefined) pin(process.pid, cores.others)
  const upstream = await start(path.join(import.meta.dirname, "Upstream.ts"), [String(paceMs)], cores?.others)
  try {
    const origin = `http://127.0.0.1:${upstream.port}`
    const direct = await measure({ name: "direct", port: upstream.port, apiKey: "none", pid: undefined }, options)
    const proxy = await start(path.join(import.meta.dirname, "BareProxy.ts"), [origin], cores?.measured)
    const bare = await measure({ name: "bare", port: proxy.port, apiKey: "none", pid: proxy.pid }, options).finally(
      () => proxy.child.kill(),
    )
    const market = await startMarket(origin, cores, options.progress)
    try {
      const gateway = await measure({ name: "gateway", ...market }, options)
      return metrics(direct, bare, gateway, rssMb(market.pid))
    } finally {
      await market.stop()
    }
  } finally {
    upstream.child.kill()
  }
}

const metrics = (direct: Measured, bare: Measured, gateway: Measured, rss: number) => {
  const added = (share: number): number => quantile(gateway.calm.totalMs, share) - quantile(direct.calm.totalMs, share)
  return {
    direct_req_per_s: perSecond(direct.busy),
    bare_req_per_s: perSecond(bare.busy),
    gateway_req_per_s: perSecond(gateway.busy),
    bare_cpu_us: bare.requestUs,
    gateway_cpu_us: gateway.requestUs,
    cpu_ratio: gateway.requestUs / bare.requestUs,
    added_p50_ms: added(0.5),
    added_p99_ms: added(0.99),
    stream_added_ttft_p99_ms: quantile(gateway.streams.firstMs, 0.99) - quantile(direct.streams.firstMs, 0.99),
    stream_cpu_us_per_chunk: gateway.chunkUs,
    rss_mb: rss,
  }
}
