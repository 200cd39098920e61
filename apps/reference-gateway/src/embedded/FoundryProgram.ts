/**
 * Where npm put the programs of Foundry: `anvil`, a chain on this machine, and `forge`, which compiles and tests contracts. Each is an
 * optional dependency `@foundry-rs/<tool>-<os>-<arch>` of a package whose install script is not needed.
 */
import { accessSync, constants } from "node:fs"
import { createRequire } from "node:module"
import path from "node:path"

/**
 * This machine, as the packages call it.
 *
 * @category constants
 * @since 0.1.0
 */
export const own = `${process.platform}-${process.arch === "x64" ? "amd64" : process.arch}`

/**
 * The path of an installed program, for whoever declares its package: `from` is that one's `import.meta.url`. Throws where there is
 * none.
 *
 * @category queries
 * @since 0.1.0
 */
export const find = (tool: "anvil" | "forge", from: string, machine: string = own): string => {
  const launcher = createRequire(from).resolve(`@foundry-rs/${tool}/package.json`)
  const manifest = createRequire(launcher).resolve(`@foundry-rs/${tool}-${machine}/package.json`)
  const program = path.join(path.dirname(manifest), "bin", `${tool}${machine.startsWith("win32") ? ".exe" : ""}`)
  accessSync(program, constants.X_OK)
  return program
}
