/**
 * Checks that every dependency with an install script is listed in the root manifest's `allowScripts`, allowed or not,
 * and has its reason in `docs/decisions/0003-install-scripts.md`.
 *
 * `node tools/installScripts.ts [--json]`
 */
import { existsSync, readFileSync } from "node:fs"
import path from "node:path"
import type { Problem } from "./Problem.ts"
import { report } from "./Problem.ts"
import type { Manifest } from "./Workspace.ts"
import { readJson, root } from "./Workspace.ts"

interface Lock {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly hasInstallScript?: boolean }>>
}

const decision = "docs/decisions/0003-install-scripts.md"

/** The packages of a lock that run something when they are installed, as `name@version`. */
const withScripts = (lock: Lock): ReadonlyArray<string> =>
  Object.entries(lock.packages)
    .filter(([, entry]) => entry.hasInstallScript === true)
    .map(([where, entry]) => `${where.split("node_modules/").at(-1) ?? where}@${entry.version ?? ""}`)

const nameOf = (entry: string): string => entry.replace(/(?<=.)@[^@/]*$/, "")

/** What is wrong with the list of the repository at `base`. */
export const check = (base: string): ReadonlyArray<Problem> => {
  const listed = readJson<Manifest>(path.join(base, "package.json")).allowScripts ?? {}
  const found = withScripts(readJson<Lock>(path.join(base, "package-lock.json")))
  const reasons = existsSync(path.join(base, decision)) ? readFileSync(path.join(base, decision), "utf8") : ""
  const covers = (entry: string, one: string): boolean => entry === one || entry === nameOf(one)
  const unlisted = found.filter((one) => Object.keys(listed).every((entry) => !covers(entry, one)))
  const idle = Object.keys(listed).filter((entry) => found.every((one) => !covers(entry, one)))
  const unexplained = found.filter((one) => !reasons.includes(`\`${nameOf(one)}\``))
  return [
    ...unlisted.map((one) => ({
      file: "package.json",
      message: `${one} has an install script. Read it, then write "${one}": true or "${nameOf(one)}": false under allowScripts.`,
    })),
    ...idle.map((entry) => ({
      file: "package.json",
      message: `allowScripts lists ${entry}, which is not installed in that version or has no script. Remove or renew it.`,
    })),
    ...unexplained.map((one) => ({ file: decision, message: `does not say why ${nameOf(one)} may or may not run.` })),
  ]
}

if (import.meta.main) report(check(root), process.argv.includes("--json"))
