/**
 * `npm run check`: everything that is checked without running the program. One line for each step with its time, and
 * the whole output of those that fail.
 *
 * `node tools/check.ts [step…] [--json]`
 */
import { spawn } from "node:child_process"
import path from "node:path"
import * as SideBySide from "./SideBySide.ts"
import { bold, dim, green, line, red, seconds } from "./Terminal.ts"
import { root } from "./Workspace.ts"

/** A step runs a program with the Node that runs this one. */
interface Step {
  readonly name: string
  readonly says: string
  /** A file of the repository, and its arguments. */
  readonly program: ReadonlyArray<string>
}

const steps: ReadonlyArray<Step> = [
  { name: "types", says: "TypeScript, strict", program: ["node_modules/typescript/bin/tsc", "-p", "tsconfig.json"] },
  { name: "lint", says: "oxlint, no warnings", program: ["node_modules/oxlint/bin/oxlint", "--max-warnings=0"] },
  { name: "format", says: "oxfmt", program: ["node_modules/oxfmt/bin/oxfmt", "--check", "."] },
  { name: "imports", says: "arrows, circles, manifests", program: ["tools/imports.ts"] },
  { name: "scripts", says: "install scripts are listed", program: ["tools/installScripts.ts"] },
  { name: "solidity", says: "forge fmt, solhint", program: ["tools/solidity.ts"] },
  { name: "generated", says: "generated files are up to date", program: ["tools/generate.ts", "--check"] },
]

interface Outcome {
  readonly step: Step
  readonly passed: boolean
  readonly durationMs: number
  readonly output: string
}

const run = (step: Step): Promise<Outcome> =>
  new Promise((resolve) => {
    const began = performance.now()
    const [file = "", ...args] = step.program
    const child = spawn(process.execPath, ["--conditions=@guildhall/source", path.join(root, file), ...args], {
      cwd: root,
      stdio: ["ignore", "pipe", "pipe"],
    })
    const output: Array<Buffer> = []
    child.stdout.on("data", (chunk: Buffer) => output.push(chunk))
    child.stderr.on("data", (chunk: Buffer) => output.push(chunk))
    const end = (passed: boolean, extra = ""): void => {
      const durationMs = Math.round(performance.now() - began)
      resolve({ step, passed, durationMs, output: Buffer.concat(output).toString() + extra })
    }
    child.once("error", (error) => end(false, error.message))
    child.once("close", (code) => end(code === 0))
  })

const print = ({ step, passed, durationMs, output }: Outcome): void => {
  const mark = passed ? green("✓") : red("✗")
  line(`${mark} ${step.name.padEnd(10)} ${dim(step.says.padEnd(32))} ${(durationMs / 1000).toFixed(1)} s`)
  if (!passed) line(`\n${output.trimEnd()}\n`)
}

/** Runs the steps, as many at once as the machine has cores; each is reported when it ends. */
const runAll = async (wanted: ReadonlyArray<Step>, show: (outcome: Outcome) => void) => {
  const outcomes: Array<Outcome> = []
  const tasks = wanted.map((step) => async () => {
    const outcome = await run(step)
    outcomes.push(outcome)
    show(outcome)
  })
  await SideBySide.all(tasks)
  return outcomes
}

const main = async (args: ReadonlyArray<string>): Promise<void> => {
  const names = args.filter((arg) => !arg.startsWith("-"))
  const asJson = args.includes("--json")
  const unknown = names.find((name) => steps.every((step) => step.name !== name))
  if (unknown !== undefined) {
    process.stderr.write(`There is no step "${unknown}". The steps are: ${steps.map(({ name }) => name).join(", ")}.\n`)
    process.exitCode = 2
    return
  }
  const began = performance.now()
  const wanted = steps.filter(({ name }) => names.length === 0 || names.includes(name))
  const outcomes = await runAll(wanted, asJson ? () => undefined : print)
  const failed = outcomes.filter(({ passed }) => !passed)
  if (asJson)
    line(
      JSON.stringify(
        outcomes.map(({ step, ...rest }) => ({ name: step.name, ...rest })),
        undefined,
        2,
      ),
    )
  else if (failed.length === 0) line(bold(green(`check passed in ${seconds(began)}`)))
  else line(bold(red(`check failed: ${failed.map(({ step }) => step.name).join(", ")}`)))
  if (failed.length > 0) process.exitCode = 1
}

await main(process.argv.slice(2))
