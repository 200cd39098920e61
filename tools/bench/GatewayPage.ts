/**
 * The figures in docs/gateway-performance.md: the tables between their two marks, from what was measured.
 */
import * as FiguresPage from "./FiguresPage.ts"

type Metrics = Readonly<Record<string, number>>

const number = (value: number | undefined, digits: number): string =>
  value === undefined || !Number.isFinite(value)
    ? ""
    : value.toLocaleString("en-US", { minimumFractionDigits: digits, maximumFractionDigits: digits })

const servers: ReadonlyArray<readonly [label: string, rate: string, cpu: string, chunk: string]> = [
  ["Guildhall, everything on", "gateway_req_per_s", "gateway_cpu_us", "stream_cpu_us_per_chunk"],
  ["node:http + undici, bare", "bare_req_per_s", "bare_cpu_us", "bare_cpu_us_per_chunk"],
  ["nginx", "peer_nginx_req_per_s", "peer_nginx_cpu_us", "peer_nginx_cpu_us_per_chunk"],
  ["haproxy", "peer_haproxy_req_per_s", "peer_haproxy_cpu_us", "peer_haproxy_cpu_us_per_chunk"],
  ["fastify http-proxy", "peer_fastify_req_per_s", "peer_fastify_cpu_us", "peer_fastify_cpu_us_per_chunk"],
  ["Portkey 1.15", "peer_portkey_req_per_s", "peer_portkey_cpu_us", "peer_portkey_cpu_us_per_chunk"],
]

const side = (metrics: Metrics): string =>
  FiguresPage.table(
    ["Server, on one core", "requests/s", "CPU µs/request", "CPU µs/chunk"],
    servers.flatMap(([label, rate, cpu, chunk]) =>
      metrics[rate] === undefined
        ? []
        : [[label, number(metrics[rate], 0), number(metrics[cpu], 0), number(metrics[chunk], 1)]],
    ),
  )

const targets: ReadonlyArray<readonly [what: string, metric: string, target: string, digits: number]> = [
  ["CPU of a request, times the bare proxy's", "cpu_ratio", "≤ 4", 1],
  ["Requests/s that a core's CPU time allows", "gateway_req_per_core_s", "≥ 5,000", 0],
  ["Requests/s on this machine, its database beside it", "gateway_req_per_s", "", 0],
  ["Added by the gateway at 20 ms upstream, p50 ms", "added_p50_ms", "≤ 0.4", 2],
  ["Added by the gateway at 20 ms upstream, p99 ms", "added_p99_ms", "≤ 3", 2],
  ["Added at an instant upstream, p50 ms", "instant_added_p50_ms", "", 2],
  ["of it the commit of the hold, p50 ms", "commit_p50_ms", "", 2],
  ["Added to the first token, p99 ms", "stream_added_ttft_p99_ms", "≤ 2", 2],
  ["The same where 100 ask in one moment", "burst_added_ttft_p99_ms", "", 2],
  ["CPU of a streamed chunk, µs", "stream_cpu_us_per_chunk", "≤ 35", 1],
  ["Streams of 20 ms chunks on a core", "streams_per_core", "≥ 400", 0],
  ["Frames lost", "frames_lost", "0", 0],
  ["Memory of an idle gateway, MB", "rss_idle_mb", "", 0],
  ["Memory under 100 streams, MB", "rss_mb", "≤ 250", 0],
  ["Its growth, extrapolated, MB/h", "rss_growth_mb_per_h", "0", 0],
]

const own = (metrics: Metrics): string =>
  FiguresPage.table(
    ["Figure", "measured", "target"],
    targets.map(([what, metric, target, digits]) => [what, number(metrics[metric], digits), target]),
  )

/** Writes the figures into the page and answers where. */
export const write = (metrics: Metrics): string => {
  const page = "docs/gateway-performance.md"
  const where = `Measured on ${FiguresPage.processor()}: what is measured has one of them, all else shares the rest.`
  FiguresPage.write(page, [where, own(metrics), side(metrics)])
  return page
}
