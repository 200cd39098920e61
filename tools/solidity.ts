/**
 * Checks the contracts without running them: forge's format, solhint, and slither where `SLITHER` names its program.
 *
 * `node tools/solidity.ts`
 */
import { spawnSync } from "node:child_process"
import { existsSync, globSync } from "node:fs"
import path from "node:path"
import { contracts, forge } from "./Foundry.ts"
import { line, red } from "./Terminal.ts"
import { root } from "./Workspace.ts"

const show = (says: string, output: string): void => {
  line(`${red("✗")} ${says}\n\n${output.trim()}\n`)
  process.exitCode = 1
}

const formatted = async (): Promise<void> => {
  const { code, stderr, stdout } = await forge(["fmt", "--check"])
  if (code !== 0) show("Not formatted. Run `forge fmt` in packages/chain-evm/contracts.", stdout + stderr)
}

const run = (says: string, file: string, args: ReadonlyArray<string>): void => {
  const { error, status, stderr, stdout } = spawnSync(file, args, { cwd: contracts, encoding: "utf8" })
  if (status !== 0) show(says, error === undefined ? `${stdout}${stderr}` : error.message)
}

const linted = (): void => {
  const solhint = path.join(root, "node_modules/solhint/solhint.js")
  const sources = globSync("{src,test}/**/*.sol", { cwd: contracts })
  run("solhint found something.", process.execPath, [
    solhint,
    "--noPoster",
    "--disc",
    "--max-warnings",
    "0",
    ...sources,
  ])
}

/** The findings that are known and answered are in `slither.config.json`, each with its reason in the contracts' README. */
const analysed = (slither: string): void => {
  const config = existsSync(path.join(contracts, "slither.config.json")) ? ["--config-file", "slither.config.json"] : []
  run("slither found something.", slither, [".", "--exclude-informational", "--fail-medium", ...config])
}

await formatted()
linted()
const { SLITHER } = process.env
if (SLITHER !== undefined && SLITHER !== "") analysed(SLITHER)
