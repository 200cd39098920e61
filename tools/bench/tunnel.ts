/**
 * What a tunnel adds to a request, how many streams one core of a gateway carries through tunnels, and what an idle one
 * costs: the same provider is called and asked by tunnels, by turns, through the same gateway.
 *
 * `npm run bench -- tunnel [--json <file>] [--quick]`
 */
import { fork } from "node:child_process"
import { once } from "node:events"
import { loadavg } from "node:os"
import path from "node:path"
import type { Options } from "../bench.ts"
import { type Outcome, quantile, run as load } from "./Load.ts"
import { cores as findCores, cpuUs, pin } from "./Machine.ts"
import * as TunnelPage from "./TunnelPage.ts"
import * as TunnelProvider from "./TunnelProvider.ts"

type Way = "direct" | "tunnel"

/** Requests of many streams share this many tunnels: homes with a few requests each would only make more of them. */
const TUNNELS = 64
const STEPS = [500, 1_000, 1_500, 2_000, 2_500, 3_000]
/** A stream is as fast as people read, and a little more. */
const STEADY = { chunks: 30, paceMs: 100 }
/** A stream may take so much longer than its provider. */
const STRETCH_MAX = 1.2

const startGateway = async (origin: string, list: string | undefined) => {
  const file = path.join(import.meta.dirname, "TunnelGateway.ts")
  const child = fork(file, [origin], { execArgv: ["--conditions=@guildhall/source", "--expose-gc"] })
  const [port] = await once(child, "message")
  const pid = child.pid ?? 0
  if (list !== undefined) pin(pid, list)
  const post = async (where: string, body = ""): Promise<string> =>
    (await fetch(`http://127.0.0.1:${port}/${where}`, { method: "POST", body })).text()
  const join = async (count: number): Promise<ReadonlyArray<TunnelProvider.Key>> => {
    const keys = TunnelProvider.keys(count)
    await post("join", keys.map(({ publicKey }) => publicKey).join("\n"))
    return keys
  }
  const dialAll = async (keys: ReadonlyArray<TunnelProvider.Key>): Promise<ReadonlyArray<() => void>> => {
    const opened: Array<() => void> = []
    for (const key of keys) opened.push(await TunnelProvider.dial(Number(port), key))
    return opened
  }
  return { port: Number(port), pid, post, join, dialAll, stop: () => child.kill() }
}

type Gateway = Awaited<ReturnType<typeof startGateway>>

const streams = (gateway: Gateway, way: Way, wish: TunnelProvider.Wish, side: Partial<Parameters<typeof load>[0]>) =>
  load({
    port: gateway.port,
    apiKey: "none",
    headers: { "x-way": way },
    body: JSON.stringify({ ...wish, prompt: "word ".repeat(180) }),
    connections: 100,
    ...side,
  })

/** Both ways by turns, so that what else the machine does falls on both. */
const firstBytes = async (gateway: Gateway, { isQuick, progress }: Options) => {
  const found: Record<Way, Array<number>> = { direct: [], tunnel: [] }
  const wish = { chunks: 25, paceMs: 20 }
  for (let round = -1; round < (isQuick ? 2 : 10); round += 1) {
    progress(round < 0 ? "warming up" : `first bytes, round ${round + 1}`)
    const ways: ReadonlyArray<Way> = round % 2 === 0 ? ["direct", "tunnel"] : ["tunnel", "direct"]
    for (const way of ways) {
      const outcome = await streams(gateway, way, wish, { spreadMs: 500, requestsEach: round < 0 ? 10 : 4 })
      if (round >= 0) found[way].push(...outcome.firstMs)
    }
  }
  return found
}

const lengths = ({ firstMs, totalMs }: Outcome): ReadonlyArray<number> =>
  totalMs.map((total, at) => total - (firstMs[at] ?? 0))

/** How many streams side by side come in time and without a loss, and what a chunk costs the gateway then. */
const most = async (gateway: Gateway, way: Way, { isQuick, progress }: Options) => {
  const usualMs = (STEADY.chunks - 1) * STEADY.paceMs
  let [count, chunkUs] = [0, 0]
  for (const connections of STEPS) {
    progress(`${way}: ${connections} streams side by side`)
    const before = cpuUs(gateway.pid)
    const side = { connections, spreadMs: usualMs, requestsEach: isQuick ? 2 : 3 }
    const outcome = await streams(gateway, way, STEADY, side)
    const lost = outcome.requests * STEADY.chunks - outcome.frames
    const slowest = quantile(lengths(outcome), 0.99)
    progress(`${way}: p99 ${Math.round(slowest)} ms for ${usualMs}, ${lost} chunks lost`)
    chunkUs = (cpuUs(gateway.pid) - before) / outcome.frames
    if (lost > 0 || slowest > usualMs * STRETCH_MAX) break
    count = connections
  }
  return { count, chunkUs }
}

/** What a tunnel holds of a gateway's memory that has served nothing else. The first hundred bring the code that all need. */
const idleKb = async (list: string | undefined, { isQuick, progress }: Options): Promise<number> => {
  const count = isQuick ? 500 : 2_000
  progress(`${count} idle tunnels`)
  const gateway = await startGateway("http://127.0.0.1:1", list)
  try {
    await gateway.dialAll(await gateway.join(100))
    // What a market knows of a device is not the tunnel's.
    const keys = await gateway.join(count)
    const before = Number(await gateway.post("memory"))
    await gateway.dialAll(keys)
    return (Number(await gateway.post("memory")) - before) / 1_024 / count
  } finally {
    gateway.stop()
  }
}

/** Runs the benchmark. A full run also writes its figures into the documentation. */
export const run = async (options: Options): Promise<Readonly<Record<string, number>>> => {
  const { isQuick, progress } = options
  const cores = findCores()
  if (cores !== undefined) pin(process.pid, cores.others)
  const kb = await idleKb(cores?.measured, options)
  const provider = await TunnelProvider.listen()
  const gateway = await startGateway(provider.origin, cores?.measured)
  try {
    const busy = await gateway.dialAll(await gateway.join(TUNNELS))
    const found = await firstBytes(gateway, options)
    const direct = await most(gateway, "direct", options)
    const tunnel = await most(gateway, "tunnel", options)
    for (const close of busy) close()
    const metrics = {
      direct_ttft_p50_ms: quantile(found.direct, 0.5),
      direct_ttft_p99_ms: quantile(found.direct, 0.99),
      tunnel_ttft_p50_ms: quantile(found.tunnel, 0.5),
      tunnel_ttft_p99_ms: quantile(found.tunnel, 0.99),
      added_ttft_p50_ms: quantile(found.tunnel, 0.5) - quantile(found.direct, 0.5),
      added_ttft_p99_ms: quantile(found.tunnel, 0.99) - quantile(found.direct, 0.99),
      streams: tunnel.count,
      streams_direct: direct.count,
      // What the core's time would do if nothing else ran on the machine.
      streams_by_cpu: 1_000_000 / (tunnel.chunkUs * (1_000 / STEADY.paceMs)),
      cpu_us_per_chunk: tunnel.chunkUs,
      cpu_us_per_chunk_direct: direct.chunkUs,
      kb_per_idle_tunnel: kb,
      machine_load: loadavg()[0] ?? 0,
    }
    if (!isQuick) progress(`written: ${TunnelPage.write(metrics)}`)
    return metrics
  } finally {
    gateway.stop()
    provider.close()
  }
}
