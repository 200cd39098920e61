/**
 * The processor: its name, its architecture, and how much of it the agent may use.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Hardware from "@guildhall/core/Hardware"
import { Host } from "./Host.ts"

/** `model name : AMD EPYC 7763`, or on a small ARM board `Model : Raspberry Pi 5`. */
const NAMES = [/^model name\s*:(.*)$/m, /^Hardware\s*:(.*)$/m, /^Model\s*:(.*)$/m, /^cpu model\s*:(.*)$/m]

/**
 * The name in `/proc/cpuinfo`, or `undefined` where it has none, as on most ARM servers.
 *
 * @category decoding
 * @since 0.1.0
 */
export const nameIn = (cpuinfo: string): string | undefined => {
  for (const pattern of NAMES) {
    const name = Hardware.text(pattern.exec(cpuinfo)?.[1] ?? "")
    if (name !== undefined) return name
  }
  return undefined
}

const ARCHITECTURES: Readonly<Record<string, Hardware.Hardware["cpu"]["architecture"]>> = { x64: "x64", arm64: "arm64" }

const nameOnLinux = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  return nameIn(yield* Effect.orElseSucceed(fs.readFileString("/proc/cpuinfo"), () => ""))
})

/**
 * The processor of this machine. `chip` is its name where another tool knows it better.
 *
 * @category getters
 * @since 0.1.0
 */
export const detect = Effect.fnUntraced(function* (chip: string | undefined) {
  const { architecture, cpuName, parallelism, platform } = yield* Host
  const said = cpuName === "unknown" ? undefined : Hardware.text(cpuName)
  const name = chip ?? said ?? (platform === "linux" ? yield* nameOnLinux : undefined)
  const cpu: Hardware.Hardware["cpu"] = {
    name: name ?? `${Hardware.text(architecture) ?? "unknown"} processor`,
    cores: Math.min(65_536, Math.max(1, parallelism)),
    architecture: ARCHITECTURES[architecture] ?? "other",
  }
  return cpu
})
