/**
 * What the operating system knows about processes: who is alive under a pid, and who works in a directory. Synchronous
 * and small: it is asked a few times at start, never while requests are served.
 */
import { spawnSync } from "node:child_process"
import { readFileSync, readdirSync, readlinkSync } from "node:fs"
import { hostname } from "node:os"

const attempt = <A>(read: () => A): A | undefined => {
  try {
    return read()
  } catch {
    return undefined
  }
}

const signals = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    // EPERM: there is such a process, it belongs to somebody else.
    return error instanceof Error && "code" in error && error.code === "EPERM"
  }
}

/**
 * A text that names the process now alive under `pid` and differs for a later one with the same pid: the pid's start
 * time. `undefined` when nobody lives there; a zombie is dead.
 *
 * @category queries
 * @since 0.1.0
 */
export const identity = (pid: number): string | undefined => {
  if (!Number.isInteger(pid) || pid < 1) return undefined
  if (process.platform === "linux") {
    const stat = attempt(() => readFileSync(`/proc/${pid}/stat`, "utf8"))
    // The command's name is in parentheses and may hold anything, so fields are counted after the last one.
    const fields = stat?.slice(stat.lastIndexOf(")") + 2).split(" ")
    const state = fields?.[0]
    if (fields === undefined || state === "Z" || state === "X") return undefined
    return `${fields[19]}`
  }
  if (process.platform === "win32") return signals(pid) ? "alive" : undefined
  const listed = spawnSync("ps", ["-o", "stat=,lstart=", "-p", String(pid)], {
    encoding: "utf8",
    env: { PATH: process.env["PATH"] ?? "/bin:/usr/bin", LC_ALL: "C", TZ: "UTC" },
  })
  const [state = "", ...started] = (listed.stdout ?? "").trim().split(/\s+/)
  return state === "" || state.startsWith("Z") ? undefined : started.join(" ")
}

/**
 * Whether a signal can be sent to `pid`: also true for a zombie, which `identity` calls dead.
 *
 * @category queries
 * @since 0.1.0
 */
export const isTaken = (pid: number): boolean => Number.isInteger(pid) && pid > 0 && signals(pid)

/**
 * Names the world in which pids of this process mean something: the machine since its boot, and the container. Pids
 * written down in another world say nothing here.
 *
 * @category queries
 * @since 0.1.0
 */
export const world = (): string => {
  if (process.platform !== "linux") return hostname()
  const boot = attempt(() => readFileSync("/proc/sys/kernel/random/boot_id", "utf8").trim()) ?? hostname()
  const namespace = attempt(() => readlinkSync("/proc/self/ns/pid")) ?? ""
  return `${boot} ${namespace}`
}

/**
 * The pids of live processes of a program (one of `names`) whose working directory is `directory` (a real path). Only
 * Linux tells; elsewhere the answer is empty.
 *
 * @category queries
 * @since 0.1.0
 */
export const workingIn = (directory: string, names: ReadonlyArray<string>): ReadonlyArray<number> => {
  if (process.platform !== "linux") return []
  return (attempt(() => readdirSync("/proc")) ?? [])
    .filter((name) => /^\d+$/.test(name))
    .map(Number)
    .filter(
      (pid) =>
        attempt(() => readlinkSync(`/proc/${pid}/cwd`)) === directory &&
        names.includes(attempt(() => readFileSync(`/proc/${pid}/comm`, "utf8").trim()) ?? "") &&
        identity(pid) !== undefined,
    )
}

/**
 * The command line of a live process, `""` when it cannot be read.
 *
 * @category queries
 * @since 0.1.0
 */
export const commandLine = (pid: number): string => {
  if (process.platform === "linux") {
    return (attempt(() => readFileSync(`/proc/${pid}/cmdline`, "utf8")) ?? "").replaceAll("\0", " ")
  }
  if (process.platform === "win32") return ""
  return spawnSync("ps", ["-ww", "-o", "command=", "-p", String(pid)], { encoding: "utf8" }).stdout ?? ""
}

/**
 * Sends a signal, ignoring a process that is gone already.
 *
 * @category commands
 * @since 0.1.0
 */
export const signal = (pid: number, name: NodeJS.Signals): void => {
  attempt(() => process.kill(pid, name))
}
