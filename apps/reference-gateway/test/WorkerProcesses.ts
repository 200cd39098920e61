/** Finds the processes that serve a market's port, below the one that was started. */
import { describe } from "@effect/vitest"
import { readdirSync, readFileSync } from "node:fs"

/** Describes what several processes on one port do. Where it is skipped, its name says why. */
export const describeThem = (name: string, tests: () => void): void => {
  if (process.platform === "linux") describe(name, tests)
  else describe.skip(`${name} (skipped: they are found in /proc, and share a port as Linux does)`, tests)
}

/** Their pids, by the parent's. */
export const of = (pid: number): ReadonlyArray<number> =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name))
    .flatMap((name) => {
      try {
        const parent = /^PPid:\s+(\d+)$/m.exec(readFileSync(`/proc/${name}/status`, "utf8"))?.[1]
        const isWorker = readFileSync(`/proc/${name}/cmdline`, "utf8").includes("workerMain.ts")
        return isWorker && Number(parent) === pid ? [Number(name)] : []
      } catch {
        return []
      }
    })
