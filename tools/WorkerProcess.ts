/** A process of a test that is spoken to line by line: it says JSON, is told to go on, and ends with the scope. */
import * as Effect from "effect/Effect"
import { type ChildProcess, spawn } from "node:child_process"

export interface WorkerProcess {
  readonly child: ChildProcess
  /** The next thing that it says. */
  readonly hear: Effect.Effect<unknown>
  readonly tell: Effect.Effect<void>
  readonly signal: (signal: NodeJS.Signals) => Effect.Effect<void>
}

/** What came line by line, and who waits for the next one. */
const makeLines = () => {
  const [lines, waiting] = [[] as Array<unknown>, [] as Array<(line: unknown) => void>]
  let rest = ""
  const push = (chunk: Buffer): void => {
    const parts = `${rest}${chunk.toString()}`.split("\n")
    rest = parts.pop() ?? ""
    for (const part of parts) {
      const line: unknown = JSON.parse(part)
      const next = waiting.shift()
      if (next === undefined) lines.push(line)
      else next(line)
    }
  }
  const next = (): Promise<unknown> =>
    lines.length > 0 ? Promise.resolve(lines.shift()) : new Promise((resolve) => waiting.push(resolve))
  return { push, next }
}

/** Runs a file. Of this process's environment it gets the path and what Node compiled only. */
export const start = (file: string, args: ReadonlyArray<string>, env: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync((): WorkerProcess => {
      const child = spawn(process.execPath, ["--conditions=@guildhall/source", file, ...args], {
        env: { PATH: process.env["PATH"], NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"], ...env },
        stdio: ["pipe", "pipe", "inherit"],
      })
      const { next, push } = makeLines()
      child.stdout.on("data", push)
      child.stdin.on("error", () => undefined)
      return {
        child,
        hear: Effect.promise(next),
        tell: Effect.sync(() => void child.stdin.write("go\n")),
        signal: (signal) => Effect.sync(() => void child.kill(signal)),
      }
    }),
    ({ child }) =>
      Effect.sync(() => {
        child.kill("SIGCONT")
        child.kill("SIGKILL")
      }),
  )
