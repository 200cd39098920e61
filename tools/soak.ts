/**
 * `npm run soak -- <area> [--quick]`: the long form of an area's tests, `tools/soak/<area>.ts`.
 */
import { globSync } from "node:fs"
import path from "node:path"
import { parseArgs } from "node:util"
import { pathToFileURL } from "node:url"
import { bold, dim, green, line, seconds } from "./Terminal.ts"

/** What a soak is given, and what it exports as `run`. It throws where something is wrong. */
export interface Options {
  readonly isQuick: boolean
  readonly progress: (text: string) => void
}
export type Run = (options: Options) => Promise<void>

const folder = path.join(import.meta.dirname, "soak")
const names = (): ReadonlyArray<string> =>
  globSync("[a-z]*.ts", { cwd: folder })
    .map((file) => file.slice(0, -3))
    .sort()

const main = async (): Promise<void> => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { quick: { type: "boolean", default: false } },
  })
  const [name = ""] = positionals
  if (!names().includes(name)) {
    throw new Error(`There is no area "${name}" to soak. Write: npm run soak -- <${names().join(" | ")}> [--quick]`)
  }
  const began = performance.now()
  const loaded: { readonly run: Run } = await import(pathToFileURL(path.join(folder, `${name}.ts`)).href)
  const progress = (text: string): void => line(dim(`${seconds(began).padStart(7)}  ${text}`))
  await loaded.run({ isQuick: values.quick, progress })
  line(bold(green(`soak ${name} passed in ${seconds(began)}`)))
}

await main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  process.exitCode = 1
})
