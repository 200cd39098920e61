/**
 * What `doctor` shows: the machine, its class, and the checks, for a person or for a program.
 *
 * @since 0.1.0
 */
import { printable } from "@guildhall/core/CommandFailure"
import type * as Hardware from "@guildhall/core/Hardware"
import type { Check, Subject, Verdict } from "./checks/Check.ts"
import * as Paint from "./Paint.ts"

/**
 * A check with its verdict.
 *
 * @category models
 * @since 0.1.0
 */
export interface Result {
  readonly name: Check["name"]
  readonly verdict: Verdict
}

/**
 * How it is shown: in colours or without, and folded to so many columns, or not where there are none.
 *
 * @category models
 * @since 0.1.0
 */
export interface Look {
  readonly isColourful: boolean
  readonly columns: number | undefined
}

const painter = ({ isColourful }: Look): Paint.Paint => Paint.make(isColourful)

/** Rounded down to a tenth, as in the reasons of the classes. */
const gib = (mib: number): string => `${(Math.floor((mib * 10) / 1024) / 10).toFixed(1)} GiB`

const capital = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

const gpuLine = (gpu: Hardware.Gpu): string =>
  [
    gpu.slice === undefined ? gpu.name : `${gpu.name}, slice ${gpu.slice}`,
    gpu.memoryKind === "own" ? gib(gpu.memoryMib) : `${gib(gpu.memoryMib)} of the machine's memory`,
    ...(gpu.driverVersion === undefined ? [] : [`driver ${gpu.driverVersion}`]),
    ...(gpu.cudaVersion === undefined ? [] : [`CUDA ${gpu.cudaVersion}`]),
    ...(gpu.rocmVersion === undefined ? [] : [`ROCm ${gpu.rocmVersion}`]),
    ...(gpu.computeCapability === undefined ? [] : [`compute ${gpu.computeCapability}`]),
  ].join(", ")

/** Equal cards stand once, with their number. */
const gpuLines = (gpus: ReadonlyArray<Hardware.Gpu>): ReadonlyArray<string> => {
  const counts = new Map<string, number>()
  for (const gpu of gpus) counts.set(gpuLine(gpu), (counts.get(gpuLine(gpu)) ?? 0) + 1)
  return Array.from(counts, ([line, count]) => (count === 1 ? line : `${count} × ${line}`))
}

const machineRows = (hardware: Hardware.Hardware): ReadonlyArray<readonly [string, string]> => {
  const { container, cpu, diskFreeMib, gpus, memoryMib, system } = hardware
  const cores = `${cpu.cores} ${cpu.cores === 1 ? "core" : "cores"}`
  const lines = gpuLines(gpus)
  return [
    ["System", `${system.name}, ${cpu.architecture}`],
    ["Processor", `${cpu.name}, ${cores}`],
    ["Memory", gib(memoryMib)],
    ["Disk", `${gib(diskFreeMib)} free`],
    ...(lines.length === 0
      ? [["GPU", "none found"] as const]
      : lines.map((line, at) => [at === 0 ? "GPU" : "", line] as const)),
    [
      "Containers",
      container === undefined ? "none found" : capital(`${container.runtime} ${container.version ?? ""}`.trim()),
    ],
  ]
}

/** Folds a text into lines of at most so many characters; a word that is longer keeps its line. */
const folded = (text: string, width: number | undefined): ReadonlyArray<string> => {
  if (width === undefined) return [text]
  const lines: Array<string> = []
  for (const word of text.split(" ")) {
    const last = lines.at(-1)
    if (last === undefined || last.length + 1 + word.length > width) lines.push(word)
    else lines[lines.length - 1] = `${last} ${word}`
  }
  return lines
}

const MARKS = {
  passed: ["green", "✓"],
  warned: ["yellow", "!"],
  failed: ["red", "✗"],
  skipped: ["dim", "-"],
} as const

const NAME_WIDTH = 12
const INDENT = " ".repeat(NAME_WIDTH + 4)

const checkLines = (results: ReadonlyArray<Result>, look: Look): ReadonlyArray<string> => {
  const paint = painter(look)
  const width = look.columns === undefined ? undefined : Math.max(30, look.columns - INDENT.length)
  return results.flatMap(({ name, verdict }) => {
    const [colour, mark] = MARKS[verdict.state]
    const [first = "", ...rest] = folded(printable(verdict.detail), width)
    const shown = verdict.state === "skipped" ? (text: string) => paint("dim", text) : (text: string) => text
    const fix = verdict.fix === undefined ? [] : folded(`→ ${printable(verdict.fix)}`, width)
    return [
      `  ${paint(colour, mark)} ${name.padEnd(NAME_WIDTH)}${shown(first)}`,
      ...rest.map((line) => `${INDENT}${shown(line)}`),
      ...fix.map((line, at) => `${INDENT}${at === 0 ? paint("bold", line) : paint("bold", `  ${line}`)}`),
    ]
  })
}

/** Only the next larger class, as what keeps a machine from those beyond says nothing new; all of them where it fits none. */
const missLines = ({ classification }: Subject, look: Look): ReadonlyArray<string> => {
  const { misses } = classification
  const paint = painter(look)
  const width = look.columns === undefined ? undefined : Math.max(30, look.columns - INDENT.length)
  return (classification.class === undefined ? misses : misses.slice(0, 1)).flatMap(({ name, reasons }) => {
    const [first = "", ...rest] = folded(`${name} ${printable(reasons.join(", and "))}`, width)
    return [first, ...rest.map((line) => `  ${line}`)].map((line) => `${INDENT}${paint("dim", line)}`)
  })
}

const countOf = (results: ReadonlyArray<Result>, state: Verdict["state"]): number =>
  results.filter(({ verdict }) => verdict.state === state).length

/**
 * Whether nothing failed.
 *
 * @category getters
 * @since 0.1.0
 */
export const isGood = (results: ReadonlyArray<Result>): boolean => countOf(results, "failed") === 0

/**
 * The report for a person.
 *
 * @category encoding
 * @since 0.1.0
 */
export const text = (subject: Subject, results: ReadonlyArray<Result>, look: Look): string => {
  const paint = painter(look)
  const { classification, market } = subject
  const where = market._tag === "Found" ? `on ${market.terms.name}` : "by the usual classes"
  const [failed, warned] = [countOf(results, "failed"), countOf(results, "warned")]
  const notes = warned === 0 ? "" : `, ${warned} worth a look`
  const sum = failed === 0 ? `This machine can serve${notes}.` : `${failed} to mend${notes}.`
  const rows = machineRows(subject.detected.hardware)
  return [
    paint("bold", "This machine"),
    ...rows.map(([name, value]) => `    ${name.padEnd(NAME_WIDTH)}${printable(value)}`),
    `    ${"Class".padEnd(NAME_WIDTH)}${paint("bold", classification.class?.name ?? "none")} ${where}`,
    ...missLines(subject, look),
    "",
    paint("bold", "Checks"),
    ...checkLines(results, look),
    "",
    paint(failed === 0 ? "green" : "red", sum),
  ].join("\n")
}

/**
 * The report for a program: one JSON object.
 *
 * @category encoding
 * @since 0.1.0
 */
export const json = (subject: Subject, results: ReadonlyArray<Result>): string => {
  const { classification, detected, market } = subject
  return JSON.stringify({
    ok: isGood(results),
    class: classification.class?.name ?? null,
    misses: classification.misses,
    market: market._tag === "Found" ? { name: market.terms.name, url: market.url } : null,
    hardware: detected.hardware,
    checks: results.map(({ name, verdict }) => ({ name, ...verdict })),
    findings: detected.findings,
  })
}
