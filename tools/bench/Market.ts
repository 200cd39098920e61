/**
 * The reference gateway with everything on, in a process of its own, and in front of it one provider: the scripted
 * upstream, registered by the public routes like any agent.
 */
import { spawn } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { generateKeyPairSync, sign } from "node:crypto"
import { once } from "node:events"
import { existsSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import { MarketDefinitionJson } from "@guildhall/core/MarketDefinition"
import { local } from "@guildhall/markets/local"
import { HEADERS, bytes } from "@guildhall/protocol/provider/SignedRequest"
import * as Schema from "effect/Schema"
import { readJson, root } from "../Workspace.ts"
import type { Cores } from "./Machine.ts"
import { pin } from "./Machine.ts"
import { models } from "./Upstream.ts"

/** A running market with the upstream as its only provider. */
export interface Market {
  readonly port: number
  readonly apiKey: string
  readonly pid: number
  /** Its `GUILDHALL_HOME`, for the command `guildhall`. */
  readonly home: string
  readonly stop: () => Promise<void>
}

interface DevFile {
  readonly url: string
  readonly buyerKey: string
  readonly operatorKey: string
}

/**
 * The local market, with limits that one very busy buyer does not meet, and beats so far apart that a thousand devices do not
 * beat while something else is measured. Nobody is checked who enters: the upstreams are no agents.
 */
const { entry: _, ...open } = local
const definition = (): string =>
  JSON.stringify(
    Schema.encodeSync(MarketDefinitionJson)({
      ...open,
      name: "bench",
      heartbeat: { intervalMs: 3_600_000, missesMax: 2, checkMs: 3_600_000 },
      limits: {
        ...local.limits,
        key: { requestsPerMinute: 100_000_000, tokensPerMinute: 1_000_000_000, concurrentRequests: 10_000 },
        member: { requestsPerMinute: 100_000_000, tokensPerMinute: 1_000_000_000, concurrentRequests: 10_000 },
        market: { concurrentRequests: 10_000 },
      },
    }),
  )

const until = async <A>(what: string, find: () => Promise<A | undefined> | A | undefined): Promise<A> => {
  const end = performance.now() + 60_000
  while (performance.now() < end) {
    const found = await find()
    if (found !== undefined) return found
    await pause(50)
  }
  throw new Error(`Waited 60 s in vain until ${what}.`)
}

const post = async (url: string, key: string, body: string, headers: Readonly<Record<string, string>> = {}) => {
  const response = await fetch(url, {
    method: "POST",
    headers: { authorization: `Bearer ${key}`, "content-type": "application/json", ...headers },
    body,
  })
  const text = await response.text()
  if (!response.ok) throw new Error(`${new URL(url).pathname} answered ${response.status}: ${text}`)
  const answer: Readonly<Record<string, unknown>> = JSON.parse(text)
  return answer
}

/** A device: a key, and messages signed with it. */
const makeDevice = (market: string, apiKey: string) => {
  const { privateKey } = generateKeyPairSync("ed25519")
  const publicKey = privateKey.export({ format: "jwk" }).x ?? ""
  let sequence = 0
  return (route: string, message: unknown) => {
    const body = JSON.stringify(message)
    const issuedAtMs = Date.now()
    sequence = Math.max(sequence + 1, issuedAtMs)
    const signed = bytes({ method: "POST", path: route, issuedAtMs, sequence, body: Buffer.from(body) })
    return post(`${market}${route}`, apiKey, body, {
      [HEADERS.device]: publicKey,
      [HEADERS.signature]: sign(null, signed, privateKey).toString("base64url"),
      [HEADERS.issuedAt]: String(issuedAtMs),
      [HEADERS.sequence]: String(sequence),
    })
  }
}

/** The processes below a process, found by their parents. */
const descendants = (pid: number): ReadonlyArray<number> => {
  const parents = new Map<number, number>()
  for (const name of readdirSync("/proc").filter((entry) => /^\d+$/.test(entry))) {
    const file = `/proc/${name}/stat`
    if (!existsSync(file)) continue
    const text = readFileSync(file, "utf8")
    parents.set(Number(name), Number(text.slice(text.lastIndexOf(")") + 2).split(" ")[1]))
  }
  const below = (parent: number): ReadonlyArray<number> =>
    [...parents].flatMap(([child, of]) => (of === parent ? [child, ...below(child)] : []))
  return below(pid)
}

const launch = (home: string, args: ReadonlyArray<string>): ChildProcess => {
  const market = path.join(home, "market.json")
  writeFileSync(market, definition())
  const program = path.join(root, "apps/reference-gateway/src/main.ts")
  return spawn(process.execPath, ["--conditions=@guildhall/source", program, "start", ...args], {
    stdio: ["ignore", "ignore", "pipe"],
    env: {
      ...process.env,
      GUILDHALL_HOME: path.join(home, "state"),
      GUILDHALL_PORT: "0",
      GUILDHALL_MARKET: market,
      GUILDHALL_AGENT: "off",
      GUILDHALL_LOG_LEVEL: "Error",
    },
  })
}

/** So many are registered at a time. */
const REGISTERING = 16

/** Registers the upstream: `instances` devices with one instance of the instant model each, and one of the slow model. */
const join = async (facts: DevFile, origin: string, instances: number): Promise<void> => {
  const order = JSON.stringify({ member: "mem_provider", name: "bench", role: "provider" })
  const issued = await post(`${facts.url}/v1/operator/keys`, facts.operatorKey, order)
  const register = async (model: string): Promise<void> => {
    const send = makeDevice(facts.url, String(issued["secret"]))
    const registered = await send("/v1/providers/register", {
      provider_type: "agent",
      endpoint_url: `${origin}/v1`,
      model,
      input_price_per_million: 100,
      output_price_per_million: 200,
      context_length_offered: 100_000,
      concurrency: 10_000,
    })
    const instance = { instance_id: registered["instance_id"], state: "serving", in_flight: 0 }
    await send("/v1/providers/heartbeat", { nonce: registered["nonce"], instances: [instance] })
  }
  await register(models.slow)
  let left = instances
  const worker = async (): Promise<void> => {
    while (left-- > 0) await register(models.instant)
  }
  await Promise.all(Array.from({ length: REGISTERING }, worker))
}

const serves = async (facts: DevFile): Promise<true | undefined> => {
  const response = await fetch(`${facts.url}/v1/models`, { headers: { authorization: `Bearer ${facts.buyerKey}` } })
  return (await response.text()).includes(models.instant) ? true : undefined
}

/** How a market is started. */
interface MarketOptions {
  readonly cores: Cores | undefined
  readonly progress: (text: string) => void
  /** How many instances of the instant model are on the market. */
  readonly instances: number
  /** More of the command line, such as `--workers`. */
  readonly args?: ReadonlyArray<string>
}

/** Starts the market in a fresh home and waits until it serves the upstream's models. */
export const startMarket = async (origin: string, options: MarketOptions): Promise<Market> => {
  const { args = [], cores, instances, progress } = options
  progress(`gateway: starting, with a database of its own and ${instances} instances`)
  const home = mkdtempSync(path.join(tmpdir(), "guildhall-bench-"))
  const child = launch(home, args)
  const pid = child.pid ?? 0
  let errors = ""
  child.stderr?.on("data", (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-4_000)))
  const stop = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill("SIGINT")
      await once(child, "exit")
    }
    rmSync(home, { recursive: true, force: true })
  }
  try {
    const facts = await until("the gateway runs", () => {
      if (child.exitCode !== null) throw new Error("The gateway ended.")
      const file = path.join(home, "state/dev.json")
      return existsSync(file) ? readJson<DevFile>(file) : undefined
    })
    if (cores !== undefined) {
      pin(pid, cores.measured)
      for (const below of descendants(pid)) pin(below, cores.others)
    }
    const topUp = JSON.stringify({ member: "mem_buyer", amount: "1000000.00", idempotencyKey: "bench" })
    await post(`${facts.url}/v1/operator/top-ups`, facts.operatorKey, topUp)
    await join(facts, origin, instances)
    await until("the provider is on the market", () => serves(facts))
    return {
      port: Number(new URL(facts.url).port),
      apiKey: facts.buyerKey,
      pid,
      home: path.join(home, "state"),
      stop,
    }
  } catch (error) {
    await stop()
    throw new Error(`${error instanceof Error ? error.message : String(error)}\n${errors}`, { cause: error })
  }
}
