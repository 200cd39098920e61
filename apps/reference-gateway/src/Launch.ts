/**
 * Starts a market and keeps it until the scope closes: home and lock, database, gateway, provider, in this order, and
 * back in the reverse order. What the gateway is made of comes from outside, as {@link LaunchOptions.app}.
 */
import * as Duration from "effect/Duration"
import * as Effect from "effect/Effect"
import * as Exit from "effect/Exit"
import * as Option from "effect/Option"
import * as Redacted from "effect/Redacted"
import * as Scope from "effect/Scope"
import { createServer } from "node:net"
import path from "node:path"
import { EXIT_CANNOT_SERVE } from "@guildhall/agent/AgentCommand"
import type { MarketDefinition } from "@guildhall/core/MarketDefinition"
import * as AppConfig from "./AppConfig.ts"
import type { Settings } from "./AppConfig.ts"
import * as ChainParts from "./ChainParts.ts"
import * as Child from "./Child.ts"
import * as Database from "./Database.ts"
import * as Definition from "./Definition.ts"
import * as DefinitionFile from "./DefinitionFile.ts"
import * as DevChain from "./DevChain.ts"
import * as DevFile from "./DevFile.ts"
import * as HomeLock from "./HomeLock.ts"
import { LaunchError, reasonOf } from "./LaunchError.ts"

/**
 * What the gateway is given.
 *
 * @category models
 * @since 0.1.0
 */
export interface Facts {
  /** `home` is an existing directory, a real path, and ours alone. */
  readonly settings: Settings
  /** A PostgreSQL that answered. While it restarts after a crash, connections fail for a moment. */
  readonly databaseUrl: Redacted.Redacted
  /** The chain for development that runs beside the gateway; undefined where there is none. */
  readonly chain?: DevChain.DevChain | undefined
  /** The keys of the last start in this home, to be used again. */
  readonly lastKeys: DevFile.Keys | undefined
  /** Which of several processes on the port this is, from 1; undefined where it is the only one. */
  readonly worker?: number | undefined
}

/**
 * What a running gateway answers. The scope it was made in drains and settles when it closes, within 4 seconds.
 *
 * @category models
 * @since 0.1.0
 */
export interface Running {
  /** The port it listens on. */
  readonly port: number
  readonly keys: DevFile.AllKeys
  /** The provider to start on this machine, `undefined` for none. */
  readonly agent: AgentCommand | undefined
  /** Waits until a request would be served. */
  readonly ready: Effect.Effect<void>
  /** The model for the `curl` line, asked for when the market is ready. */
  readonly model: Effect.Effect<string>
}

/**
 * How the agent is started: a program for this Node, its arguments, and what is added to its environment.
 *
 * @category models
 * @since 0.1.0
 */
export interface AgentCommand {
  /** The path of its main module, usually {@link agentProgram}. */
  readonly program: string
  readonly args: ReadonlyArray<string>
  readonly env: Readonly<Record<string, string>>
}

/**
 * What a market is launched with.
 *
 * @category models
 * @since 0.1.0
 */
export interface LaunchOptions {
  readonly settings: Settings
  readonly app: (facts: Facts) => Effect.Effect<Running, LaunchError, Scope.Scope>
  /** Prints a line for the person at the terminal. */
  readonly print: (line: string) => Effect.Effect<void>
}

const readyLimit = Duration.seconds(90)
const slowReady = Duration.seconds(5)

/**
 * The letter for an address that cannot be listened on. For `app` too: between the first look and its own listening
 * another process may take the port.
 *
 * @category errors
 * @since 0.1.0
 */
