/**
 * Runs programs of this app as real processes, and looks at what they leave behind.
 */
import { type ChildProcess, spawn } from "node:child_process"
import { once } from "node:events"
import { chmodSync, existsSync, mkdtempSync, readFileSync, realpathSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { setTimeout as pause } from "node:timers/promises"
import * as TestProgram from "@guildhall/tools/TestProgram"
import * as ProcessTable from "../src/ProcessTable.ts"

/** A program that runs, with everything it has said. */
export interface MarketProcess {
  readonly child: ChildProcess
  readonly pid: number
  readonly output: () => string
  /** Waits for a text in the output; fails with all of it when the program ends or 20 s pass. */
  readonly says: (text: string, times?: number) => Promise<void>
  /** Waits for the end; answers the exit code, `null` after a signal. */
  readonly ends: () => Promise<number | null>
  /** Sends a signal and waits for the end. */
  readonly endBy: (signal: NodeJS.Signals) => Promise<number | null>
}

/** Waits until a condition holds. */
export const until = async (what: string, condition: () => boolean | Promise<boolean>, limitMs = 30_000) => {
  for (const end = performance.now() + limitMs; performance.now() < end; await pause(20)) {
    if (await condition()) return
  }
  throw new Error(`waited ${limitMs} ms in vain until ${what}`)
}

/** Runs a file beside this one under the same Node. */
export const runFile = (
  file: string,
  env: Readonly<Record<string, string>>,
  args: ReadonlyArray<string> = [],
): MarketProcess => {
  const child = spawn(
    process.execPath,
    ["--conditions=@guildhall/source", TestProgram.of(path.join(import.meta.dirname, file)), ...args],
    {
      env: {
        PATH: process.env["PATH"],
        NODE_COMPILE_CACHE: process.env["NODE_COMPILE_CACHE"],
        HOME: process.env["HOME"],
        ...env,
      },
      stdio: ["pipe", "pipe", "pipe"],
    },
  )
  let output = ""
  child.stdout.on("data", (chunk: Buffer) => (output += chunk.toString()))
  child.stderr.on("data", (chunk: Buffer) => (output += chunk.toString()))
  const closed = once(child, "close")
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null
  const ends = async () => {
    await closed
    return child.exitCode
  }
  return {
    child,
    pid: child.pid ?? 0,
    output: () => output,
    says: async (text, times = 1) => {
      const has = () => output.split(text).length > times
      await until(`"${text}" is said`, () => has() || hasEnded(), 45_000)
      if (!has()) throw new Error(`ended before it said "${text}":\n${output}`)
    },
    ends,
    endBy: async (signal) => {
      child.kill(signal)
      return ends()
    },
  }
}

/** A home in a directory of its own that `remove` takes away, whatever is in it and wherever its data is. */
export const makeHome = () => {
  const parent = realpathSync(mkdtempSync(path.join(tmpdir(), "guildhall-home-")))
  const home = path.join(parent, "home")
  chmodSync(parent, 0o755)
  const facts = (): Record<string, unknown> => {
    const file = path.join(home, "postgres.json")
    return existsSync(file) ? JSON.parse(readFileSync(file, "utf8")) : {}
  }
  const data = () => String(facts()["data"] ?? path.join(home, "postgres/data"))
  const servers = () => ProcessTable.workingIn(data(), ["postgres"])
  return {
    parent,
    home,
    data,
    url: () => String(facts()["url"]),
    postmaster: () => Number(readFileSync(path.join(data(), "postmaster.pid"), "utf8").split("\n")[0]),
    servers,
    isDeserted: () => servers().length === 0,
    remove: () => {
      for (const pid of servers()) ProcessTable.signal(pid, "SIGKILL")
      const outside = facts()["outside"]
      if (typeof outside === "string") rmSync(outside, { recursive: true, force: true })
      rmSync(parent, { recursive: true, force: true })
    },
  }
}
