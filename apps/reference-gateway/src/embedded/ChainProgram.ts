/**
 * The chain's program of this machine, anvil, from the package `@foundry-rs/anvil-<os>-<arch>`.
 */
import * as Effect from "effect/Effect"
import { accessSync, constants } from "node:fs"
import { createRequire } from "node:module"
import path from "node:path"
import { LaunchError, reasonOf } from "../LaunchError.ts"

const own = `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`

const missing = (machine: string, why: string) =>
  new LaunchError({
    what: `There is no anvil for this machine (${machine}) among the installed packages, so there is no chain to start.`,
    why,
    todo:
      "Run `npm ci --include=optional` in the repository. Where the package does not exist for your system, start an anvil " +
      "yourself and name it: GUILDHALL_CHAIN_RPC=http://127.0.0.1:8545.",
  })

/**
 * Finds the installed program of a machine, by default this one; answers its path. It comes as an optional dependency of
 * `@foundry-rs/anvil`, whose install script is not needed.
 *
 * @category constructors
 * @since 0.1.0
 */
export const find = (machine: string = own): Effect.Effect<string, LaunchError> =>
  Effect.try({
    try: () => {
      const launcher = createRequire(import.meta.url).resolve("@foundry-rs/anvil/package.json")
      const manifest = createRequire(launcher).resolve(`@foundry-rs/anvil-${machine}/package.json`)
      const program = path.join(path.dirname(manifest), "bin", `anvil${machine.startsWith("win32") ? ".exe" : ""}`)
      accessSync(program, constants.X_OK)
      return program
    },
    catch: (cause) => missing(machine, reasonOf(cause).split("\n")[0] ?? ""),
  })
