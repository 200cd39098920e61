/**
 * The tarballs as npm would publish them.
 */
import { existsSync, globSync, mkdirSync, readFileSync } from "node:fs"
import path from "node:path"
import { publint } from "publint"
import { formatMessage } from "publint/utils"
import type { Manifest, Workspace } from "../Workspace.ts"
import { root, slashes } from "../Workspace.ts"
import { runNode, runNpm } from "./Process.ts"

/** A packed package. */
export interface Tarball {
  readonly name: string
  readonly manifest: Manifest
  readonly file: string
  /** Its entry points as an embedder writes them, such as `@guildhall/core/Money`. */
  readonly entryPoints: ReadonlyArray<string>
}

/** Packs the packages into `folder`. */
export const pack = async (packages: ReadonlyArray<Workspace>, folder: string): Promise<ReadonlyArray<Tarball>> => {
  const destination = path.join(folder, "tarballs")
  mkdirSync(destination)
  const selected = packages.map(({ name }) => `--workspace=${name}`)
  await runNpm(root, ["pack", ...selected, `--pack-destination=${destination}`, "--ignore-scripts", "--silent"])
  return packages.map((one) => {
    const { manifest, name } = one
    const file = path.join(destination, `${name.replace("@", "").replace("/", "-")}-${manifest.version ?? ""}.tgz`)
    if (!existsSync(file)) throw new Error(`npm pack did not make ${file}.`)
    return { name, manifest, file, entryPoints: entryPointsOf(one) }
  })
}

/** What `exports` opens: the exact names, and for a pattern every built module that no `null` closes. */
const entryPointsOf = ({ directory, manifest, name }: Workspace): ReadonlyArray<string> => {
  const entries = Object.entries(manifest.exports ?? {})
  const closed = entries.flatMap(([key, target]) => (target === null ? [key.replace("*", "")] : []))
  const open = entries.flatMap(([key, target]) => {
    if (target === null || typeof target === "string") return []
    if (!key.includes("*")) return [key]
    const pattern = (target["default"] ?? "").replace("*", "**/*")
    const [before = "", after = ""] = (target["default"] ?? "").replace("./", "").split("*")
    return globSync(pattern, { cwd: path.join(root, directory) })
      .map((file) => key.replace("*", slashes(file).slice(before.length, -after.length)))
      .filter((one) => !one.endsWith("/index") && closed.every((prefix) => !one.startsWith(prefix)))
  })
  return [...new Set(open)].sort().map((key) => path.posix.join(name, key))
}

/** Runs publint (strict) and attw (for ESM only) on a tarball, with every entry point. */
export const examine = async ({ entryPoints, file, manifest, name }: Tarball): Promise<void> => {
  const bytes = readFileSync(file)
  const buffer = new Uint8Array(bytes).buffer
  const { messages, pkg } = await publint({ pack: { tarball: buffer }, strict: true })
  const said = messages.map((message) => `publint: ${formatMessage(message, pkg, { color: false }) ?? message.code}`)
  if (!existsSync(path.join(root, "packages", name.split("/")[1] ?? "", "README.md"))) said.push("It has no README.md.")
  if (manifest.exports?.["."] === undefined) said.push("It has no main entry point.")
  if (said.length > 0) throw new Error(said.join("\n"))
  const attw = path.join(root, "node_modules/@arethetypeswrong/cli/dist/index.js")
  const names = entryPoints.map((one) => `.${one.slice(name.length)}`)
  const options = [
    "--profile",
    "esm-only",
    "--no-definitely-typed",
    "--format",
    "table-flipped",
    "--no-color",
    "--no-emoji",
  ]
  await runNode(root, [attw, file, ...options, "--entrypoints", ...names])
}
