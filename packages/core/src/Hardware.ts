/**
 * What a machine is: its GPUs, processor, memory, disk, system and container runtime. It is found on the machine itself and
 * told by it, so every field has a bound, and nothing here is believed before work has proved it.
 *
 * @since 0.1.0
 */
import * as Schema from "effect/Schema"

/** Printable ASCII, which is what tools name parts with; nothing that moves a terminal's cursor fits. */
const Text = Schema.String.pipe(Schema.check(Schema.isPattern(/^[!-~](?:[ -~]{0,98}[!-~])?$/)))

/**
 * A version of numbers and dots, such as `12.4` or `595.58.03`.
 *
 * @category models
 * @since 0.1.0
 */
export const Version = Schema.String.pipe(Schema.check(Schema.isPattern(/^\d{1,6}(?:\.\d{1,6}){0,4}$/)))
/** @since 0.1.0 */
export type Version = typeof Version.Type

/** At most 16 TiB. */
const Mebibytes = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 16_777_216 })))
/** At most 16 EiB, which is what a file system can say. */
const DiskMebibytes = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 0, maximum: 17_592_186_044_416 })))
const Kilobits = Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 1_000_000_000 })))

/**
 * Who made a GPU.
 *
 * @category models
 * @since 0.1.0
 */
export const GpuVendor = Schema.Literals(["nvidia", "amd", "apple", "intel", "other"])
/** @since 0.1.0 */
export type GpuVendor = typeof GpuVendor.Type

/**
 * A GPU, or one slice of a GPU that is partitioned (MIG).
 *
 * - `memoryMib`: what a program on it can have, in MiB, as its driver says. Drivers keep some of a card's memory for
 *   themselves and for error correction, so a card of 16 GB may say 15,360.
 * - `memoryKind`: `own`, or `shared` with the processor, as in Apple's chips.
 * - `cudaVersion`: the newest that the driver speaks; `rocmVersion`: the one that is installed.
 * - `uuid`: the card's own; `slice`: which part of it this is, as `<GPU instance>/<compute instance>`.
 *
 * @category models
 * @since 0.1.0
 */
export const Gpu = Schema.Struct({
  vendor: GpuVendor,
  name: Text,
  memoryMib: Mebibytes,
  memoryKind: Schema.Literals(["own", "shared"]),
  driverVersion: Schema.optionalKey(Text),
  cudaVersion: Schema.optionalKey(Version),
  rocmVersion: Schema.optionalKey(Version),
  computeCapability: Schema.optionalKey(Version),
  uuid: Schema.optionalKey(Text),
  slice: Schema.optionalKey(Schema.String.pipe(Schema.check(Schema.isPattern(/^\d{1,3}\/\d{1,3}$/)))),
})
/** @since 0.1.0 */
export type Gpu = typeof Gpu.Type

/**
 * What runs containers here, and whether it can hand NVIDIA GPUs to them.
 *
 * @category models
 * @since 0.1.0
 */
export const Container = Schema.Struct({
  runtime: Schema.Literals(["docker", "podman"]),
  version: Schema.optionalKey(Text),
  nvidiaToolkit: Schema.Boolean,
})
/** @since 0.1.0 */
export type Container = typeof Container.Type

/**
 * What was measured against the market, in kilobits a second.
 *
 * @category models
 * @since 0.1.0
 */
export const Bandwidth = Schema.Struct({
  downKbps: Schema.optionalKey(Kilobits),
  upKbps: Schema.optionalKey(Kilobits),
})
/** @since 0.1.0 */
export type Bandwidth = typeof Bandwidth.Type

/** The same card twice is how one card is sold as two. */
const sameCard = (gpus: ReadonlyArray<Gpu>): string | undefined => {
  const seen = new Map<string, Set<string>>()
  for (const { uuid, slice = "" } of gpus) {
    if (uuid === undefined) continue
    const slices = seen.get(uuid) ?? new Set<string>()
    const isTaken = slices.has(slice) || slices.has("") || (slice === "" && slices.size > 0)
    if (isTaken) return `the GPU ${uuid} is listed twice.`
    seen.set(uuid, slices.add(slice))
  }
  return undefined
}

