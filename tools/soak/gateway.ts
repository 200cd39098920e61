/**
 * Steady traffic for a long time: every request is answered, memory does not grow, and in the end the books balance.
 *
 * `npm run soak -- gateway [--quick]`
 */
import { spawnSync } from "node:child_process"
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

/** A heap grows into what it is given before it is collected; below this, growth says nothing. */
const ordinaryMb = 512

/** Runs the soak: a warm-up, then rounds of traffic in which memory may not grow by more than a quarter. */
export const run = async ({ isQuick, progress }: Options): Promise<void> => {
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
