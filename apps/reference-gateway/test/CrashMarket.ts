/**
 * A market that a test kills, freezes and starts again: a real process on a database of its own, with a real agent in front of
 * a scripted engine. Holds live briefly, so that nothing waits for long.
 */
import type * as MarketDefinition from "@guildhall/core/MarketDefinition"
import * as AgentLog from "./AgentLog.ts"
import * as Breakpoint from "./Breakpoint.ts"
import * as FundedBuyer from "./FundedBuyer.ts"
import type { Buyer } from "./FundedBuyer.ts"
import * as LaneBuyer from "./LaneBuyer.ts"
import * as MarketDatabase from "./MarketDatabase.ts"
import * as RunningMarket from "./RunningMarket.ts"
import * as ScriptedEngine from "./ScriptedEngine.ts"

export const MODEL = "scripted/engine"

/** Four renewals to a life, as the ledger wants it; devices are patient while a market is away. */
const brief = {
  heartbeat: { intervalMs: 250, missesMax: 400, checkMs: 1_000 },
  hold: { lifeMs: 1_600, renewMs: 400 },
  receipts: { batchMs: 50, batchSize: 512 },
  limits: RunningMarket.quick.limits,
} as const

interface Provider {
  readonly member: string
  readonly engine: ScriptedEngine.ScriptedEngine
  /** Kills the agent, and starts it again with what it has on the disk: it does not wait as one does that was sent away. */
  readonly restart: () => Promise<void>
  readonly kill: () => Promise<unknown>
  readonly log: () => AgentLog.AgentLog
}

export interface CrashMarket {
  readonly database: MarketDatabase.MarketDatabase
  readonly definition: Partial<MarketDefinition.MarketDefinition>
  readonly providers: ReadonlyArray<Provider>
  /** The process that lives. */
  readonly market: () => RunningMarket.RunningMarket
  readonly buyer: (name: string, terms?: object) => Promise<Buyer>
  readonly ask: (
    buyer: Buyer,
    question: Pick<LaneBuyer.Question, "stream" | "script"> & Partial<LaneBuyer.Question>,
  ) => LaneBuyer.Asked
  readonly kill: () => Promise<void>
  readonly freeze: () => void
  readonly thaw: () => void
  readonly restart: () => Promise<void>
  /** The command `guildhall` against this market's database. */
  readonly command: (...args: ReadonlyArray<string>) => ReturnType<typeof RunningMarket.guildhall>
  readonly close: () => Promise<void>
}

const startProvider = async (market: RunningMarket.RunningMarket, name: string): Promise<Provider> => {
  const engine = await ScriptedEngine.start(MODEL)
  const key = await RunningMarket.issueKey(market, { name, role: "provider" })
  const options = { key: key.secret, backend: engine.url }
  let agent = await RunningMarket.startAgent(market, options)
  const { home } = agent
  const kill = () => agent.kill("SIGKILL")
  const restart = async () => {
    await kill()
    agent = await RunningMarket.startAgent(market, { ...options, home })
  }
  return { member: key.member, engine, restart, kill, log: AgentLog.at(home) }
}

/** Starts one with so many providers of the same model. */
export const start = async (
  options: {
    readonly definition?: Partial<MarketDefinition.MarketDefinition>
    readonly providers?: number
    readonly args?: ReadonlyArray<string>
  } = {},
): Promise<CrashMarket> => {
  const definition = { ...brief, ...options.definition }
  const database = await MarketDatabase.make({ renewMs: definition.hold.renewMs })
  const home = RunningMarket.makeHome()
  const environment = {
    ...Breakpoint.environment,
    GUILDHALL_MARKET: RunningMarket.writeDefinition(home, definition),
    GUILDHALL_AGENT: "off",
    DATABASE_URL: database.url,
  }
  const args = options.args ?? []
  // The system gives the port: of one that was only looked for, another test may have been told too.
  let market = await RunningMarket.start({ home, environment: { ...environment, GUILDHALL_PORT: "0" }, args })
  const port = Number(new URL(market.url).port)
  const names = Array.from({ length: options.providers ?? 1 }, (_, at) => `provider ${at + 1}`)
  const providers: Array<Provider> = []
  for (const name of names) providers.push(await startProvider(market, name))
  const end = async () => {
    await Promise.all(providers.map(({ kill }) => kill()))
    // Wherever it stands, frozen or at a breakpoint: this ends it.
    await market.kill("SIGKILL").catch(() => undefined)
    await market.close()
    await Promise.all(providers.map(({ engine }) => engine.close()))
    await database.close()
  }
  // Nobody else knows of it yet.
  await RunningMarket.listed(market, MODEL, providers.length).catch((error: unknown) =>
    end().then(() => Promise.reject(error)),
  )

  const buyer = (name: string, terms?: object) => FundedBuyer.make(market, database, name, terms)

  return {
    database,
    definition,
    providers,
    market: () => market,
    buyer,
    ask: ({ key }, question) => LaneBuyer.ask({ url: market.url, key, model: MODEL, ...question }),
    kill: async () => void (await market.kill("SIGKILL")),
    freeze: () => void process.kill(market.pid, "SIGSTOP"),
    thaw: () => void process.kill(market.pid, "SIGCONT"),
    restart: async () => {
      market = await RunningMarket.start({ home, environment, port, args })
    },
    command: (...args) => RunningMarket.guildhall(home, args, { DATABASE_URL: database.url }),
    close: end,
  }
}
