/**
 * A whole market in processes of its own, as `npm start` runs it: for tests that need the real thing, and may kill it.
 */
import { spawn, type ChildProcess } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type AddressInfo } from "node:net"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import OpenAI from "openai"
import { local } from "@guildhall/markets/local"
import * as MarketDefinition from "@guildhall/core/MarketDefinition"
import * as TestProgram from "@guildhall/tools/TestProgram"
import * as Schema from "effect/Schema"

const root = path.resolve(import.meta.dirname, "../../..")
const node = [process.execPath, "--conditions=@guildhall/source"] as const

/** What a test may change of the market `local`: quick times, so that nothing waits for a minute. */
export const quick = {
  heartbeat: { intervalMs: 500, missesMax: 6, checkMs: 500 },
  hold: { lifeMs: 4_000, renewMs: 1_000 },
  receipts: { batchMs: 100, batchSize: 512 },
  // Most tests that make a provider fail want to see what comes of the next request too.
  health: {},
  limits: { ...local.limits, key: { requestsPerMinute: 1_000_000, concurrentRequests: 64 }, member: {} },
} as const

/** For tests in which nothing dies: no instance goes offline and no hold expires only because the machine is busy. */
export const calm = {
  heartbeat: { intervalMs: 1_000, missesMax: 20, checkMs: 20_000 },
  hold: { lifeMs: 20_000, renewMs: 5_000 },
} as const

export interface RunningMarket {
  readonly url: string
  readonly home: string
  readonly pid: number
  readonly buyerKey: string
  readonly operatorKey: string
  readonly output: () => string
  readonly client: (apiKey?: string) => OpenAI
  /** Calls the control lane; a JSON body makes it a POST. */
  readonly call: (
    path: string,
    options?: { readonly key?: string; readonly body?: unknown; readonly method?: string },
  ) => Promise<{ readonly status: number; readonly body: unknown; readonly headers: Headers }>
  /** Sends a signal to the gateway's process and waits until it is gone. */
  readonly kill: (signal: NodeJS.Signals) => Promise<number | null>
  /** Ctrl-C, then the home is removed. */
  readonly close: () => Promise<void>
}

/** A port that was free a moment ago. */
export const freePort = async (): Promise<number> => {
  const server = createServer().listen(0, "127.0.0.1")
  await once(server, "listening")
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, "close")
  return port
}

/** Waits until a condition holds; says what it waited for when it never does. */
export const until = async <A>(
  what: string,
  condition: () => Promise<A | undefined> | A | undefined,
  limitMs = 30_000,
): Promise<A> => {
  const end = performance.now() + limitMs
  for (;;) {
    const found = await condition()
    if (found !== undefined) return found
    if (performance.now() > end) throw new Error(`Waited ${limitMs} ms in vain: ${what}`)
    await pause(25)
  }
}

const wait = async (child: ChildProcess): Promise<number | null> => {
  if (child.exitCode === null && child.signalCode === null) await once(child, "exit")
  return child.exitCode
}

/** A new home in the system's temporary folder. */
export const makeHome = (): string => mkdtempSync(path.join(tmpdir(), "guildhall-home-"))

/** Writes the market `local` with other settings into a home and answers the file's path. */
export const writeDefinition = (home: string, changes: Partial<MarketDefinition.MarketDefinition> = {}): string => {
  const file = path.join(home, "market.json")
  // Whoever registers may serve, unless a test asks for checks: most devices of tests are no agents.
  const { entry: _, ...open } = local
  const definition = { ...open, ...quick, ...changes }
  writeFileSync(
    file,
    JSON.stringify(Schema.encodeSync(Schema.toCodecJson(MarketDefinition.MarketDefinition))(definition)),
  )
  return file
}

