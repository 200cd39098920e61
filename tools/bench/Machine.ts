/**
 * Cores, processes and what they use. Where `taskset` exists, what is measured gets a core of its own.
 */
import { fork, spawnSync } from "node:child_process"
import type { ChildProcess } from "node:child_process"
import { once } from "node:events"
import { existsSync, readFileSync } from "node:fs"
import { availableParallelism } from "node:os"

/** The core for what is measured, and those for everything else; `undefined` where processes cannot be pinned. */
export interface Cores {
  readonly measured: string
  readonly others: string
}

/** Takes the last core for what is measured. */
export const cores = (): Cores | undefined => {
  const count = availableParallelism()
  if (count < 2 || spawnSync("taskset", ["--version"]).status !== 0) return undefined
  return { measured: String(count - 1), others: count === 2 ? "0" : `0-${count - 2}` }
}

/** Pins a process, with all its threads, to some cores. */
export const pin = (pid: number, list: string): void => {
  spawnSync("taskset", ["-acp", list, String(pid)], { stdio: "ignore" })
}

/** A program of this folder in a process of its own, and the port that it sends. */
export const start = async (
  file: string,
  args: ReadonlyArray<string>,
  list: string | undefined,
): Promise<{ readonly child: ChildProcess; readonly pid: number; readonly port: number }> => {
  const child = fork(file, [...args], { execArgv: ["--conditions=@guildhall/source"] })
  const [port] = await Promise.race([
    once(child, "message"),
    once(child, "exit").then(() => Promise.reject(new Error(`${file} ended before it listened.`))),
  ])
  const pid = child.pid ?? 0
  if (list !== undefined) pin(pid, list)
  return { child, pid, port: Number(port) }
}

/** CPU time that a process has used, in microseconds, its threads included. */
export const cpuUs = (pid: number): number => {
  const file = `/proc/${pid}/stat`
  if (existsSync(file)) {
    const text = readFileSync(file, "utf8")
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ")
    // Fields 14 and 15 of proc(5), in ticks of 10 ms.
    return (Number(fields[11]) + Number(fields[12])) * 10_000
  }
  const time = spawnSync("ps", ["-o", "time=", "-p", String(pid)], { encoding: "utf8" }).stdout.trim()
  return time.split(":").reduce((sum, part) => sum * 60 + Number(part), 0) * 1_000_000
}

/** Memory that a process holds, in MB. */
export const rssMb = (pid: number): number => {
  const kb = spawnSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" }).stdout.trim()
  return Number(kb) / 1024
}
