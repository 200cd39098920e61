/**
 * What the runtime itself knows of the machine that it runs on, in one place, so that a test can be another machine.
 *
 * @since 0.1.0
 */
import * as Os from "node:os"
import * as NodePath from "node:path"
import * as Context from "effect/Context"

/**
 * - `platform` and `architecture` as Node names them; `release` is the kernel's.
 * - `parallelism`: how many threads the process may run at once, its container's limit counted. `memoryMib`: what the machine has, or what the process is
 *   limited to where that is less.
 * - `toolPath`: the folders in which tools are looked for, in the form of `PATH`.
 *
 * @category models
 * @since 0.1.0
 */
export interface HostFacts {
  readonly platform: string
  readonly architecture: string
  readonly release: string
  readonly cpuName: string
  readonly parallelism: number
  readonly memoryMib: number
  readonly toolPath: string
}

/** Where drivers put their tools and services are started without: WSL, ROCm, and what is the administrator's. */
const FURTHER_FOLDERS = ["/usr/lib/wsl/lib", "/opt/rocm/bin", "/usr/local/bin", "/usr/bin", "/usr/sbin", "/sbin"]

const MIB = 1024 * 1024

const facts = (): HostFacts => {
  const limit = process.constrainedMemory()
  const total = Os.totalmem()
  const isWindows = process.platform === "win32"
  return {
    platform: process.platform,
    architecture: process.arch,
    release: Os.release(),
    cpuName: Os.cpus()[0]?.model ?? "",
    parallelism: Os.availableParallelism(),
    // A limit of 0, or one beyond the machine, is none.
    memoryMib: Math.floor((limit > 0 && limit < total ? limit : total) / MIB),
    toolPath: [process.env["PATH"] ?? "", ...(isWindows ? [] : FURTHER_FOLDERS)].join(NodePath.delimiter),
  }
}

/**
 * The machine. It is this one unless something else is provided.
 *
 * @category references
 * @since 0.1.0
 */
export const Host = Context.Reference<HostFacts>("@guildhall/agent/detect/Host", { defaultValue: facts })
