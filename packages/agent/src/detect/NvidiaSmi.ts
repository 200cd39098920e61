/**
 * NVIDIA GPUs, as `nvidia-smi -q -x` tells of them.
 *
 * @since 0.1.0
 */
import * as Effect from "effect/Effect"
import * as Option from "effect/Option"
import * as Result from "effect/Result"
import * as Schema from "effect/Schema"
import * as Hardware from "@guildhall/core/Hardware"
import type { Finding, Reading } from "./Finding.ts"
import * as Gauges from "./Gauges.ts"
import * as Tool from "./Tool.ts"
import * as XmlReader from "./XmlReader.ts"

const TOOL = "nvidia-smi"
/** Where nothing keeps the driver loaded it wakes each card first, which takes seconds for each. */
const TIMEOUT_MS = 30_000

/** Chips whose GPU has no memory of its own: the driver then says nothing of it. */
const UNIFIED = /\b(?:GB10|N1X?|Thor|Orin|Xavier|Tegra)\b/

const version = (text: string | undefined): Hardware.Version | undefined =>
  Option.getOrUndefined(Schema.decodeUnknownOption(Hardware.Version)(text))

/** `24564 MiB`. Everything else, such as `N/A` or `GPU is lost`, is no amount. */
const mebibytes = (text: string | undefined): number | undefined => {
  const amount = /^(\d{1,8}) Mi?B$/.exec(text ?? "")?.[1]
  return amount === undefined ? undefined : Number(amount)
}

const problem = (reason: Finding["reason"], detail: string, fix?: string): Finding => ({
  source: TOOL,
  reason,
  detail,
  ...(fix === undefined ? {} : { fix }),
})

/** What is the same of a card and of its slices. */
interface Card {
  readonly label: string
  readonly name: string
  readonly uuid: string | undefined
  readonly driverVersion: string | undefined
  readonly cudaVersion: Hardware.Version | undefined
}

const gpuOf = (card: Card, memoryMib: number, further: Partial<Hardware.Gpu>): Hardware.Gpu => ({
  vendor: "nvidia",
  name: card.name,
  memoryMib,
  memoryKind: "own",
  ...(card.driverVersion === undefined ? {} : { driverVersion: card.driverVersion }),
  ...(card.cudaVersion === undefined ? {} : { cudaVersion: card.cudaVersion }),
  ...(card.uuid === undefined ? {} : { uuid: card.uuid }),
  ...further,
})

type Outcome = Result.Result<ReadonlyArray<Hardware.Gpu>, Finding>

/** The memory of a card or of a slice, or why it cannot be believed. */
const memoryOf = (label: string, element: XmlReader.XmlElement): Result.Result<number, Finding> => {
  const field = (name: string) => XmlReader.at(element, "fb_memory_usage", name)
  const [total, used, free] = [field("total"), mebibytes(field("used")), mebibytes(field("free"))]
  const memoryMib = mebibytes(total)
  if (memoryMib === undefined || memoryMib === 0) {
    const said = Hardware.text(total ?? "") ?? "nothing"
    const detail = `${label} says "${said}" where its memory should be.`
    return Result.fail(
      problem("Unreadable", detail, "Restart the machine; if it stays so, the card or its driver is broken."),
    )
  }
  if ((used ?? 0) > memoryMib || (free ?? 0) > memoryMib) {
    const detail = `${label} says that it has ${memoryMib} MiB of memory, of which ${used} are used and ${free} free.`
    return Result.fail(
      problem("Contradiction", detail, "Update the driver, and use the nvidia-smi that comes with it."),
    )
  }
  return Result.succeed(memoryMib)
}

/** A partitioned card is its slices. Compute instances of one GPU instance share its memory, so the first stands for them. */
const slicesOf = (card: Card, gpu: XmlReader.XmlElement): Outcome => {
  const list = gpu.children.find(({ name }) => name === "mig_devices")
  const devices = list === undefined ? [] : XmlReader.all(list, "mig_device")
  const slices = new Map<string, Hardware.Gpu>()
  for (const device of devices) {
    const instance = XmlReader.at(device, "gpu_instance_id") ?? ""
    const compute = XmlReader.at(device, "compute_instance_id") ?? ""
    if (slices.has(instance)) continue
    const memory = memoryOf(`slice ${Hardware.text(instance) ?? "?"} of ${card.label}`, device)
    if (Result.isFailure(memory)) return Result.fail(memory.failure)
    slices.set(instance, gpuOf(card, memory.success, { slice: `${instance}/${compute}` }))
  }
  return slices.size > 0
    ? Result.succeed([...slices.values()])
    : Result.fail(
        problem(
          "Failed",
          `${card.label} is in MIG mode and has no slice, so nothing can run on it.`,
          "Make a slice with nvidia-smi mig -cgi 0 -C, or leave the mode with nvidia-smi -mig 0.",
        ),
      )
}

