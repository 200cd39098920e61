/**
 * Foundry's programs, as npm installed them: `forge` compiles and tests the contracts, `anvil` is a chain on this machine.
 */
import { spawn } from "node:child_process"
import { existsSync } from "node:fs"
import { createRequire } from "node:module"
import path from "node:path"
import { root } from "./Workspace.ts"

/** Where the contracts are; forge runs there. */
export const contracts = path.join(root, "packages/chain-evm/contracts")

const ARCHITECTURES: Readonly<Record<string, string>> = { x64: "amd64", arm64: "arm64" }

/** The path of a program of Foundry on this machine. */
export const program = (tool: "forge" | "anvil"): string => {
  const platform = `${process.platform}-${ARCHITECTURES[process.arch] ?? process.arch}`
  // npm puts a tool and its programs side by side.
  const manifest = createRequire(import.meta.url).resolve(`@foundry-rs/${tool}/package.json`)
  const suffix = process.platform === "win32" ? ".exe" : ""
  const found = path.join(path.dirname(manifest), "..", `${tool}-${platform}`, "bin", `${tool}${suffix}`)
  if (existsSync(found)) return found
  throw new Error(
    `There is no ${tool} for ${platform}: the package @foundry-rs/${tool}-${platform} is not installed. ` +
      "Run `npm install`; where the registry has no such package, use a machine that it has one for.",
  )
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