/**
 * A machine. `cores` and `memoryMib` are what the agent may use, which in a container is less than the machine has;
 * `diskFreeMib` is what is free where the agent keeps its files.
 *
 * **Example** (A gaming PC)
 *
 * ```ts
 * import { Hardware } from "@guildhall/core"
 *
 * const machine = Hardware.Hardware.make({
 *   gpus: [{ vendor: "nvidia", name: "NVIDIA GeForce RTX 4090", memoryMib: 24_564, memoryKind: "own" }],
 *   cpu: { name: "AMD Ryzen 9 7950X", cores: 32, architecture: "x64" },
 *   memoryMib: 64_000,
 *   diskFreeMib: 900_000,
 *   system: { platform: "linux", name: "Ubuntu 24.04.3 LTS" },
 * })
 * Hardware.largestGpu(machine)?.name // => "NVIDIA GeForce RTX 4090"
 * ```
 *
 * @category models
 * @since 0.1.0
 */
export const Hardware = Schema.Struct({
  gpus: Schema.Array(Gpu).pipe(Schema.check(Schema.isMaxLength(128), Schema.makeFilter(sameCard))),
  cpu: Schema.Struct({
    name: Text,
    cores: Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 65_536 }))),
    architecture: Schema.Literals(["x64", "arm64", "other"]),
  }),
  memoryMib: Mebibytes,
  diskFreeMib: DiskMebibytes,
  system: Schema.Struct({
    platform: Schema.Literals(["linux", "darwin", "win32", "other"]),
    name: Text,
  }),
  container: Schema.optionalKey(Container),
  bandwidth: Schema.optionalKey(Bandwidth),
})
/** @since 0.1.0 */
export type Hardware = typeof Hardware.Type

/**
 * A text of a tool as these schemas take it: what is not printable ASCII becomes a space, spaces in a row one, and what is too
 * long is cut. `undefined` where nothing is left.
 *
 * **Example** (A processor's name, padded)
 *
 * ```ts
 * import { Hardware } from "@guildhall/core"
 *
 * Hardware.text("  Intel(R) Xeon(R) \u00ae CPU   @ 2.20GHz\n") // => "Intel(R) Xeon(R) CPU @ 2.20GHz"
 * Hardware.text(" \t ") // => undefined
 * ```
 *
 * @category decoding
 * @since 0.1.0
 */
export const text = (raw: string): string | undefined => {
  const plain = raw
    .slice(0, 1_000)
    .replace(/[^!-~]+/g, " ")
    .trim()
    .slice(0, 100)
    .trimEnd()
  return plain === "" ? undefined : plain
}

/**
 * The GPU with the most memory; of several, the first.
 *
 * @category getters
 * @since 0.1.0
 */
export const largestGpu = ({ gpus }: Hardware): Gpu | undefined => {
  let largest: Gpu | undefined
  for (const gpu of gpus) if (largest === undefined || gpu.memoryMib > largest.memoryMib) largest = gpu
  return largest
}

/**
 * Whether a version is that one or a newer one, number by number. What a version leaves out is 0.
 *
 * **Example** (Ten is more than nine)
 *
 * ```ts
 * import { Hardware } from "@guildhall/core"
 *
 * Hardware.isAtLeast("12.10", "12.9") // => true
 * Hardware.isAtLeast("12", "12.0.1") // => false
 * ```
 *
 * @category getters
 * @since 0.1.0
 */
export const isAtLeast = (version: Version, minimum: Version): boolean => {
  const [have, need] = [version.split(".").map(Number), minimum.split(".").map(Number)]
  for (let at = 0; at < Math.max(have.length, need.length); at++) {
    const difference = (have[at] ?? 0) - (need[at] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}