const cardOf = (card: Card, gpu: XmlReader.XmlElement, systemMib: number): Outcome => {
  if (XmlReader.at(gpu, "mig_mode", "current_mig") === "Enabled") return slicesOf(card, gpu)
  const isUnified = UNIFIED.test(card.name) && mebibytes(XmlReader.at(gpu, "fb_memory_usage", "total")) === undefined
  if (isUnified) return Result.succeed([gpuOf(card, systemMib, { memoryKind: "shared" })])
  return Result.map(memoryOf(card.label, gpu), (memoryMib) => [gpuOf(card, memoryMib, {})])
}

/** Older drivers say that a card must be reset, newer ones what would help. */
const resetOf = (label: string, gpu: XmlReader.XmlElement): ReadonlyArray<Finding> => {
  const isRequired = XmlReader.at(gpu, "gpu_reset_status", "reset_required") === "Yes"
  const action = XmlReader.at(gpu, "gpu_recovery_action") ?? "None"
  if (!isRequired && (action === "None" || action === "N/A")) return []
  const asked = isRequired ? "a reset" : (Hardware.text(action) ?? "a reset")
  return [problem("Failed", `${label} asks for ${asked} before it works again.`, "Restart the machine.")]
}

const [PROCESSES, END] = ["<processes>", "</processes>"]

/** Names of processes are other people's words, and older versions write them as they are, which is no XML. */
const withoutProcesses = (xml: string): string => {
  const kept: Array<string> = []
  let at = 0
  for (;;) {
    const begins = xml.indexOf(PROCESSES, at)
    const ends = begins === -1 ? -1 : xml.indexOf(END, begins)
    if (ends === -1) return [...kept, xml.slice(at)].join("")
    kept.push(xml.slice(at, begins))
    at = ends + END.length
  }
}

const isGpu = Schema.decodeUnknownResult(Hardware.Gpu)

/**
 * Reads what `nvidia-smi -q -x` wrote. Every card that cannot be believed is left out and said to be. `systemMib` is the
 * memory of the machine, for chips whose GPU shares it.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parse = (xml: string, systemMib: number): Reading<ReadonlyArray<Hardware.Gpu>> => {
  const document = XmlReader.read(withoutProcesses(xml))
  if (Result.isFailure(document) || document.success.name !== "nvidia_smi_log") {
    const why = Result.isFailure(document) ? document.failure : "It is another document."
    const fix = "Update the driver, and use the nvidia-smi that comes with it."
    return { value: [], findings: [problem("Unreadable", `What nvidia-smi -q -x wrote is not its XML. ${why}`, fix)] }
  }
  const log = document.success
  const driverVersion = Hardware.text(XmlReader.at(log, "driver_version") ?? "")
  const cudaVersion = version(XmlReader.at(log, "cuda_version"))
  const gpus = XmlReader.all(log, "gpu")
  const attached = XmlReader.at(log, "attached_gpus")
  const findings: Array<Finding> = []
  if (attached !== undefined && attached !== String(gpus.length)) {
    const said = Hardware.text(attached) ?? "nothing"
    findings.push(problem("Contradiction", `nvidia-smi counts ${said} GPUs and describes ${gpus.length}.`))
  }
  const found: Array<Hardware.Gpu> = []
  const uuids = new Set<string>()
  for (const gpu of gpus) {
    const named = Hardware.text(XmlReader.at(gpu, "product_name") ?? "")
    // A card that does not answer has "[Unknown Error]" for a name.
    const name = named === undefined || named.startsWith("[") ? "NVIDIA GPU" : named
    const id = Hardware.text(gpu.attributes["id"] ?? "") ?? "without an address"
    const uuid = /^GPU-[0-9a-f-]{1,60}$/.exec(XmlReader.at(gpu, "uuid") ?? "")?.[0]
    const label = `${name} (${id})`
    if (uuid !== undefined && uuids.has(uuid)) {
      findings.push(problem("Contradiction", `${label} has the UUID of another card, ${uuid}, and is not counted.`))
      continue
    }
    if (uuid !== undefined) uuids.add(uuid)
    const card = { label, name, uuid, driverVersion, cudaVersion }
    const outcome = Result.flatMap(cardOf(card, gpu, systemMib), (list) =>
      Result.mapError(Result.all(list.map((one) => isGpu(one))), () =>
        problem("Contradiction", `${label} says things of itself that no card can be.`),
      ),
    )
    if (Result.isSuccess(outcome)) {
      found.push(...outcome.success)
      findings.push(...resetOf(label, gpu))
    } else findings.push(outcome.failure)
  }
  return { value: found, findings }
}

/**
 * Reads the compute capabilities by UUID from what `nvidia-smi --query-gpu=uuid,compute_cap --format=csv,noheader` wrote.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parseCapabilities = (csv: string): ReadonlyMap<string, Hardware.Version> => {
  const lines = csv.slice(0, 100_000).split("\n")
  const pairs = lines.map((line) => line.split(",").map((cell) => cell.trim()))
  return new Map(
    pairs.flatMap(([uuid, cell]): ReadonlyArray<[string, Hardware.Version]> => {
      const capability = version(cell)
      return uuid === undefined || capability === undefined ? [] : [[uuid, capability]]
    }),
  )
}

const whole = (cell: string | undefined): number | undefined =>
  /^-?\d{1,8}$/.test(cell ?? "") ? Number(cell) : undefined

/** What a beat can wait for least: one question, and no card that is woken for it for long. */
const GAUGES_MS = 5_000
const GAUGES = "utilization.gpu,temperature.gpu,memory.used,driver_version"