export const listenError = (settings: Settings, cause: unknown): LaunchError => {
  const where = `${settings.host}:${settings.port}`
  const code = cause instanceof Error && "code" in cause ? cause.code : undefined
  if (code === "EADDRINUSE") {
    return new LaunchError({
      what: `Port ${settings.port} of ${settings.host} is in use by another program.`,
      why: "Perhaps another Guildhall runs in another home.",
      todo: "Stop that program, or take another port: GUILDHALL_PORT=8788 npm start (0 takes any free one).",
    })
  }
  if (code === "EACCES") {
    return new LaunchError({
      what: `This user may not listen on ${where}.`,
      why: "Ports below 1024 are for root on many systems.",
      todo: "Choose a port above 1023 with GUILDHALL_PORT.",
    })
  }
  return new LaunchError({
    what: `The gateway cannot listen on ${where}.`,
    why: reasonOf(cause),
    todo: "GUILDHALL_HOST must be an address of this machine, e.g. 127.0.0.1 or 0.0.0.0.",
  })
}

/** Looks whether the port can be had before anything is started. */
const requirePort = (settings: Settings) =>
  Effect.callback<void, LaunchError>((resume) => {
    const server = createServer()
    server.once("error", (cause) => resume(Effect.fail(listenError(settings, cause))))
    server.listen(settings.port, settings.host, () => server.close(() => resume(Effect.void)))
  })

/** The address to give to clients on this machine. */
const urlOf = (settings: Settings, port: number): string => {
  const host = settings.host === "0.0.0.0" || settings.host === "::" ? "127.0.0.1" : settings.host
  return `http://${host.includes(":") ? `[${host}]` : host}:${port}`
}

/**
 * The main module of `packages/agent`.
 *
 * @category queries
 * @since 0.1.0
 */
export const agentProgram: string = path.resolve(import.meta.dirname, "../../../packages/agent/src/main.ts")

/** The agent gets its own settings only: it must not hold what the gateway holds. */
const agentEnvironment = (agent: AgentCommand): NodeJS.ProcessEnv => ({
  ...Object.fromEntries(Object.entries(process.env).filter(([name]) => !AppConfig.secretVariables.has(name))),
  ...agent.env,
})

const startAgent = (agent: AgentCommand) =>
  Child.supervise({
    name: "The provider",
    start: Child.start({
      name: "agent",
      command: process.execPath,
      args: ["--conditions=@guildhall/source", agent.program, ...agent.args, "--exit-with-parent"],
      env: agentEnvironment(agent),
      output: { onLine: (line) => process.stderr.write(`agent | ${line}\n`) },
      // The gateway has drained before this, so there is nothing left for the agent to finish.
      stop: [{ signal: "SIGTERM", waitMs: 700 }],
      force: "SIGKILL",
    }),
    maxPauseMs: 10_000,
    finalCode: EXIT_CANNOT_SERVE,
  })

const cannotServe = new LaunchError({
  what: "The provider cannot serve what it was told to.",
  why: "It says why in the line above.",
  todo: "If it is about the model: correct --model (GUILDHALL_MODEL), or leave it out to serve what a model server on this machine offers, else the demo model. If the market refused it: correct the market definition. GUILDHALL_AGENT=off starts the market without a provider.",
})

const awaitReady = (running: Running, gaveUp: Effect.Effect<void>) =>
  Effect.gen(function* () {
    const patience = Effect.logInfo("Waiting for the provider to serve its model …").pipe(
      Effect.delay(slowReady),
      Effect.andThen(Effect.never),
    )
    const settled = Effect.raceAllFirst([running.ready, patience, Effect.andThen(gaveUp, Effect.fail(cannotServe))])
    const served = yield* Effect.timeoutOption(settled, readyLimit)
    if (Option.isNone(served)) {
      yield* Effect.logWarning("No provider serves yet; requests are refused until one does. Its own lines say why.")
    }
  })

