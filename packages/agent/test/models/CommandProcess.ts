/** The command line as a process of its own, with a hub on this machine and no other. */
import * as ChildProcess from "node:child_process"
import * as Effect from "effect/Effect"
import * as TestProgram from "@guildhall/tools/TestProgram"
import type { ScriptedHub } from "./ScriptedHub.ts"

export interface Running {
  readonly pid: number
  readonly output: () => string
  readonly errors: () => string
  readonly code: () => number | null
  readonly kill: (signal: NodeJS.Signals) => Effect.Effect<void>
  readonly exited: Effect.Effect<number | null>
  readonly until: (done: () => boolean) => Effect.Effect<void>
}

const pause = Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 10)))

export const start = Effect.fnUntraced(function* (
  hub: ScriptedHub,
  home: string,
  args: ReadonlyArray<string>,
  environment: Readonly<Record<string, string>> = {},
) {
  let output = ""
  let errors = ""
  const child = yield* Effect.acquireRelease(
    Effect.sync(() =>
      ChildProcess.spawn(
        process.execPath,
        ["--conditions=@guildhall/source", TestProgram.of(TestProgram.agent), ...args],
        {
          stdio: ["ignore", "pipe", "pipe"],
          env: {
            PATH: process.env["PATH"],
            NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
            HOME: home,
            HF_ENDPOINT: hub.url,
            GUILDHALL_AGENT_HOME: home,
            ...environment,
          },
        },
      ),
    ),
    (one) => Effect.sync(() => one.kill("SIGKILL")),
  )
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (errors += chunk.toString()))
  let isClosed = false
  child.once("close", () => (isClosed = true))
  const until = (done: () => boolean) =>
    Effect.gen(function* () {
      for (let tries = 0; tries < 3_000; tries++) {
        if (done()) return
        yield* pause
      }
      return yield* Effect.die(new Error(`it did not happen in time: ${output}\n${errors}`))
    })
  const exited = Effect.map(
    until(() => isClosed),
    () => child.exitCode,
  )
  const running: Running = {
    pid: child.pid ?? 0,
    output: () => output,
    errors: () => errors,
    code: () => child.exitCode,
    kill: (signal) =>
      Effect.andThen(
        Effect.sync(() => child.kill(signal)),
        Effect.asVoid(exited),
      ),
    exited,
    until,
  }
  return running
})

/** Runs a command to its end. */
export const run = (...args: Parameters<typeof start>) =>
  Effect.flatMap(start(...args), (running) =>
    Effect.map(running.exited, (code) => ({ code, output: running.output(), errors: running.errors() })),
  )
