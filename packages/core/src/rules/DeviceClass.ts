/**
 * Which class a machine belongs to: ranges over the memory of its GPUs, and what else a class asks for. Bonds, prices and
 * estimates go by the class's name.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"
import { GpuVendor, Version, isAtLeast, type Gpu, type Hardware } from "../Hardware.ts"

const Gibibytes = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 16_384 })))
const DiskGibibytes = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 })))
const Kilobits = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 1_000_000_000 })))

/**
 * What a class asks for beside its GPU memory. What is left out is not asked for.
 *
 * - `gpuVendors`, `cudaVersion`, `computeCapability` and `ownGpuMemory` are asked of the GPU that has the memory.
 *   `ownGpuMemory` leaves out chips that share their memory with the processor.
 * - `container`: a container runtime, `nvidia` for one that can hand GPUs to containers.
 * - `downKbps` is met only where it was measured.
 *
 * @category models
 * @since 0.1.0
 */
export const Requirements = Schema.Struct({
  gpuVendors: Schema.optionalKey(Schema.NonEmptyArray(GpuVendor)),
  ownGpuMemory: Schema.optionalKey(Schema.Boolean),
  cudaVersion: Schema.optionalKey(Version),
  computeCapability: Schema.optionalKey(Version),
  container: Schema.optionalKey(Schema.Literals(["any", "nvidia"])),
  cores: Schema.optionalKey(Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 65_536 })))),
  memoryGib: Schema.optionalKey(Gibibytes),
  diskFreeGib: Schema.optionalKey(DiskGibibytes),
  downKbps: Schema.optionalKey(Kilobits),
})
/** @since 0.1.0 */
export type Requirements = typeof Requirements.Type

/**
 * A class. It begins at `gpuMemoryGib` on one GPU, as it is printed on the box, and ends where the next class begins; 0 asks
 * for no GPU.
 *
 * @category models
 * @since 0.1.0
 */
export const DeviceClass = Schema.Struct({
  name: Schema.String.pipe(Schema.check(Schema.isPattern(/^[a-z][a-z0-9-]{0,39}$/))),
  gpuMemoryGib: Gibibytes,
  requires: Schema.optionalKey(Requirements),
}).pipe(
  Schema.check(
    Schema.makeFilter(({ gpuMemoryGib, requires = {} }) => {
      const { computeCapability, cudaVersion, gpuVendors, ownGpuMemory } = requires
      const asksGpu =
        gpuVendors !== undefined ||
        cudaVersion !== undefined ||
        computeCapability !== undefined ||
        ownGpuMemory !== undefined
      return gpuMemoryGib === 0 && asksGpu
        ? "it asks something of a GPU and needs none. Set gpuMemoryGib to at least 1."
        : undefined
    }),
  ),
)
/** @since 0.1.0 */
export type DeviceClass = typeof DeviceClass.Type

/**
 * The classes of a market, smallest first. Each begins above the one before, so that the ranges have neither gap nor overlap.
 *
 * @category models
 * @since 0.1.0
 */
export const DeviceClasses = Schema.NonEmptyArray(DeviceClass).pipe(
  Schema.check(
    Schema.isMaxLength(32),
    Schema.makeFilter((classes) => {
      const names = new Set(classes.map(({ name }) => name))
      if (names.size < classes.length) return "a class is listed twice. Give each a name of its own."
      const at = classes.findIndex(
        ({ gpuMemoryGib }, index) => gpuMemoryGib <= (classes[index - 1]?.gpuMemoryGib ?? -1),
      )
      return at === -1
        ? undefined
        : `the class "${classes[at]?.name}" does not begin above "${classes[at - 1]?.name}". List them by gpuMemoryGib, smallest first.`
    }),
  ),
)
/** @since 0.1.0 */
export type DeviceClasses = typeof DeviceClasses.Type

/**
 * The usual classes: machines without a GPU, cards of 16 to 32 GB, of 40 and 48 GB, and of 80 GB and more. Memory that is
 * shared with the processor counts for the class `consumer`, however much it is.
 *
 * @category constants
 * @since 0.1.0
 */
