/** The agent as a process of its own, for tests. */
import * as ChildProcess from "node:child_process"
import * as Fs from "node:fs"
import * as Os from "node:os"
import * as Path from "node:path"
import * as Effect from "effect/Effect"
import * as TestProgram from "@guildhall/tools/TestProgram"
import type { ScriptedMarket } from "./ScriptedMarket.ts"

export interface AgentProcess {
  readonly pid: number
  readonly home: string
  readonly output: () => string
  readonly exitCode: () => number | null
  readonly until: (done: () => boolean) => Effect.Effect<void>
  readonly exited: Effect.Effect<void>
  readonly stop: (signal: NodeJS.Signals) => Effect.Effect<number | null>
  readonly stdin: NodeJS.WritableStream | null
}

export const temporaryHome = Effect.acquireRelease(
  Effect.sync(() => Fs.mkdtempSync(Path.join(Os.tmpdir(), "guildhall-agent-"))),
  (home) => Effect.sync(() => Fs.rmSync(home, { recursive: true, force: true })),
)

/** Polls, since another process does the work. */
const until = (done: () => boolean, failed: () => string | undefined) =>
  Effect.gen(function* () {
    for (let tries = 0; tries < 1_500; tries++) {
      if (done()) return
      const reason = failed()
      if (reason !== undefined) return yield* Effect.die(new Error(reason))
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 10)))
    }
    return yield* Effect.die(new Error(`it did not happen in time: ${failed() ?? ""}`))
  })

export const start = Effect.fnUntraced(function* (
  market: ScriptedMarket,
  args: ReadonlyArray<string>,
  own?: string,
  environment: Readonly<Record<string, string>> = {},
) {
  const home = own ?? (yield* temporaryHome)
  let output = ""
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      ChildProcess.spawn(
        process.execPath,
        [
          "--conditions=@guildhall/source",
          TestProgram.of(TestProgram.agent),
          "--market",
          market.url,
          "--home",
          home,
          ...args,
        ],
        {
          stdio: ["pipe", "pipe", "pipe"],
          env: {
            PATH: process.env["PATH"],
            NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
            GUILDHALL_PROVIDER_KEY: market.apiKey,
            ...environment,
          },
        },
      ),
    ),
    (child) =>
      Effect.callback<void>((resume) => {
        if (child.exitCode !== null || child.signalCode !== null) return resume(Effect.void)
        child.once("exit", () => resume(Effect.void))
        child.kill("SIGKILL")
      }),
  )
  const hear = (chunk: Buffer) => {
    output += chunk.toString()
  }
  child.stdout.on("data", hear)
  child.stderr.on("data", hear)
  const gone = () => child.exitCode !== null || child.signalCode !== null
  const made: AgentProcess = {
    pid: child.pid ?? 0,
    home,
    output: () => output,
    exitCode: () => child.exitCode,
    until: (done) => until(done, () => (gone() ? `the agent ended (${child.exitCode}): ${output}` : undefined)),
    exited: until(gone, () => undefined),
    stop: (signal) =>
      Effect.gen(function* () {
        child.kill(signal)
        yield* until(gone, () => undefined)
        return child.exitCode
      }),
    stdin: child.stdin,
  }
  return made
})

/** Starts an agent and waits until it has registered and beaten once. */
export const spawn = Effect.fnUntraced(function* (market: ScriptedMarket, args: ReadonlyArray<string>, own?: string) {
  const beats = market.beats.length
  const agent = yield* start(market, args, own)
  yield* agent.until(() => market.beats.length > beats)
  return agent
})
