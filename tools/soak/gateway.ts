/**
 * Steady traffic for a long time: every request is answered, memory does not grow, and in the end the books balance. Then
 * crashes at places drawn by lot, after which no charge and no claim is lost, and none is there twice.
 *
 * `npm run soak -- gateway [--quick]`. Other luck: `LANE_SEED=<number>`.
 */
import { spawn, spawnSync } from "node:child_process"
import { once } from "node:events"
import path from "node:path"
import { run as load } from "../bench/Load.ts"
import { rssMb, start } from "../bench/Machine.ts"
import type { Market } from "../bench/Market.ts"
import { startMarket } from "../bench/Market.ts"
import type { Options } from "../soak.ts"
import { root } from "../Workspace.ts"

const body = (stream: boolean): string =>
  JSON.stringify({ model: "bench/mock", stream, messages: [{ role: "user", content: "Say a word." }], max_tokens: 100 })

/** Answers and streams at once, for a while; any answer but 200 ends it with an error. */
const traffic = async ({ apiKey, port }: Market, durationMs: number): Promise<number> => {
  const [answers, streams] = await Promise.all([
    load({ port, apiKey, body: body(false), connections: 16, durationMs }),
    load({ port, apiKey, body: body(true), connections: 16, durationMs }),
  ])
  return answers.requests + streams.requests
}

const verify = (home: string): string => {
  const program = path.join(root, "apps/reference-gateway/src/main.ts")
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    ["--conditions=@guildhall/source", program, "ledger", "verify"],
    { encoding: "utf8", env: { ...process.env, GUILDHALL_HOME: home } },
  )
  if (status !== 0) throw new Error(`The books do not balance:\n${stdout}${stderr}`)
  return stdout.trim().split("\n").at(-1) ?? ""
}

/** Of what failed, so much is shown. */
const OUTPUT_MAX = 20_000

/** Crashes a market under traffic so many times; answers what was counted. */
const crash = async (times: number): Promise<string> => {
  const vitest = path.join(root, "node_modules/vitest/vitest.mjs")
  const file = "apps/reference-gateway/test/laneRandom.test.ts"
  const child = spawn(process.execPath, [vitest, "run", "--reporter=dot", file], {
    cwd: root,
    env: { ...process.env, LANE_CRASHES: String(times), NO_COLOR: "1" },
    stdio: ["ignore", "pipe", "pipe"],
  })
  const output: Array<Buffer> = []
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => output.push(chunk))
  const [code] = await once(child, "close")
  const text = Buffer.concat(output).toString()
  if (code !== 0) throw new Error(text.slice(0, OUTPUT_MAX))
  return text.split("\n").find((line) => line.startsWith("figures: ")) ?? "no figures were printed"
}

/** A heap grows into what it is given before it is collected; below this, growth says nothing. */
const ordinaryMb = 512

/** Runs the soak: steady traffic, and then crashes. */
export const run = async (options: Options): Promise<void> => {
  await steady(options)
  const times = options.isQuick ? 5 : 100
  options.progress(`crashing a market ${times} times`)
  options.progress(await crash(times))
}

/** A warm-up, then rounds of traffic in which memory may not grow by more than a quarter. */
const steady = async ({ isQuick, progress }: Options): Promise<void> => {
  const upstream = await start(path.join(import.meta.dirname, "../bench/Upstream.ts"), [], undefined)
  try {
    const market = await startMarket(`http://127.0.0.1:${upstream.port}`, {
      cores: undefined,
      progress,
      instances: 100,
    })
    try {
      const [rounds, durationMs] = isQuick ? [2, 4_000] : [10, 60_000]
      await traffic(market, durationMs)
      const warmMb = rssMb(market.pid)
      for (let round = 1; round <= rounds; round++) {
        const requests = await traffic(market, durationMs)
        progress(`round ${round} of ${rounds}: ${requests} requests, ${Math.round(rssMb(market.pid))} MB`)
      }
      const endMb = rssMb(market.pid)
      if (endMb > Math.max(ordinaryMb, warmMb * 1.25)) {
        throw new Error(`Memory grew from ${Math.round(warmMb)} to ${Math.round(endMb)} MB under steady traffic.`)
      }
      progress(verify(market.home))
    } finally {
      await market.stop()
    }
  } finally {
    upstream.child.kill()
  }
}