export const standard: DeviceClasses = [
  { name: "cpu", gpuMemoryGib: 0, requires: { cores: 2, memoryGib: 4 } },
  { name: "consumer", gpuMemoryGib: 16 },
  { name: "workstation", gpuMemoryGib: 40, requires: { ownGpuMemory: true } },
  { name: "datacenter", gpuMemoryGib: 80, requires: { ownGpuMemory: true } },
]

/**
 * A class that a machine does not fit, and why: one sentence for each thing that is missing.
 *
 * @category models
 * @since 0.1.0
 */
export interface Miss {
  readonly name: string
  readonly reasons: readonly [string, ...Array<string>]
}

/**
 * What a machine is to a market: its class, or `undefined` where it fits none; and the classes above that it misses, smallest
 * first.
 *
 * @category models
 * @since 0.1.0
 */
export interface Classification {
  readonly class: DeviceClass | undefined
  readonly misses: ReadonlyArray<Miss>
}

/**
 * Drivers, firmware and error correction take up to this part of a memory, in hundredths: a card of 16 GB says 15,109 to 16,376
 * MiB, one of 48 GB 45,634 to 49,140.
 */
const TAKEN_PERCENT = 8

const isEnough = (haveMib: number, needGib: number): boolean => haveMib * 100 >= needGib * 1024 * (100 - TAKEN_PERCENT)

/** `15.9`: a tenth is as exact as anybody names a memory. It is rounded down, so that too little never looks like enough. */
const gib = (mib: number): string => String(Math.floor((mib * 10) / 1024) / 10)

/** What keeps this GPU from being the one that the class asks for. */
const missingOf = (gpu: Gpu, { gpuMemoryGib, requires = {} }: DeviceClass): ReadonlyArray<string> => {
  const { computeCapability, cudaVersion, gpuVendors, ownGpuMemory } = requires
  const reasons: Array<string> = []
  if (gpuVendors !== undefined && !gpuVendors.includes(gpu.vendor)) {
    reasons.push(`needs a GPU of ${gpuVendors.join(" or ")}; ${gpu.name} is of ${gpu.vendor}`)
  }
  if (ownGpuMemory === true && gpu.memoryKind === "shared") {
    reasons.push(`needs a GPU with memory of its own; ${gpu.name} shares it with the processor`)
  }
  if (!isEnough(gpu.memoryMib, gpuMemoryGib)) {
    reasons.push(`needs ${gpuMemoryGib} GiB of GPU memory; ${gpu.name} has ${gib(gpu.memoryMib)}`)
  }
  if (cudaVersion !== undefined && !(gpu.cudaVersion !== undefined && isAtLeast(gpu.cudaVersion, cudaVersion))) {
    reasons.push(`needs a driver for CUDA ${cudaVersion}; ${gpu.name} has ${gpu.cudaVersion ?? "none that is known"}`)
  }
  const capability = gpu.computeCapability
  if (computeCapability !== undefined && !(capability !== undefined && isAtLeast(capability, computeCapability))) {
    reasons.push(`needs compute capability ${computeCapability}; ${gpu.name} has ${capability ?? "none that is known"}`)
  }
  return reasons
}

/** Of the GPU that is nearest to what the class asks for: with the fewest things missing, then with the most memory. */
const gpuReasons = (gpus: ReadonlyArray<Gpu>, deviceClass: DeviceClass): ReadonlyArray<string> => {
  if (deviceClass.gpuMemoryGib === 0) return []
  let nearest: { readonly gpu: Gpu; readonly reasons: ReadonlyArray<string> } | undefined
  for (const gpu of gpus) {
    const reasons = missingOf(gpu, deviceClass)
    const isNearer =
      nearest === undefined ||
      reasons.length < nearest.reasons.length ||
      (reasons.length === nearest.reasons.length && gpu.memoryMib > nearest.gpu.memoryMib)
    if (isNearer) nearest = { gpu, reasons }
  }
  return nearest?.reasons ?? [`needs ${deviceClass.gpuMemoryGib} GiB of GPU memory; no GPU was found`]
}