/**
 * Reads the gauges from what `nvidia-smi --query-gpu=utilization.gpu,temperature.gpu,memory.used,driver_version
 * --format=csv,noheader,nounits` wrote: a line for each card. A cell such as `[N/A]`, as for the load of a partitioned card, says nothing.
 *
 * @category decoding
 * @since 0.1.0
 */
export const parseGauges = (csv: string): Gauges.Gauges =>
  Gauges.together(
    csv
      .slice(0, 100_000)
      .split("\n")
      .filter((line) => line.includes(","))
      .map((line) => {
        const [load, temperature, used, driver = ""] = line.split(",").map((cell) => cell.trim())
        const [loadPercent, temperatureCelsius, vramUsedMib] = [whole(load), whole(temperature), whole(used)]
        return {
          ...(loadPercent === undefined ? {} : { loadPercent }),
          ...(temperatureCelsius === undefined ? {} : { temperatureCelsius }),
          ...(vramUsedMib === undefined ? {} : { vramUsedMib }),
          ...(/^[\d.]{1,40}$/.test(driver) ? { driver } : {}),
        }
      }),
  )

/**
 * The gauges of this machine's NVIDIA GPUs, within five seconds.
 *
 * @category getters
 * @since 0.1.0
 */
export const gauges = Tool.succeed(TOOL, [`--query-gpu=${GAUGES}`, "--format=csv,noheader,nounits"], {
  timeoutMs: GAUGES_MS,
}).pipe(Effect.map(parseGauges))

/** What its exit codes and sentences mean for the one who has to mend it. */
const fixes: ReadonlyArray<readonly [RegExp, string]> = [
  [/couldn't communicate with the NVIDIA driver/i, "Load the driver: restart the machine, or install the driver anew."],
  [/version mismatch/i, "The driver was updated while it ran: restart the machine."],
  [/insufficient permissions/i, "Let this user at /dev/nvidia*: add it to the group video, or look at the rights."],
  [/no devices were found/i, "The driver runs and finds no card: look whether it is seated and has power."],
  [/unknown error/i, "In a container: start it with --gpus all, and anew after a daemon-reload on the host."],
  [
    /gpu is lost|fallen off the bus/i,
    "The card has dropped out: restart the machine, and look at its power and its heat.",
  ],
]

/** Its driver waits for a card that does not answer. */
const HANGS = "The driver does not answer: restart the machine, and look whether the card is well."

const fixFor = (detail: string): string | undefined => fixes.find(([pattern]) => pattern.test(detail))?.[1]

const capabilities = Tool.succeed(TOOL, ["--query-gpu=uuid,compute_cap", "--format=csv,noheader"], {
  timeoutMs: TIMEOUT_MS,
}).pipe(
  Effect.map(parseCapabilities),
  // Drivers before 2022 do not know the question; then it is not known.
  Effect.orElseSucceed((): ReadonlyMap<string, Hardware.Version> => new Map()),
)

/**
 * The NVIDIA GPUs of this machine.
 *
 * @category getters
 * @since 0.1.0
 */
export const detect = Effect.fnUntraced(function* (systemMib: number) {
  const xml = yield* Effect.result(Tool.succeed(TOOL, ["-q", "-x"], { timeoutMs: TIMEOUT_MS }))
  if (Result.isFailure(xml)) {
    const reading: Reading<ReadonlyArray<Hardware.Gpu>> = {
      value: [],
      findings: [Tool.finding(xml.failure, xml.failure.reason === "TimedOut" ? HANGS : fixFor(xml.failure.detail))],
    }
    return reading
  }
  const { findings, value } = parse(xml.success, systemMib)
  const known = value.length === 0 ? new Map<string, Hardware.Version>() : yield* capabilities
  const gpus = value.map((gpu) => {
    const computeCapability = known.get(gpu.uuid ?? "")
    return computeCapability === undefined ? gpu : { ...gpu, computeCapability }
  })
  const reading: Reading<ReadonlyArray<Hardware.Gpu>> = { value: gpus, findings }
  return reading
})
