/**
 * AMD GPUs, as `rocm-smi --json` tells of them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as FileSystem from "effect/FileSystem"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Hardware from "@guildhall/core/Hardware"
import type { Finding, Reading } from "./Finding.ts"
import * as Gauges from "./Gauges.ts"
import * as Tool from "./Tool.ts"

const TOOL = "rocm-smi"
const MIB = 1024n * 1024n

/** Cards by `card0`, `card1`, …, and `system`. Which keys a card has, and how they are spelled, changed with the versions. */
const Output = Schema.fromJsonString(Schema.Record(Schema.String, Schema.Record(Schema.String, Schema.Unknown)))

const problem = (reason: Finding["reason"], detail: string, fix?: string): Finding => ({
  source: TOOL,
  reason,
  detail,
  ...(fix === undefined ? {} : { fix }),
})

/** The first of these keys that says something, whatever its case. */
const field = (card: Readonly<Record<string, unknown>>, ...keys: ReadonlyArray<string>): string | undefined => {
  for (const key of keys) {
    const entry = Object.entries(card).find(([name]) => name.toLowerCase() === key.toLowerCase())
    const words = typeof entry?.[1] === "string" ? Hardware.text(entry[1]) : undefined
    if (words !== undefined && words !== "N/A") return words
  }
  return undefined
}

/** Processors with graphics of their own, which share the memory of the machine, however much of it is set apart for them. */
const SHARING = /^gfx(?:902|909|90c|1013|1033|1035|1036|1037|1103|115[0-3])$/
const isShared = (name: string, gfx: string | undefined): boolean => SHARING.test(gfx ?? "") || /MI300A/.test(name)

/** `card10` comes after `card9`. */
const byNumber = ([a]: readonly [string, unknown], [b]: readonly [string, unknown]): number =>
  Number(a.slice(4)) - Number(b.slice(4))

const isGpu = Schema.decodeUnknownResult(Hardware.Gpu)

