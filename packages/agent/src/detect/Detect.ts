/**
 * Looks at the whole machine: every source at once, each within its bounds.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import type * as FileSystem from "effect/FileSystem"
import type * as Path from "effect/Path"
import type { ChildProcessSpawner } from "effect/process/ChildProcessSpawner"
import * as Hardware from "@guildhall/core/Hardware"
import * as ContainerRuntime from "./ContainerRuntime.ts"
import * as DiskSpace from "./DiskSpace.ts"
import type { Finding, Reading } from "./Finding.ts"
import { Host } from "./Host.ts"
import * as NvidiaSmi from "./NvidiaSmi.ts"
import * as OperatingSystem from "./OperatingSystem.ts"
import * as PciBus from "./PciBus.ts"
import * as Processor from "./Processor.ts"
import * as RocmSmi from "./RocmSmi.ts"
import * as SystemProfiler from "./SystemProfiler.ts"

/**
 * The machine, and everything that could not be found out about it, with what to do.
 *
 * @category models
 * @since 0.1.0
 */
export interface Detected {
  readonly hardware: Hardware.Hardware
  readonly findings: ReadonlyArray<Finding>
}

const MAX_GPUS = 128

const nothing: Reading<ReadonlyArray<Hardware.Gpu>> = { value: [], findings: [] }
const noMac: Reading<SystemProfiler.Mac> = { value: { chip: undefined, gpus: [] }, findings: [] }

const DRIVERS: ReadonlyArray<readonly [Hardware.GpuVendor, string, string]> = [
  [
    "nvidia",
    "nvidia-smi",
    "Install NVIDIA's driver, which brings nvidia-smi (on Ubuntu: sudo ubuntu-drivers install). In a container, start it with --gpus all.",
  ],
  ["amd", "rocm-smi", "Install ROCm, which brings rocm-smi: see rocm.docs.amd.com."],
]

/** A missing tool is a problem only where its card sits in the machine. */
const missing = (
  cards: Partial<Record<Hardware.GpuVendor, number>>,
  findings: ReadonlyArray<Finding>,
): ReadonlyArray<Finding> =>
  findings.flatMap((finding) => {
    if (finding.reason !== "Missing") return [finding]
    const driver = DRIVERS.find(([, tool]) => tool === finding.source)
    const count = driver === undefined ? 0 : (cards[driver[0]] ?? 0)
    if (driver === undefined || count === 0) return []
    const [vendor, tool, fix] = driver
    const what = `${count} ${vendor === "amd" ? "AMD" : "NVIDIA"} ${count === 1 ? "card" : "cards"}`
    return [
      { ...finding, detail: `There ${count === 1 ? "is" : "are"} ${what} here, and ${tool} is not installed.`, fix },
    ]
  })

/** Each source has no card twice; two that name the same one contradict each other, and the first is believed. */
const together = (
  ...readings: ReadonlyArray<Reading<ReadonlyArray<Hardware.Gpu>>>
): Reading<ReadonlyArray<Hardware.Gpu>> => {
  const uuids = new Map<string, number>()
  const findings: Array<Finding> = []
  const value = readings.flatMap((reading, source) =>
    reading.value.filter(({ name, uuid }) => {
      if (uuid === undefined || (uuids.get(uuid) ?? source) === source) {
        if (uuid !== undefined) uuids.set(uuid, source)
        return true
      }
      const detail = `${name} has the UUID of a card of another maker, ${uuid}, and is not counted.`
      findings.push({ source: "rocm-smi", reason: "Contradiction", detail })
      return false
    }),
  )
  return {
    value: value.slice(0, MAX_GPUS),
    findings: [...readings.flatMap((reading) => reading.findings), ...findings],
  }
}

/**
 * Looks at this machine. It takes as long as the slowest of its tools, at most about half a minute, and never fails. `directory`
 * is where the agent keeps its files, whether it is there already or not.
 *
 * @category getters
 * @since 0.1.0
 */
export const detect = Effect.fn("Detect.detect")(function* (options: {
  readonly directory: string
}): Effect.fn.Return<Detected, never, ChildProcessSpawner | FileSystem.FileSystem | Path.Path> {
  const { memoryMib, platform } = yield* Host
  const isMac = platform === "darwin"
  const sources = yield* Effect.all(
    {
      nvidia: isMac ? Effect.succeed(nothing) : NvidiaSmi.detect(memoryMib),
      amd: platform === "linux" ? RocmSmi.detect : Effect.succeed(nothing),
      mac: isMac ? SystemProfiler.detect(memoryMib) : Effect.succeed(noMac),
      container: ContainerRuntime.detect,
      disk: DiskSpace.detect(options.directory),
      system: OperatingSystem.detect,
      cards: PciBus.detect,
    },
    { concurrency: "unbounded" },
  )
  const { amd, cards, container, disk, mac, nvidia, system } = sources
  const gpus = together(nvidia, amd, { value: mac.value.gpus, findings: mac.findings })
  const hardware = Hardware.Hardware.make({
    gpus: gpus.value,
    cpu: yield* Processor.detect(mac.value.chip),
    memoryMib: Math.min(16_777_216, Math.max(1, memoryMib)),
    diskFreeMib: disk.value,
    system,
    ...(container.value === undefined ? {} : { container: container.value }),
  })
  const findings = [gpus, container, disk].flatMap((reading) => reading.findings)
  return { hardware, findings: missing(cards, findings) }
})
