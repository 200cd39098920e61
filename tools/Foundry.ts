/**
 * Foundry's programs, as npm installed them: `forge` compiles and tests the contracts, `anvil` is a chain on this machine.
 */
import { spawn } from "node:child_process"
import path from "node:path"
import * as FoundryProgram from "../apps/reference-gateway/src/embedded/FoundryProgram.ts"
import { root } from "./Workspace.ts"

/** Where the contracts are; forge runs there. */
export const contracts = path.join(root, "packages/chain-evm/contracts")

/** The path of a program of Foundry on this machine. */
export const program = (tool: "forge" | "anvil"): string => {
  try {
    return FoundryProgram.find(tool, import.meta.url)
  } catch (cause) {
    const { own } = FoundryProgram
    throw new Error(
      `There is no ${tool} for ${own}: the package @foundry-rs/${tool}-${own} is not installed. ` +
        "Run `npm install`; where the registry has no such package, use a machine that it has one for.",
      { cause },
    )
  }
}

/** What a run of forge printed, and how it ended. */
export interface Outcome {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

/** Runs forge on the contracts. `env` sets what `foundry.toml` says otherwise, such as `FOUNDRY_INVARIANT_RUNS`. */
export const forge = (args: ReadonlyArray<string>, env: Readonly<Record<string, string>> = {}): Promise<Outcome> =>
  new Promise((resolve, reject) => {
    const child = spawn(program("forge"), [...args], {
      cwd: contracts,
      env: { ...process.env, NO_COLOR: "1", FOUNDRY_DISABLE_NIGHTLY_WARNING: "1", ...env },
      stdio: ["ignore", "pipe", "pipe"],
    })
    const stdout: Array<Buffer> = []
    const stderr: Array<Buffer> = []
    child.stdout.on("data", (chunk: Buffer) => stdout.push(chunk))
    child.stderr.on("data", (chunk: Buffer) => stderr.push(chunk))
    child.once("error", reject)
    child.once("close", (code) =>
      resolve({ code, stdout: Buffer.concat(stdout).toString(), stderr: Buffer.concat(stderr).toString() }),
    )
  })