/**
 * Reads what `rocm-smi --showproductname --showmeminfo vram --showdriverversion --showuniqueid --json` wrote, which may begin
 * with warnings. `rocmVersion` is the installed one, which it does not say.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (
  output: string,
  rocmVersion: Hardware.Version | undefined,
): Reading<ReadonlyArray<Hardware.Gpu>> => {
  const json = output.slice(output.indexOf("{"), output.lastIndexOf("}") + 1)
  const cards = Option.getOrUndefined(Schema.decodeUnknownOption(Output)(json))
  if (cards === undefined) {
    const fix = "Update ROCm, and look at what rocm-smi --json writes."
    return { value: [], findings: [problem("Unreadable", "What rocm-smi --json wrote is not its JSON.", fix)] }
  }
  const driverVersion = field(cards["system"] ?? {}, "Driver version")
  const findings: Array<Finding> = []
  const found: Array<Hardware.Gpu> = []
  const seen = new Set<string>()
  const numbered = Object.entries(cards).filter(([key]) => /^card\d{1,4}$/.test(key))
  for (const [key, card] of numbered.toSorted(byNumber)) {
    const name = field(card, "Card series", "Device Name", "Card model", "Card SKU") ?? "AMD GPU"
    const label = `${name} (${key})`
    const said = field(card, "VRAM Total Memory (B)")
    const bytes = /^\d{1,20}$/.test(said ?? "") ? BigInt(said ?? 0) : 0n
    const uuid = field(card, "Unique ID")
    if (bytes < MIB) {
      findings.push(problem("Unreadable", `${label} says "${said ?? "nothing"}" where its memory should be.`))
      continue
    }
    if (uuid !== undefined && seen.has(uuid)) {
      findings.push(
        problem("Contradiction", `${label} has the unique id of another card, ${uuid}, and is not counted.`),
      )
      continue
    }
    if (uuid !== undefined) seen.add(uuid)
    const gpu = isGpu({
      vendor: "amd",
      name,
      memoryMib: Number(bytes / MIB),
      memoryKind: isShared(name, field(card, "GFX Version")) ? "shared" : "own",
      ...(driverVersion === undefined ? {} : { driverVersion }),
      ...(rocmVersion === undefined ? {} : { rocmVersion }),
      ...(uuid === undefined ? {} : { uuid }),
    })
    if (Result.isSuccess(gpu)) found.push(gpu.success)
    else findings.push(problem("Contradiction", `${label} says that it has ${bytes / MIB} MiB of memory.`))
  }
  return { value: found, findings }
}

const decimal = (text: string | undefined): number | undefined =>
  /^\d{1,18}(?:\.\d{1,6})?$/.test(text ?? "") ? Number(text) : undefined

const GAUGES_MS = 5_000

/**
 * Reads the gauges from what `rocm-smi --showuse --showtemp --showmeminfo vram --json` wrote. Undefined where that is not its JSON.
 * Of a card's temperatures the junction's counts, which is the hottest, else the edge's.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parseGauges = (output: string): Gauges.Gauges | undefined => {
  const json = output.slice(output.indexOf("{"), output.lastIndexOf("}") + 1)
  const cards = Option.getOrUndefined(Schema.decodeUnknownOption(Output)(json))
  if (cards === undefined) return undefined
  const gauges = Object.entries(cards).flatMap(([key, card]) => {
    if (!/^card\d{1,4}$/.test(key)) return []
    const loadPercent = decimal(field(card, "GPU use (%)"))
    const temperatureCelsius = decimal(
      field(card, "Temperature (Sensor junction) (C)", "Temperature (Sensor edge) (C)"),
    )
    const used = decimal(field(card, "VRAM Total Used Memory (B)"))
    return [
      {
        ...(loadPercent === undefined ? {} : { loadPercent }),
        ...(temperatureCelsius === undefined ? {} : { temperatureCelsius }),
        ...(used === undefined ? {} : { vramUsedMib: used / Number(MIB) }),
      },
    ]
  })
  return Gauges.together(gauges)
}

/**
 * The gauges of this machine's AMD GPUs, within five seconds.
 *
 * @category getters
 * @since 0.1.0
 */
export const gauges = Tool.succeed(TOOL, ["--showuse", "--showtemp", "--showmeminfo", "vram", "--json"], {
  timeoutMs: GAUGES_MS,
}).pipe(
  Effect.map(parseGauges),
  Effect.flatMap((found) =>
    found === undefined
      ? Effect.fail(new Tool.ToolError({ tool: TOOL, reason: "Failed", detail: "It wrote no JSON." }))
      : Effect.succeed(found),
  ),
)

const fixes: ReadonlyArray<readonly [RegExp, string]> = [
  [/amdgpu not found|not initialized|driver/i, "Load the driver: modprobe amdgpu, or install ROCm's driver."],
  [
    /permission|not in the .*group/i,
    "Let this user at /dev/kfd: add it to the groups render and video, and log in anew.",
  ],
]

const installed = Effect.gen(function* () {
  const fs = yield* FileSystem.FileSystem
  const text = yield* fs.readFileString("/opt/rocm/.info/version")
  return Option.getOrUndefined(Schema.decodeUnknownOption(Hardware.Version)(/^[\d.]+/.exec(text)?.[0]))
}).pipe(Effect.orElseSucceed(() => undefined))

/**
 * The AMD GPUs of this machine.
 *
 * @category getters
 * @since 0.1.0
 */
export const detect = Effect.gen(function* () {
  const args = ["--showproductname", "--showmeminfo", "vram", "--showdriverversion", "--showuniqueid", "--json"]
  const output = yield* Effect.result(Tool.succeed(TOOL, args))
  if (Result.isSuccess(output)) return parse(output.success, yield* installed)
  const { failure } = output
  const fix = fixes.find(([pattern]) => pattern.test(failure.detail))?.[1]
  const reading: Reading<ReadonlyArray<Hardware.Gpu>> = { value: [], findings: [Tool.finding(failure, fix)] }
  return reading
})
