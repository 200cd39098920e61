/** The agent's command line as processes: each runs to its end, or until it is told to stop. */
import * as NodeServices from "@effect/platform-node/NodeServices"
import * as ConfigProvider from "effect/ConfigProvider"
import * as Console from "effect/Console"
import * as Effect from "effect/Effect"
import * as Command from "effect/cli/Command"
import { spawn } from "node:child_process"
import { once } from "node:events"
import * as TestProgram from "@guildhall/tools/TestProgram"
import * as AgentCommand from "@guildhall/agent/AgentCommand"

export interface Ended {
  readonly code: number | null
  readonly output: string
  readonly errors: string
}

/** A command that is under way. */
export interface Started {
  readonly pid: number
  readonly output: () => string
  readonly ended: Promise<Ended>
  readonly kill: () => void
}

/** Starts a command with a home, and nothing else in its environment. */
export const start = (
  home: string,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {},
): Started => {
  const child = spawn(
    process.execPath,
    ["--conditions=@guildhall/source", TestProgram.of(TestProgram.agent), ...args],
    {
      env: {
        PATH: process.env["PATH"],
        NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
        GUILDHALL_AGENT_HOME: home,
        ...environment,
      },
      stdio: ["ignore", "pipe", "pipe"],
    },
  )
  let [output, errors] = ["", ""]
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
  return {
    pid: child.pid ?? 0,
    output: () => output + errors,
    ended: once(child, "close").then(([code]) => ({ code, output, errors })),
    kill: () => child.kill("SIGKILL"),
  }
}

export const run = (...args: Parameters<typeof start>): Promise<Ended> => start(...args).ended

/** Runs a command within this process, as the program does: what takes no process of its own is quicker so. */
export const inside = (
  home: string,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {},
): Promise<Ended> => {
  let [output, errors] = ["", ""]
  const captured: Console.Console = {
    ...console,
    log: (...words: ReadonlyArray<unknown>) => void (output += `${words.join(" ")}\n`),
    error: (...words: ReadonlyArray<unknown>) => void (errors += `${words.join(" ")}\n`),
  }
  const env = ConfigProvider.fromEnv({ env: { GUILDHALL_AGENT_HOME: home, ...environment } })
  return AgentCommand.make("guildhall-agent").pipe(
    (program) => Command.runWith(program, { version: "0" })(args),
    Effect.provide(NodeServices.layer),
    Effect.provideService(Console.Console, captured),
    Effect.provideService(ConfigProvider.ConfigProvider, env),
    Effect.exit,
    Effect.map((exit) => ({ code: exit._tag === "Success" ? 0 : AgentCommand.exitCode(exit.cause), output, errors })),
    Effect.runPromise,
  )
}
