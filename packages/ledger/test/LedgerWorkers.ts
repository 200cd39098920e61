/** Starts processes with a ledger each, hears what they say, and ends them with the scope. */
import { Effect } from "effect"
import { type ChildProcess, spawn } from "node:child_process"
import path from "node:path"

export interface Worker {
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

/** Starts one. */
export const start = (task: "spend" | "own", env: Readonly<Record<string, string>>) =>
  Effect.acquireRelease(
    Effect.sync((): Worker => {
      const child = spawn(
        process.execPath,
        ["--conditions=@guildhall/source", path.join(import.meta.dirname, "LedgerWorker.ts"), task],
        { env: { PATH: process.env["PATH"], ...env }, stdio: ["pipe", "pipe", "inherit"] },
      )
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
