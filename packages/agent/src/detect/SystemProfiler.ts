/**
 * Macs, as `system_profiler -json` tells of them: Apple's chips with memory that is shared, and the cards of older ones.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Hardware from "@guildhall/core/Hardware"
import type { Finding, Reading } from "./Finding.ts"
import * as Tool from "./Tool.ts"

const TOOL = "system_profiler"
/** It looks at every bus of the machine. */
const TIMEOUT_MS = 20_000

const Entry = Schema.Record(Schema.String, Schema.Unknown)
const Output = Schema.fromJsonString(
  Schema.Struct({
    SPHardwareDataType: Schema.optionalKey(Schema.Array(Entry)),
    SPDisplaysDataType: Schema.optionalKey(Schema.Array(Entry)),
  }),
)

/**
 * What a Mac is, beside its cores and memory, which the runtime knows. `chip` is `Apple M2 Max`, or none on older ones.
 *
 * @category models
 * @since 0.1.0
 */
export interface Mac {
  readonly chip: string | undefined
  readonly gpus: ReadonlyArray<Hardware.Gpu>
}

const words = (entry: Readonly<Record<string, unknown>>, ...keys: ReadonlyArray<string>): string | undefined => {
  for (const key of keys) {
    const value = entry[key]
    const text = typeof value === "string" ? Hardware.text(value) : undefined
    if (text !== undefined) return text
  }
  return undefined
}

const FACTORS: Readonly<Record<string, number>> = { MB: 1, GB: 1024, TB: 1024 * 1024 }

/** `24 GB` in MiB. */
const size = (text: string | undefined): number | undefined => {
  const [, amount, unit = ""] = /^(\d{1,6}(?:\.\d{1,2})?) (MB|GB|TB)$/.exec(text ?? "") ?? []
  return amount === undefined ? undefined : Math.round(Number(amount) * (FACTORS[unit] ?? 1))
}

/**
 * What Metal lets the GPU have of a memory that it shares: two thirds of it, and three quarters of more than 32 GiB. The owner
 * can set another limit (`iogpu.wired_limit_mb`), which is `limitMib`.
 */
const sharedMib = (totalMib: number, limitMib: number | undefined): number => {
  if (limitMib !== undefined && limitMib > 0) return Math.min(limitMib, totalMib)
  return totalMib > 32 * 1024 ? Math.floor((totalMib * 3) / 4) : Math.floor((totalMib * 2) / 3)
}

const VENDORS: ReadonlyArray<readonly [RegExp, Hardware.GpuVendor]> = [
  [/apple/i, "apple"],
  [/amd|ati|0x1002/i, "amd"],
  [/nvidia|0x10de/i, "nvidia"],
  [/intel|0x8086/i, "intel"],
]

const isGpu = Schema.decodeUnknownResult(Hardware.Gpu)

/**
 * Reads what `system_profiler -json SPHardwareDataType SPDisplaysDataType` wrote. `totalMib` is the memory of the machine.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (output: string, totalMib: number, limitMib?: number): Reading<Mac> => {
  const decoded = Option.getOrUndefined(Schema.decodeUnknownOption(Output)(output))
  if (decoded === undefined) {
    const detail = "What system_profiler -json wrote is not its JSON."
    return { value: { chip: undefined, gpus: [] }, findings: [{ source: TOOL, reason: "Unreadable", detail }] }
  }
  const chip = words(decoded.SPHardwareDataType?.[0] ?? {}, "chip_type", "cpu_type")
  const findings: Array<Finding> = []
  const gpus: Array<Hardware.Gpu> = []
  for (const entry of (decoded.SPDisplaysDataType ?? []).slice(0, 16)) {
    const made = words(entry, "spdisplays_vendor", "sppci_vendor") ?? ""
    const named = words(entry, "sppci_model", "_name")
    // Some versions write the key of a name that they did not translate.
    const name = (named?.startsWith("kHW_") === true ? chip : named) ?? "GPU"
    const vendor = VENDORS.find(([pattern]) => pattern.test(made === "" ? name : made))?.[1] ?? "other"
    const own = size(words(entry, "spdisplays_vram", "_spdisplays_vram"))
    const shared = size(words(entry, "spdisplays_vram_shared"))
    const memoryMib = vendor === "apple" ? sharedMib(totalMib, limitMib) : (own ?? shared)
    if (memoryMib === undefined) {
      findings.push({ source: TOOL, reason: "Unreadable", detail: `${name} does not say how much memory it has.` })
      continue
    }
    const isShared = vendor === "apple" || own === undefined
    const gpu = isGpu({ vendor, name, memoryMib, memoryKind: isShared ? "shared" : "own" })
    if (Result.isSuccess(gpu)) gpus.push(gpu.success)
    else findings.push({ source: TOOL, reason: "Contradiction", detail: `${name} says that it has ${memoryMib} MiB.` })
  }
  return { value: { chip, gpus }, findings }
}

const limit = Tool.succeed("sysctl", ["-n", "iogpu.wired_limit_mb"], { timeoutMs: 2_000 }).pipe(
  Effect.map((text) => (/^\d{1,8}\s*$/.test(text) ? Number(text) : undefined)),
  // Older systems do not know the setting.
  Effect.orElseSucceed(() => undefined),
)

/**
 * What this Mac is.
 *
 * @category getters
 * @since 0.1.0
 */
export const detect = Effect.fnUntraced(function* (totalMib: number) {
  const args = ["-json", "SPHardwareDataType", "SPDisplaysDataType"]
  const output = yield* Effect.result(Tool.succeed(TOOL, args, { timeoutMs: TIMEOUT_MS }))
  if (Result.isSuccess(output)) return parse(output.success, totalMib, yield* limit)
  const reading: Reading<Mac> = { value: { chip: undefined, gpus: [] }, findings: [Tool.finding(output.failure)] }
  return reading
})
