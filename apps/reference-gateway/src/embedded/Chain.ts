/**
 * A chain for development that starts and stops with this process: anvil, with its state in the home. Its accounts come from a
 * mnemonic that everybody knows, so nothing on it is worth anything; it listens on 127.0.0.1 only, and answers no page of
 * another origin.
 */
import * as Effect from "effect/Effect"
import type * as Scope from "effect/Scope"
import { closeSync, openSync, readFileSync, realpathSync } from "node:fs"
import { createServer } from "node:net"
import path from "node:path"
import * as Child from "../Child.ts"
import { LaunchError, reasonOf } from "../LaunchError.ts"
import * as ProcessTable from "../ProcessTable.ts"
import * as ChainProgram from "./ChainProgram.ts"
import * as ChainState from "./ChainState.ts"
import * as Keeper from "./Keeper.ts"

/**
 * Where its state is, which number it has, and the words that its accounts' keys follow from. Each of them has 10,000 ether.
 *
 * @category models
 * @since 0.1.0
 */
export interface Options {
  readonly home: string
  readonly chainId: number
  readonly mnemonic: string
}

/**
 * A running chain.
 *
 * @category models
 * @since 0.1.0
 */
export interface Chain {
  readonly rpcUrl: string
  readonly chainId: number
}

/** Where nothing happens the chain's clock still moves. Whatever is sent is in a block at once. */
const BLOCK_S = 10
/** A machine that loses its power loses so much at most. */
const STATE_S = 10
/** Every wallet's first guess. */
const USUAL_PORT = 8_545

const fails = (what: string, todo: string) => (cause: unknown) => new LaunchError({ what, why: reasonOf(cause), todo })

/** Answers the port if it is free; 0 stands for any. */
const tryPort = (wanted: number) =>
  Effect.callback<number, LaunchError>((resume) => {
    const server = createServer()
    server.once("error", (cause) => resume(Effect.fail(fails("No free port was found.", "Try again.")(cause))))
    server.listen(wanted, "127.0.0.1", () => {
      const address = server.address()
      const port = typeof address === "object" && address !== null ? address.port : 0
      server.close(() => resume(Effect.succeed(port)))
    })
  })

/** The port of the last start, so that wallets need not be told anew; else the usual one; else any. */
const choosePort = Effect.fnUntraced(function* (state: ChainState.ChainState) {
  const last = ChainState.readFacts(state)?.port ?? USUAL_PORT
  const port = yield* Effect.firstSuccessOf([last, USUAL_PORT, 0].map(tryPort))
  if (port !== last) {
    yield* Effect.logWarning(`Port ${last} is taken, so the chain is on port ${port}. Tell your wallets.`)
  }
  return port
})

const isGone = (pid: number) => ProcessTable.identity(pid) === undefined

/** Ends what a killed gateway left on the state: two that write it would spoil it. */
const stopOrphans = (state: ChainState.ChainState) =>
  Effect.gen(function* () {
    for (const pid of ChainState.orphans(state)) {
      yield* Effect.logInfo(`A chain that a killed start left behind (process ${pid}) is stopped first.`)
      for (const [signal, limitMs] of [
        ["SIGTERM", 5_000],
        ["SIGKILL", 3_000],
      ] as const) {
        ProcessTable.signal(pid, signal)
        for (let waited = 0; waited < limitMs && !isGone(pid); waited += 20) yield* Effect.sleep(20)
        if (isGone(pid)) break
      }
    }
  })

/** Whether the chain answers, and as the chain that it should be. */
const asks = (rpcUrl: string, chainId: number): Effect.Effect<boolean> =>
  Effect.tryPromise({
    try: async (signal) => {
      const response = await fetch(rpcUrl, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ jsonrpc: "2.0", id: 1, method: "eth_chainId", params: [] }),
        signal: AbortSignal.any([signal, AbortSignal.timeout(2_000)]),
      })
      const answer: unknown = await response.json()
      return typeof answer === "object" && answer !== null && "result" in answer && Number(answer.result) === chainId
    },
    catch: (cause) => cause,
  }).pipe(Effect.orElseSucceed(() => false))

const openLog = (state: ChainState.ChainState) => {
  const file = path.join(state.root, "anvil.log")
  return Effect.map(
    Effect.acquireRelease(
      Effect.try({
        try: () => openSync(file, "w", 0o600),
        catch: fails(`The chain's log ${file} could not be opened.`, "Free some space on its disk, then start again."),
      }),
      (fd) => Effect.sync(() => closeSync(fd)),
    ),
    (fd) => ({ fd, file }),
  )
}

const explain = (file: string): LaunchError => {
  const words = readFileSync(file, "utf8").trim().split("\n").slice(-3).join("\n  ")
  return new LaunchError({
    what: "The embedded chain could not start.",
    why: words === "" ? "It said nothing." : words,
    todo: `The whole story is in ${file}. ${ChainState.BEGIN_ANEW}`,
  })
}

/** Nothing of the user's reaches it, secrets included; what it would keep in a home of its own it keeps in the state's. */
const environment = (state: ChainState.ChainState): NodeJS.ProcessEnv => ({
  PATH: process.env["PATH"],
  HOME: state.root,
  ...(process.platform === "win32" ? { SystemRoot: process.env["SystemRoot"], TEMP: process.env["TEMP"] } : {}),
})

/** One life of the chain: what was left is ended, the state is whole, and it answers. */
const start = ({ chainId, mnemonic }: Options, program: string, state: ChainState.ChainState, port: number) =>
  Effect.gen(function* () {
    yield* stopOrphans(state)
    yield* ChainState.repair(state)
    const log = yield* openLog(state)
    const env = environment(state)
    const child = yield* Child.start({
      name: "chain",
      command: program,
      args: [
        // Without this it prints its accounts' private keys.
        "--quiet",
        ...["--host", "127.0.0.1", "--port", `${port}`, "--no-cors"],
        ...["--chain-id", `${chainId}`, "--mnemonic", mnemonic],
        ...["--block-time", `${BLOCK_S}`, "--mixed-mining"],
        ...["--state", state.file, "--state-interval", `${STATE_S}`],
      ],
      env,
      cwd: state.root,
      output: { fd: log.fd },
      // It writes its state first.
      stop: [{ signal: "SIGTERM", waitMs: 3_500 }],
      force: "SIGTERM",
    })
    yield* ChainState.writeFacts(state, child.pid, port)
    const died = Effect.flatMap(child.exit, () => Effect.fail(explain(log.file)))
    const answers = Effect.repeat(Effect.andThen(Effect.sleep(15), asks(`http://127.0.0.1:${port}`, chainId)), {
      until: (isReady) => isReady,
    })
    yield* Effect.raceFirst(answers, died)
    yield* Keeper.start({ name: "chain keeper", pid: child.pid, signal: "TERM", env })
    return child
  })

/**
 * Starts the home's chain. When it dies it is started again at the same address; closing the scope stops it. The caller holds the
 * home's lock.
 *
 * @category constructors
 * @since 0.1.0
 */
export const make = (options: Options): Effect.Effect<Chain, LaunchError, Scope.Scope> =>
  Effect.gen(function* () {
    const program = yield* ChainProgram.find()
    const state = yield* ChainState.make(realpathSync(options.home))
    // Before a port is chosen: what was left behind may hold the last one.
    yield* stopOrphans(state)
    const port = yield* choosePort(state)
    yield* Child.supervise({ name: "The chain", start: start(options, program, state, port), maxPauseMs: 5_000 })
    return { rpcUrl: `http://127.0.0.1:${port}`, chainId: options.chainId }
  })
