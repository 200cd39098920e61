/**
 * Programs as tests start them: their sources, put together into a few files. A process would load them one by one otherwise, a
 * thousand with Effect's, which is a second of work at each start, and tests start hundreds. They are put together when the first
 * test of a run asks for one; a build, which needs them for certain, does it before any test waits for something.
 */
import { generatedPositionFor, LEAST_UPPER_BOUND, TraceMap } from "@jridgewell/trace-mapping"
import { spawnSync } from "node:child_process"
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import path from "node:path"

const root = path.resolve(import.meta.dirname, "..")

/** The program `guildhall`. */
export const market = path.join(root, "apps/reference-gateway/src/main.ts")

/** The program `guildhall-agent`. */
export const agent = path.join(root, "packages/agent/src/main.ts")

/** Those that are put together, by their names: the two, and the gateway's start without a gateway, which its tests kill often. */
export const bundled: Readonly<Record<string, string>> = {
  market,
  agent,
  stubMarket: path.join(root, "apps/reference-gateway/test/StubMarket.ts"),
}

const VARIABLE = "GUILDHALL_TEST_PROGRAMS"
const PATIENCE_MS = 60_000

/** Names a folder for those of this run; answers how to remove it. What is in it finds its packages as the sources do. */
export default function setup(): () => void {
  const parent = path.join(root, "node_modules/.cache")
  mkdirSync(parent, { recursive: true })
  const folder = mkdtempSync(path.join(parent, "guildhall-programs-"))
  process.env[VARIABLE] = folder
  if (process.env["CI"] === "true") make(folder)
  return () => rmSync(folder, { recursive: true, force: true })
}

const isFirst = (folder: string): boolean => {
  try {
    mkdirSync(path.join(folder, "making"))
    return true
  } catch {
    return false
  }
}

/** Puts them together, or waits until another worker has. */
const make = (folder: string): void => {
  const made = path.join(folder, "made")
  if (existsSync(made)) return
  if (isFirst(folder)) {
    const bundler = path.join(import.meta.dirname, "bundlePrograms.ts")
    const { status, stderr } = spawnSync(process.execPath, [bundler, folder], { encoding: "utf8" })
    if (status !== 0) throw new Error(`The programs could not be put together:\n${stderr}`)
    writeFileSync(made, "")
  }
  const cell = new Int32Array(new SharedArrayBuffer(4))
  for (const end = performance.now() + PATIENCE_MS; !existsSync(made); Atomics.wait(cell, 0, 0, 20)) {
    if (performance.now() > end) throw new Error("Another worker did not put the programs together.")
  }
}

/**
 * The file to start for a program: the source itself where it is none of {@link bundled}. Node is given
 * `--conditions=@guildhall/source` with either, for what the program starts itself.
 */
export const of = (source: string): string => {
  const name = Object.keys(bundled).find((one) => bundled[one] === source)
  const folder = process.env[VARIABLE]
  if (folder === undefined || name === undefined) return source
  make(folder)
  return path.join(folder, `${name}.mjs`)
}

/** A place in a file; lines and columns begin at 0. */
export interface Position {
  readonly file: string
  readonly line: number
  readonly column: number
}

const maps = (folder: string): ReadonlyArray<{ readonly file: string; readonly map: TraceMap }> =>
  readdirSync(folder)
    .filter((name) => name.endsWith(".mjs.map"))
    .map((name) => {
      const at = path.join(folder, name)
      return { file: at.slice(0, -".map".length), map: new TraceMap(readFileSync(at, "utf8"), at) }
    })

let made: ReturnType<typeof maps> | undefined

/** Where a place of the market's sources is in the market that tests start: a debugger knows only what runs. */
export const inMarket = (place: Position): Position => {
  const program = of(market)
  if (program === market) return place
  made ??= maps(path.dirname(program))
  for (const { file, map } of made) {
    const source = map.resolvedSources.find((one) => one === place.file)
    if (source === undefined) continue
    const needle = { source, line: place.line + 1, column: place.column, bias: LEAST_UPPER_BOUND } as const
    const { column, line } = generatedPositionFor(map, needle)
    if (line !== null) return { file, line: line - 1, column }
  }
  throw new Error(`${place.file} is in none of the market's files at line ${place.line + 1}.`)
}
