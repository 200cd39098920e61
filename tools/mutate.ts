/**
 * `npm run mutate -- <area>`: changes the code of an area in one place at a time, and says which changes its tests do not
 * notice. `tools/mutate/<area>.ts` says what is changed, `tools/mutate/<area>.vitest.ts` which tests are run.
 */
import { Stryker } from "@stryker-mutator/core"
import { globSync, rmSync } from "node:fs"
import path from "node:path"
import { parseArgs } from "node:util"
import { pathToFileURL } from "node:url"
import { bold, dim, green, line, seconds } from "./Terminal.ts"
import { root } from "./Workspace.ts"

/** What is changed and how it is tested. */
export interface Area {
  /** The files that are changed. */
  readonly files: ReadonlyArray<string>
  /** What a copy of the repository must have for the tests, besides this folder. */
  readonly copied: ReadonlyArray<string>
  /** For the tests. */
  readonly env: Readonly<Record<string, string>>
  /** How many of a hundred changes the tests must notice. */
  readonly atLeast: number
}

const folder = path.join(import.meta.dirname, "mutate")
const names = (): ReadonlyArray<string> =>
  globSync("[a-z]*.vitest.ts", { cwd: folder })
    .map((file) => file.slice(0, -".vitest.ts".length))
    .sort()

const main = async (): Promise<void> => {
  const { positionals, values } = parseArgs({
    allowPositionals: true,
    options: { file: { type: "string", multiple: true }, workers: { type: "string", default: "2" } },
  })
  const [name = ""] = positionals
  if (!names().includes(name)) {
    throw new Error(
      `There is no area "${name}" to change. Write: npm run mutate -- <${names().join(" | ")}> [--file <file>]`,
    )
  }
  const began = performance.now()
  const loaded: { readonly area: Area } = await import(pathToFileURL(path.join(folder, `${name}.ts`)).href)
  const { atLeast, copied, env, files } = loaded.area
  Object.assign(process.env, env)
  const results = await new Stryker({
    mutate: [...(values.file ?? files)],
    testRunner: "vitest",
    plugins: ["@stryker-mutator/vitest-runner"],
    vitest: { configFile: `tools/mutate/${name}.vitest.ts`, related: false },
    testRunnerNodeArgs: ["--conditions=@guildhall/source"],
    ignorePatterns: ["**", ...["package.json", "tools/mutate/**", ...copied].map((each) => `!${each}`)],
    ignoreStatic: true,
    concurrency: Number(values.workers),
    reporters: ["clear-text"],
    clearTextReporter: { allowColor: false, logTests: false, reportTests: false, skipFull: false },
    thresholds: { high: 100, low: atLeast, break: null },
    // It would read the compiler's settings with an interface that TypeScript 7 does not have.
    tsconfigFile: "none",
    tempDirName: "node_modules/.stryker",
    cleanTempDir: "always",
  }).runMutationTest()
  const counted = results.filter(
    ({ status }) => status !== "Ignored" && status !== "CompileError" && status !== "RuntimeError",
  )
  const noticed = counted.filter(({ status }) => status === "Killed" || status === "Timeout")
  const share = (100 * noticed.length) / counted.length
  line(dim(`${noticed.length} of ${counted.length} changes noticed, ${share.toFixed(1)} %, ${atLeast} % wanted`))
  if (share < atLeast) throw new Error(`The tests of ${name} notice too little.`)
  line(bold(green(`mutate ${name} passed in ${seconds(began)}`)))
}

await main()
  .catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    process.exitCode = 1
  })
  .finally(() => rmSync(path.join(root, "node_modules/.stryker"), { recursive: true, force: true }))
