/**
 * What the gateway adds to a request: the same load on the provider itself, on a bare proxy, on other gateways, and on ours
 * with everything on and a thousand instances to choose from, one after the other, on pinned cores.
 *
 * `npm run bench -- gateway [--json <file>] [--quick]`. `BENCH_PEERS` names a folder with other gateways (GatewayPeers.ts).
 */
import path from "node:path"
import type { Options } from "../bench.ts"
import * as GatewayChart from "./GatewayChart.ts"
import * as GatewayPage from "./GatewayPage.ts"
import * as GatewayPeers from "./GatewayPeers.ts"
import { framesLost, type Measured, measure, memory, type Pace, streamsPerCore } from "./GatewayPhases.ts"
import { type Outcome, quantile } from "./Load.ts"
import { type Cores, cores as findCores, pin, rssMb, start } from "./Machine.ts"
import { startMarket } from "./Market.ts"

const INSTANCES = 1_000

const perSecond = ({ durationMs, requests }: Outcome): number => requests / (durationMs / 1_000)

type Metrics = Readonly<Record<string, number>>

const gatewayAt = async (origin: string, cores: Cores | undefined, { isQuick, progress }: Options, pace: Pace) => {
  const market = await startMarket(origin, { cores, progress, instances: INSTANCES })
  try {
    const target = { name: "gateway", ...market }
    const idleMb = rssMb(market.pid)
    const measured = await measure(target, pace)
    progress(`gateway: memory under 100 streams`)
    const held = await memory(target, market.pid, isQuick ? 8_000 : 120_000)
    const streams = await streamsPerCore(target, pace)
    return { measured, held, streams, idleMb }
  } finally {
    await market.stop()
  }
}

type Gateway = Awaited<ReturnType<typeof gatewayAt>>

const peersAt = async (origin: string, cores: Cores | undefined, pace: Pace): Promise<Metrics> => {
  const found: Record<string, number> = {}
  for (const here of GatewayPeers.find()) {
    const peer = await here.start(origin, cores?.measured)
    try {
      const { busy, chunkUs, requestUs } = await measure(peer, pace)
      found[`peer_${here.name}_req_per_s`] = perSecond(busy)
      found[`peer_${here.name}_cpu_us`] = requestUs
      if (peer.noStreams === undefined) found[`peer_${here.name}_cpu_us_per_chunk`] = chunkUs
    } finally {
      await peer.stop()
    }
  }
  return found
}

/** Runs the benchmark. A full run also writes the chart and the figures into the documentation. */
export const run = async (options: Options): Promise<Metrics> => {
  const { isQuick, progress } = options
  const cores = findCores()
  progress(
    cores === undefined
      ? "processes cannot be pinned here: the numbers will vary more"
      : `measured processes on core ${cores.measured}, everything else on ${cores.others}`,
  )
  if (cores !== undefined) pin(process.pid, cores.others)
  const pace = { progress, scale: isQuick ? 0.3 : 1 }
  const upstream = await start(path.join(import.meta.dirname, "Upstream.ts"), [], cores?.others)
  try {
    const origin = `http://127.0.0.1:${upstream.port}`
    const direct = await measure({ name: "direct", port: upstream.port, apiKey: "none", pid: undefined }, pace)
    const proxy = await start(path.join(import.meta.dirname, "BareProxy.ts"), [origin], cores?.measured)
    const bare = await measure({ name: "bare", port: proxy.port, apiKey: "none", pid: proxy.pid }, pace).finally(() =>
      proxy.child.kill(),
    )
    const peers = await peersAt(origin, cores, pace)
    const gateway = await gatewayAt(origin, cores, options, pace)
    const metrics = { ...metricsOf(direct, bare, gateway), ...peers }
    if (!isQuick) progress(`written: ${GatewayPage.write(metrics)}, ${GatewayChart.write(metrics)}`)
    return metrics
  } finally {
    upstream.child.kill()
  }
}

const NOTHING: ReadonlyArray<number> = []

const metricsOf = (direct: Measured, bare: Measured, { held, idleMb, measured: own, streams }: Gateway) => {
  const added = (phase: "calm" | "instant", share: number): number =>
    quantile(own[phase].totalMs, share) - quantile(direct[phase].totalMs, share)
  const first = (outcome: Outcome | undefined): number => quantile(outcome?.firstMs ?? NOTHING, 0.99)
  return {
    direct_req_per_s: perSecond(direct.busy),
    bare_req_per_s: perSecond(bare.busy),
    gateway_req_per_s: perSecond(own.busy),
    // What one core would do if nothing else were waited for: the database and the clients share the other cores.
    gateway_req_per_core_s: 1_000_000 / own.requestUs,
    bare_cpu_us: bare.requestUs,
    gateway_cpu_us: own.requestUs,
    cpu_ratio: own.requestUs / bare.requestUs,
    added_p50_ms: added("calm", 0.5),
    added_p99_ms: added("calm", 0.99),
    instant_added_p50_ms: added("instant", 0.5),
    instant_added_p99_ms: added("instant", 0.99),
    // The provider's 20 ms hide the hold's commit; without them it is all that is waited for.
    commit_p50_ms: added("instant", 0.5) - added("calm", 0.5),
    stream_added_ttft_p99_ms: first(own.streams) - first(direct.streams),
    burst_added_ttft_p99_ms: first(own.burst) - first(direct.burst),
    stream_cpu_us_per_chunk: own.chunkUs,
    bare_cpu_us_per_chunk: bare.chunkUs,
    streams_per_core: streams.most,
    frames_lost: streams.lost + held.lost + (own.streams === undefined ? 0 : framesLost(own.streams)),
    rss_idle_mb: idleMb,
    rss_mb: held.mb,
    rss_growth_mb_per_h: held.growthMbPerH,
  }
}