const curlLine = (url: string, keys: DevFile.Keys, model: string): string => {
  const body = JSON.stringify({ model, stream: true, messages: [{ role: "user", content: "Hello" }] })
  return [
    `curl -N ${url}/v1/chat/completions`,
    `-H "Authorization: Bearer ${Redacted.value(keys.buyerKey)}"`,
    `-H "Content-Type: application/json"`,
    `-d '${body.replaceAll("'", `'\\''`)}'`,
  ].join(" ")
}

/** What is printed where nobody watches is kept by whatever keeps logs, and these keys may do more than spend a balance. */
const shown = (key: Redacted.Redacted, { home }: Settings): string =>
  process.stdout.isTTY === true ? Redacted.value(key) : `in ${DevFile.fileOf(home)}`

const announce = (options: LaunchOptions, settings: Settings, running: Running, chain: ReadonlyArray<string>) =>
  Effect.gen(function* () {
    const url = urlOf(settings, running.port)
    const lines = [
      "",
      `base URL      ${url}/v1`,
      `all calls     ${url}/docs`,
      ...(settings.console === "on" ? [`for providers ${url}/console/`] : []),
      `buyer key     ${Redacted.value(running.keys.buyerKey)}`,
      `provider key  ${shown(running.keys.providerKey, settings)}`,
      `operator key  ${shown(running.keys.operatorKey, settings)}`,
      "",
      curlLine(url, running.keys, yield* running.model),
      "",
      ...chain,
      `guildhall ready ${url}`,
    ]
    yield* Effect.forEach(lines, (line) => options.print(line), { discard: true })
  })

/** A market that takes deposits needs a key for their addresses; that of a chain for development is known. */
const checkDepositKey = Effect.fnUntraced(function* (settings: Settings, definition: MarketDefinition) {
  const isDevelopment = DevChain.isWanted(settings, definition)
  if (ChainParts.depositOf(definition) === undefined) return
  if (isDevelopment && settings.depositKey === undefined) return
  const { addresses } = yield* Effect.promise(() => import("./ChainRails.ts"))
  yield* addresses(settings.depositKey, isDevelopment)
})

/**
 * Starts the market. Succeeds when it is ready; closing the scope stops it: the gateway drains and settles, then the
 * provider stops, then the database.
 *
 * @category constructors
 * @since 0.1.0
 */
export const launch = (options: LaunchOptions): Effect.Effect<void, LaunchError, Scope.Scope> =>
  Effect.gen(function* () {
    // Looked at before anything is made: the gateway reads it once there is a database.
    const definition = yield* Definition.load(options.settings)
    const problem = DevChain.problemOf(options.settings, definition)
    if (problem !== undefined) return yield* problem
    yield* checkDepositKey(options.settings, definition)
    const settings = yield* Database.makeHome(options.settings)
    const lock = yield* HomeLock.acquire({ directory: settings.home, purpose: Database.marketPurpose })
    yield* requirePort(settings)
    // Side by side: neither waits for the other when they start, nor when they stop.
    const servers = yield* Effect.acquireRelease(Scope.make("parallel"), (scope) => Scope.close(scope, Exit.void))
    const beside = <A>(server: Effect.Effect<A, LaunchError, Scope.Scope>) =>
      Effect.flatMap(Scope.fork(servers, "sequential"), (scope) => Scope.provide(server, scope))
    const [databaseUrl, chain] = yield* Effect.all(
      [
        beside(Database.make(settings)),
        DevChain.isWanted(settings, definition) ? beside(DevChain.make(settings, definition)) : Effect.undefined,
      ],
      { concurrency: "unbounded" },
    )
    // Made before the gateway, so that it closes after it: the last streams still need the provider.
    const agentScope = yield* Effect.acquireRelease(Scope.make(), (scope) => Scope.close(scope, Exit.void))
    const lastKeys = yield* DevFile.readKeys(settings.home)
    const running = yield* options.app({ settings, databaseUrl, chain, lastKeys })
    yield* Effect.addFinalizer(() => lock.announceStop)
    yield* DevFile.write(settings.home, urlOf(settings, running.port), running.keys)
    yield* DefinitionFile.write(settings.home, chain === undefined ? definition : DevChain.standing(definition, chain))
    const provider =
      running.agent === undefined ? undefined : yield* Scope.provide(startAgent(running.agent), agentScope)
    yield* awaitReady(running, provider?.gaveUp ?? Effect.never)
    yield* announce(options, settings, running, chain === undefined ? [] : DevChain.words(chain, definition))
  })
