/**
 * `npm run pack:check`: proves that what would be published works for someone else. Packs every publishable package,
 * looks at the tarballs with publint and attw, installs them in an empty project, and there type-checks and imports
 * every entry point. Names of packages (`core journal`) restrict it to them; what they depend on has to be among them.
 *
 * `node tools/packCheck.ts [package…] [--keep] [--json]`
 */
import { mkdtempSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import path from "node:path"
import { install, runCommands, runProgram, typeProgram } from "./pack/Consumer.ts"
import { runNode } from "./pack/Process.ts"
import type { Tarball } from "./pack/Tarball.ts"
import { examine, pack } from "./pack/Tarball.ts"
import * as SideBySide from "./SideBySide.ts"
import { bold, dim, green, line, red, seconds } from "./Terminal.ts"
import { publishable, root } from "./Workspace.ts"

interface Outcome {
  readonly step: string
  readonly durationMs: number
  readonly failure?: string
}

const outcomes: Array<Outcome> = []
const names = process.argv.slice(2).filter((arg) => !arg.startsWith("-"))
const asJson = process.argv.includes("--json")

/** Runs one step, prints its line, and keeps its failure for the end: later steps often say more. */
const step = async <A>(name: string, body: () => Promise<A>): Promise<A | undefined> => {
  const began = performance.now()
  try {
    const result = await body()
    outcomes.push({ step: name, durationMs: Math.round(performance.now() - began) })
    if (!asJson) line(`${green("✓")} ${name.padEnd(58)} ${dim(seconds(began))}`)
    return result
  } catch (error) {
    const failure = error instanceof Error ? error.message : String(error)
    outcomes.push({ step: name, durationMs: Math.round(performance.now() - began), failure })
    if (!asJson) line(`${red("✗")} ${name.padEnd(58)} ${dim(seconds(began))}\n\n${failure}\n`)
    return undefined
  }
}

const checkConsumer = async (folder: string, tarballs: ReadonlyArray<Tarball>): Promise<void> => {
  const installed = await step("an empty project installs the tarballs", () => install(folder, tarballs))
  if (installed === undefined) return
  const points = tarballs.flatMap((one) => one.entryPoints)
  await step(`it type-checks all ${points.length} entry points (bundler, Node)`, () => typeProgram(folder, points))
  await step(`it imports all ${points.length} entry points in Node`, () => runProgram(folder, points))
  await step("it starts every command", () => runCommands(folder, tarballs))
}

const main = async (): Promise<void> => {
  const began = performance.now()
  const folder = mkdtempSync(path.join(tmpdir(), "guildhall-pack-"))
  try {
    const packages = publishable(root).filter(
      ({ name }) => names.length === 0 || names.includes(name.split("/")[1] ?? ""),
    )
    const filters = packages.map(({ name }) => `--filter=${name}`)
    const built = await step("the packages are built", () => runNode(root, ["tools/buildAll.ts", ...filters]))
    const tarballs =
      built === undefined ? undefined : await step("the packages are packed", () => pack(packages, folder))
    if (tarballs !== undefined) {
      await SideBySide.all([
        () => checkConsumer(path.join(folder, "project"), tarballs),
        ...tarballs.map((tarball) => () => step(`publint and attw: ${tarball.name}`, () => examine(tarball))),
      ])
    }
  } finally {
    if (process.argv.includes("--keep")) line(`The project is kept in ${folder}.`)
    else rmSync(folder, { recursive: true, force: true })
  }
  const failed = outcomes.filter(({ failure }) => failure !== undefined)
  if (asJson) line(JSON.stringify(outcomes, undefined, 2))
  else if (failed.length === 0) line(bold(green(`pack check passed in ${seconds(began)}`)))
  else line(bold(red(`pack check failed: ${failed.map((one) => one.step).join("; ")}`)))
  if (failed.length > 0) process.exitCode = 1
}

await main()
