/**
 * `npm run bench -- <name> [--json <file>] [--quick] [--seed <name>]`: runs `tools/bench/<name>.ts` and prints what it measured.
 */
import { globSync, writeFileSync } from "node:fs"
import { cpus, release, totalmem } from "node:os"
import path from "node:path"
import { parseArgs } from "node:util"
import { pathToFileURL } from "node:url"
import { bold, dim, line, seconds, table } from "./Terminal.ts"

/** What a benchmark is given, and what it exports as `run`. */
export interface Options {
  /** A short form for every day and for CI: the same numbers, less exact. */
  readonly isQuick: boolean
  /** What a simulation draws its chance from. */
  readonly seed: string
  /** Says what is going on. */
  readonly progress: (text: string) => void
}
export type Run = (options: Options) => Promise<Readonly<Record<string, number>>>

const folder = path.join(import.meta.dirname, "bench")

/** Benchmarks are in lower case; files in upper case are their parts. */
const names = (): ReadonlyArray<string> =>
  globSync("[a-z]*.ts", { cwd: folder })
    .map((file) => file.slice(0, -3))
    .sort()

const machine = () => ({
  cpu: cpus()[0]?.model.trim() ?? "unknown",
  cores: cpus().length,
  memoryMb: Math.round(totalmem() / 1_048_576),
  os: `${process.platform} ${release()}`,
  node: process.versions.node,
})

const round = (value: number): number => Number(value.toPrecision(4))

const main = async (): Promise<void> => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: {
      json: { type: "string" },
      quick: { type: "boolean", default: false },
      seed: { type: "string", default: "quality" },
    },
  })
  const [name = ""] = positionals
  if (!names().includes(name)) {
    throw new Error(
      `There is no benchmark "${name}". Write: npm run bench -- <${names().join(" | ")}> [--json <file>] [--quick]`,
    )
  }
  const began = performance.now()
  const loaded: { readonly run: Run } = await import(pathToFileURL(path.join(folder, `${name}.ts`)).href)
  const progress = (text: string): void => line(dim(`${seconds(began).padStart(7)}  ${text}`))
  const measured = await loaded.run({ isQuick: values.quick, seed: values.seed, progress })
  const metrics = Object.fromEntries(Object.entries(measured).map(([key, value]) => [key, round(value)]))
  line(`\n${bold(`bench ${name}`)}, ${machine().cores} cores, Node ${machine().node}${values.quick ? ", quick" : ""}\n`)
  line(table(Object.entries(metrics).map(([key, value]) => [key, String(value)])))
  if (values.json === undefined) return
  writeFileSync(values.json, `${JSON.stringify({ bench: name, machine: machine(), metrics }, undefined, 2)}\n`)
  line(`\nWritten to ${values.json}.`)
}

await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = 1
})