const containerReasons = (
  container: Hardware["container"],
  needed: Requirements["container"],
): ReadonlyArray<string> => {
  if (needed === undefined) return []
  if (container === undefined) return ["needs a container runtime; none was found"]
  return needed === "nvidia" && !container.nvidiaToolkit
    ? [`needs a container runtime with the NVIDIA toolkit; ${container.runtime} has none`]
    : []
}

const reasonsAgainst = (hardware: Hardware, deviceClass: DeviceClass): ReadonlyArray<string> => {
  const { bandwidth, container, cpu, diskFreeMib, gpus, memoryMib } = hardware
  const { requires = {} } = deviceClass
  const { cores, diskFreeGib, downKbps, memoryGib } = requires
  const reasons = [...gpuReasons(gpus, deviceClass), ...containerReasons(container, requires.container)]
  if (cores !== undefined && cpu.cores < cores) {
    reasons.push(`needs ${cores} processor cores; this machine has ${cpu.cores}`)
  }
  if (memoryGib !== undefined && !isEnough(memoryMib, memoryGib)) {
    reasons.push(`needs ${memoryGib} GiB of memory; this machine has ${gib(memoryMib)}`)
  }
  if (diskFreeGib !== undefined && diskFreeMib < diskFreeGib * 1024) {
    reasons.push(`needs ${diskFreeGib} GiB of free disk; ${gib(diskFreeMib)} are free`)
  }
  const haveKbps = bandwidth?.downKbps
  if (downKbps !== undefined && !(haveKbps !== undefined && haveKbps >= downKbps)) {
    const have = haveKbps === undefined ? "it was not measured" : `${haveKbps / 1000} were measured`
    reasons.push(`needs ${downKbps / 1000} Mbit/s from the market; ${have}`)
  }
  return reasons
}

/**
 * The highest class of which the machine meets all. Its largest suitable GPU counts, not the sum of them. More of anything
 * never leads to a lower class.
 *
 * **Example** (A card of 24 GB, and one of 8)
 *
 * ```ts
 * import { DeviceClass } from "@guildhall/core/rules"
 *
 * const machine = (memoryMib: number) => ({
 *   gpus: [{ vendor: "nvidia" as const, name: "GeForce", memoryMib, memoryKind: "own" as const }],
 *   cpu: { name: "Ryzen", cores: 16, architecture: "x64" as const },
 *   memoryMib: 32_000,
 *   diskFreeMib: 500_000,
 *   system: { platform: "linux" as const, name: "Debian 12" },
 * })
 * DeviceClass.classify(machine(24_564), DeviceClass.standard).class?.name // => "consumer"
 * const small = DeviceClass.classify(machine(8_192), DeviceClass.standard)
 * small.class?.name // => "cpu"
 * small.misses[0]?.reasons // => ["needs 16 GiB of GPU memory; GeForce has 8"]
 * ```
 *
 * @category rules
 * @since 0.1.0
 */
export const classify = (hardware: Hardware, classes: DeviceClasses): Classification => {
  const misses: Array<Miss> = []
  for (const deviceClass of classes.toReversed()) {
    const [first, ...rest] = reasonsAgainst(hardware, deviceClass)
    if (first === undefined) return { class: deviceClass, misses: misses.reverse() }
    misses.push({ name: deviceClass.name, reasons: [first, ...rest] })
  }
  return { class: undefined, misses: misses.reverse() }
}

/**
 * The range of a class in GiB of GPU memory: from, and below what. Without `belowGib` it has no upper end.
 *
 * **Example** (From 16 to below 40)
 *
 * ```ts
 * import { DeviceClass } from "@guildhall/core/rules"
 *
 * DeviceClass.range("consumer", DeviceClass.standard) // => { fromGib: 16, belowGib: 40 }
 * DeviceClass.range("datacenter", DeviceClass.standard) // => { fromGib: 80 }
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const range = (
  name: string,
  classes: DeviceClasses,
): { readonly fromGib: number; readonly belowGib?: number } | undefined => {
  const at = classes.findIndex((deviceClass) => deviceClass.name === name)
  const [one, next] = [classes[at], classes[at + 1]]
  if (one === undefined) return undefined
  return { fromGib: one.gpuMemoryGib, ...(next === undefined ? {} : { belowGib: next.gpuMemoryGib }) }
}