/** Runs the command `guildhall` to its end. */
export const guildhall = async (
  home: string,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {},
): Promise<{ readonly code: number | null; readonly output: string }> => {
  const [bin, ...flags] = node
  const child = spawn(bin, [...flags, TestProgram.of(TestProgram.market), ...args], {
    env: { ...process.env, GUILDHALL_HOME: home, ...environment },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
  return { code: await wait(child), output }
}

/** Starts a market and waits for its line `guildhall ready`. */
export const start = async (options: {
  readonly home?: string
  readonly environment?: Readonly<Record<string, string>>
  readonly port?: number
  readonly args?: ReadonlyArray<string>
}): Promise<RunningMarket> => {
  const home = options.home ?? makeHome()
  const port = options.port ?? (await freePort())
  const [bin, ...flags] = node
  const child = spawn(bin, [...flags, TestProgram.of(TestProgram.market), "start", ...(options.args ?? [])], {
    cwd: root,
    env: {
      ...process.env,
      GUILDHALL_HOME: home,
      GUILDHALL_PORT: String(port),
      // Building pages takes from what a test measures.
      GUILDHALL_CONSOLE: "off",
      ...options.environment,
    },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
  await until(
    "the line `guildhall ready`",
    () => {
      if (child.exitCode !== null) throw new Error(`The market ended with ${child.exitCode}:\n${output}`)
      return /^guildhall ready /m.test(output) ? true : undefined
    },
    120_000,
  ).catch((error: unknown) => {
    child.kill("SIGKILL")
    throw new Error(`${String(error)}\n${output}`)
  })
  const facts: { url: string; buyerKey: string; operatorKey: string; pid: number } = JSON.parse(
    readFileSync(path.join(home, "dev.json"), "utf8"),
  )
  const kill = async (signal: NodeJS.Signals): Promise<number | null> => {
    process.kill(facts.pid, signal)
    return wait(child)
  }
  return {
    ...facts,
    home,
    output: () => output,
    client: (apiKey = facts.buyerKey) => new OpenAI({ apiKey, baseURL: `${facts.url}/v1`, maxRetries: 0 }),
    call: async (path, { key = facts.operatorKey, body, method } = {}) => {
      const response = await fetch(facts.url + path, {
        method: method ?? (body === undefined ? "GET" : "POST"),
        headers: { authorization: `Bearer ${key}`, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      const isJson = response.headers.get("content-type")?.includes("json") === true
      return { status: response.status, body: isJson ? JSON.parse(text) : text, headers: response.headers }
    },
    kill,
    close: async () => {
      if (child.exitCode === null && child.signalCode === null) await kill("SIGINT")
      rmSync(home, { recursive: true, force: true })
    },
  }
}

/** Starts an agent in a process of its own, in front of a scripted engine. Its home goes with the market's. */
export const startAgent = async (
  market: RunningMarket,
  options: {
    readonly key: string
    readonly backend: string
    readonly home?: string
    readonly model?: string
    readonly port?: number
    readonly flags?: ReadonlyArray<string>
    readonly environment?: Readonly<Record<string, string>>
  },
): Promise<{
  readonly pid: number
  readonly home: string
  readonly output: () => string
  readonly kill: (signal: NodeJS.Signals) => Promise<number | null>
}> => {
  const home = options.home ?? mkdtempSync(path.join(market.home, "agent-"))
  const [bin, ...flags] = node
  const args = [
    "--market",
    market.url,
    "--home",
    home,
    "--backend",
    options.backend,
    "--port",
    String(options.port ?? 0),
  ]
  if (options.model !== undefined) args.push("--model", options.model)
  args.push(...(options.flags ?? []))
  const child = spawn(bin, [...flags, TestProgram.of(TestProgram.agent), ...args], {
    env: { ...process.env, GUILDHALL_PROVIDER_KEY: options.key, ...options.environment },
    stdio: ["ignore", "pipe", "pipe"],
  })
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
  const { pid } = child
  if (pid === undefined) throw new Error("The agent could not be started.")
  return {
    pid,
    home,
    output: () => output,
    kill: async (signal) => {
      if (child.exitCode === null && child.signalCode === null) child.kill(signal)
      return wait(child)
    },
  }
}

/** Makes a member with one key. */
export const issueKey = async (
  market: RunningMarket,
  options: {
    readonly name: string
    readonly role: "buyer" | "provider" | "operator"
    readonly dataCollection?: string
    readonly terms?: object
  },
): Promise<{ readonly member: string; readonly id: string; readonly secret: string }> => {
  const made = await market.call("/v1/operator/members", { body: { name: options.name } })
  const member = (made.body as { id: string }).id
  const issued = await market.call("/v1/operator/keys", {
    body: {
      member,
      name: options.name,
      role: options.role,
      dataCollection: options.dataCollection ?? "deny",
      terms: options.terms,
    },
  })
  if (issued.status !== 201) throw new Error(`No key was issued: ${JSON.stringify(issued.body)}`)
  const { id, secret } = issued.body as { id: string; secret: string }
  return { member, id, secret }
}

interface ModelOnOffer {
  readonly id: string
  readonly instances_online: number
}

/** How many instances of a model are online. */
export const instancesOnline = async (market: RunningMarket, model: string): Promise<number> => {
  const { body } = await market.call("/v1/models")
  const found = (body as { data: ReadonlyArray<ModelOnOffer> }).data.find((one) => one.id === model)
  return found?.instances_online ?? 0
}

/** Waits until so many instances of a model are online. */
export const listed = (market: RunningMarket, model: string, count: number, limitMs?: number): Promise<true> =>
  until(
    `${count} instance(s) of ${model}`,
    async () => ((await instancesOnline(market, model)) >= count ? true : undefined),
    limitMs,
  )

/** Waits until no instance of a model is online. */
export const unlisted = (market: RunningMarket, model: string, limitMs?: number): Promise<true> =>
  until(
    `no instance of ${model} to be online`,
    async () => ((await instancesOnline(market, model)) === 0 ? true : undefined),
    limitMs,
  )

export interface ReceiptContent {
  readonly outcome: string
  readonly charge: string
  readonly paidFromLoss: string
  readonly usage: Readonly<Record<string, number>>
  readonly usageSource: string
  readonly attempts: number
  readonly split: ReadonlyArray<{ readonly party: string; readonly amount: string }>
  readonly unattested?: true
}

/** A request's signed receipt, or undefined while there is none. */
export const receipt = async (market: RunningMarket, id: string, key: string): Promise<ReceiptContent | undefined> => {
  const found = await market.call(`/v1/receipts/${id}`, { key })
  return found.status === 200 ? (found.body as { receipt: ReceiptContent }).receipt : undefined
}

interface AccountShown {
  readonly id: string
  readonly balance: { readonly amount: string }
  readonly held: { readonly amount: string }
}

/** The balances of all accounts, by id. */
export const accounts = async (market: RunningMarket): Promise<ReadonlyMap<string, bigint>> => {
  const { body } = await market.call("/v1/operator/accounts")
  const { data } = body as { data: ReadonlyArray<AccountShown> }
  return new Map(data.map((account) => [account.id, BigInt(account.balance.amount)]))
}

const buyerAccount = async (market: RunningMarket, key: string): Promise<AccountShown> => {
  const { body } = await market.call("/v1/balance", { key })
  const found = (body as { accounts: ReadonlyArray<AccountShown> }).accounts.find(({ id }) => id.startsWith("buyer:"))
  if (found === undefined) throw new Error(`There is no buyer's account: ${JSON.stringify(body)}`)
  return found
}

/** What a key's member has, whether held or not. */
export const balance = async (market: RunningMarket, key: string): Promise<bigint> =>
  BigInt((await buyerAccount(market, key)).balance.amount)

/** What running requests hold of it. */
export const held = async (market: RunningMarket, key: string): Promise<bigint> =>
  BigInt((await buyerAccount(market, key)).held.amount)

/** The states of all instances. */
export const instanceStates = async (market: RunningMarket): Promise<ReadonlyArray<string>> => {
  const { body } = await market.call("/v1/operator/instances")
  return (body as { data: ReadonlyArray<{ instance: { state: string } }> }).data.map(({ instance }) => instance.state)
}

/** The process of the market's embedded PostgreSQL. */
export const databasePid = (market: RunningMarket): number => {
  const { data } = JSON.parse(readFileSync(path.join(market.home, "postgres.json"), "utf8")) as { data: string }
  return Number(readFileSync(path.join(data, "postmaster.pid"), "utf8").split("\n")[0])
}
